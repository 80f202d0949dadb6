"""The split against its share: what is an alarm, and how seldom a sound split raises one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.rollout.sample_ratio import RATIO_ALPHA, ratio_alarms, ratio_evidence
from llmops_cli.rollout.schedule import Schedule, StageLooks


def evidence(treated: float, control: float, share: float) -> float:
    arms = np.array([treated]), np.array([control])
    return float(ratio_evidence(*arms, share, treated + control, RATIO_ALPHA)[0])


@pytest.mark.parametrize(
    ("treated", "control", "share", "alarm"),
    [
        (5000, 5200, 0.5, False),  # chi-square 3.92, p .048
        (4880, 95_120, 0.05, False),  # chi-square 3.03, p .082
        (4400, 95_600, 0.05, True),
        (5000, 5900, 0.5, True),
        (3, 0, 0.05, False),  # three requests say nothing
        (0, 0, 0.5, False),
    ],
)
def test_an_alarm_is_a_split_that_chance_does_not_make(
    treated: int, control: int, share: float, *, alarm: bool
) -> None:
    assert (evidence(treated, control, share) >= 1) is alarm


@given(n=st.integers(100, 10_000), share=st.floats(0.05, 0.95), off=st.floats(0, 0.05))
def test_a_split_further_off_is_never_less_suspicious(n: int, share: float, off: float) -> None:
    near = evidence(share * n, (1 - share) * n, share)
    far = evidence((share + off) * n, (1 - share - off) * n, share)
    assert far >= near - 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("clustered", [False, True])
def test_a_sound_split_raises_an_alarm_no_more_often_than_said(*, clustered: bool) -> None:
    # Clustered requests are no matter, as users are what is counted.
    draw, n = np.random.default_rng(1), 20_000
    units = draw.integers(0, 4000, n) if clustered else np.arange(n)
    _, units = np.unique(units, return_inverse=True)
    look = draw.integers(0, 24, n)
    arrivals = np.bincount(look, minlength=24).astype(float)
    shares, ends = (0.05, 0.10, 0.25, 0.50), (0, 24, 36, 48, 60)
    stages = tuple(StageLooks(*s) for s in zip(shares, ends, ends[1:], strict=False))
    runs = 20_000
    alarms = ratio_alarms(Schedule(3600.0, arrivals, stages), units, look, runs, 0)
    assert alarms / runs <= RATIO_ALPHA + 3 * (RATIO_ALPHA / runs) ** 0.5
