"""Boundaries and decisions: what they are at a look, and what must hold at every one."""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.rollout.boundaries import KINDS, Kind, harm_limits, promotion_limits
from llmops_cli.rollout.decision import Verdicts, decide
from llmops_cli.rollout.evidence import Arms, Sample
from llmops_cli.rollout.harm import harm_evidence, harm_limit
from llmops_cli.rollout.model import Guardrail
from llmops_cli.rollout.rule import Rule

Floats = npt.NDArray[np.float64]


def guardrail(share: float = 0.02, margin: float = 0.01, effect: float = 1.0) -> Guardrail:
    worse = share + margin
    return Guardrail(
        name="errors",
        metric="error rate",
        baseline=share,
        margin=margin,
        asked=margin,
        variance=share * (1 - share),
        variance_at_margin=worse * (1 - worse),
        design_effect=effect,
    )


def arms(bad: Floats, n: Floats, beside: Floats, n_beside: Floats) -> Arms:
    wide = np.broadcast_arrays(bad, n, beside, n_beside)
    bad, n, beside, n_beside = (np.asarray(part, dtype=np.float64) for part in wide)
    return Arms(Sample(n, bad, bad), Sample(n_beside, beside, beside))


def steady(share: float, requests: float, looks: int = 10, canary: float = 0.05) -> Arms:
    n = requests * np.arange(1.0, looks + 1)
    return arms(share * canary * n, canary * n, 0.02 * (1 - canary) * n, (1 - canary) * n)


RULE = Rule(harm="mixture", harm_alpha=0.01, promote_alpha=0.01)


def verdicts(seen: Arms, rule: Rule = RULE, what: Guardrail | None = None) -> list[int]:
    found = decide([seen], [what or guardrail()], [seen.information], rule)
    return found.verdict.tolist()


def test_the_mixture_is_the_published_one_sided_boundary() -> None:
    # At N = N* and 5 % two-sided tuning z is 2.7795; here the tuning is one-sided.
    r = (-2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))) / 5000
    expected = math.sqrt(
        2 * (5000 * r + 1) / (5000 * r) * math.log1p(math.sqrt(5000 * r + 1) / 0.1)
    )
    assert expected == pytest.approx(2.7795, abs=1e-4)
    limit = harm_limits("mixture", np.array([5000.0]), np.array([5000.0]), 0.05)
    assert limit == pytest.approx([expected], rel=1e-9)


@pytest.mark.parametrize(
    ("kind", "last"),
    [
        ("naive", 1.9600),
        ("fixed", 1.9600),
        ("bonferroni", 2.5758),
        ("obrien-fleming", 2.0310),
        ("pocock", 2.3860),
    ],
)
def test_limits_at_the_last_of_five_looks_are_the_published_ones(kind: Kind, last: float) -> None:
    information = np.arange(1.0, 6.0)
    limits = harm_limits(kind, information, information, 0.025)
    assert limits[-1] == pytest.approx(last, abs=1e-4)


def test_a_fixed_plan_looks_at_the_end_only() -> None:
    limits = harm_limits("fixed", np.arange(1.0, 4), np.arange(1.0, 4), 0.05)
    assert np.isinf(limits[:-1]).all()
    assert np.isfinite(limits[-1])


@pytest.mark.parametrize("looks", [1, 2, 4, 7])
def test_promotion_is_looked_at_as_often_as_asked(looks: int) -> None:
    limits = promotion_limits(np.arange(1.0, 101.0), 0.05, looks)
    assert np.isfinite(limits).sum() == looks
    assert np.isfinite(limits[-1])
    # O'Brien and Fleming leave nearly everything to the last look.
    assert limits[-1] <= NormalDist().inv_cdf(0.95) + 0.15


def test_a_harmful_version_goes_back_a_harmless_one_goes_on() -> None:
    assert verdicts(steady(0.05, 5000))[-1] == Verdicts.ROLLBACK
    assert verdicts(steady(0.02, 20_000))[-1] == Verdicts.PROMOTE
    assert verdicts(steady(0.02, 500))[-1] == Verdicts.HOLD


def test_going_on_needs_every_guardrail_and_going_back_only_one() -> None:
    well, ill, short = steady(0.02, 20_000), steady(0.05, 20_000), steady(0.02, 500)
    both = [guardrail(), guardrail()]

    def last(*seen: Arms) -> tuple[int, int]:
        found = decide(seen, both, [item.information for item in seen], RULE)
        return int(found.verdict[-1]), int(found.guardrail[-1])

    assert last(well, well)[0] == Verdicts.PROMOTE
    assert last(well, ill) == (Verdicts.ROLLBACK, 1)
    assert last(ill, short) == (Verdicts.ROLLBACK, 0)
    assert last(well, short) == (Verdicts.HOLD, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_arm_decides_nothing(kind: Kind) -> None:
    looks = np.arange(1.0, 5)
    rule = replace(RULE, harm=kind)
    for seen in (
        arms(np.zeros(4), np.zeros(4), looks, 100 * looks),
        arms(looks, 3 * looks, np.zeros(4), np.zeros(4)),
    ):
        found = decide([seen], [guardrail()], [looks], rule)
        assert (found.verdict == Verdicts.HOLD).all()
        assert np.isfinite(found.evidence).all()


def test_three_requests_at_five_percent_do_not_roll_back() -> None:
    # Two of three failed: a rate of 67 % against 2 %, and no evidence to speak of.
    seen = arms(np.array([2.0]), np.array([3.0]), np.array([1.0]), np.array([57.0]))
    assert verdicts(seen) == [Verdicts.HOLD]


@pytest.mark.parametrize("planned", [0.001, 0.02, 0.0235])
def test_a_disaster_is_seen_where_the_plan_expected_more_errors_than_come(planned: float) -> None:
    # 60 errors of 4,600 beside none of 106,000.
    seen = arms(np.array([60.0]), np.array([4600.0]), np.array([0.0]), np.array([106_000.0]))
    assert verdicts(seen, what=guardrail(planned)) == [Verdicts.ROLLBACK]
    unknown = replace(guardrail(planned), baseline=0.0)
    assert verdicts(seen, what=unknown) == [Verdicts.ROLLBACK]


def test_worse_by_less_than_the_margin_is_no_reason_to_go_back() -> None:
    seen = steady(0.0215, 4_000_000, looks=4)
    found = decide([seen], [guardrail()], [seen.information], RULE)
    assert found.evidence[0, -1] >= 1
    assert found.verdict[-1] == Verdicts.PROMOTE


def test_without_a_test_of_no_harm_a_rollout_goes_on_at_the_end() -> None:
    rule = replace(RULE, promote_alpha=None)
    assert verdicts(steady(0.02, 100, looks=3), rule) == [0, 0, Verdicts.PROMOTE]
    assert verdicts(steady(0.08, 5000, looks=3), rule)[-1] == Verdicts.ROLLBACK


@given(
    bad=st.integers(0, 400),
    more=st.integers(0, 50),
    beside=st.integers(0, 800),
    share=st.sampled_from([0.001, 0.02, 0.2]),
    effect=st.floats(1, 5),
)
def test_more_bad_requests_never_speak_for_the_new_version(
    bad: int, more: int, beside: int, share: float, effect: float
) -> None:
    n, other = np.array([500.0]), np.array([9500.0])
    what = guardrail(share, effect=effect)
    planned = np.array([475.0])

    def evidence(count: int) -> float:
        seen = arms(np.array([float(count)]), n, np.array([float(beside)]), other)
        return float(harm_evidence(seen, what, planned, "mixture", 0.01)[0])

    assert evidence(bad + more) >= evidence(bad) - 1e-9 or evidence(bad) >= 1


@given(cut=st.integers(1, 9), seed=st.integers(0, 1000), kind=st.sampled_from(["mixture", "naive"]))
def test_a_look_does_not_know_the_looks_to_come(cut: int, seed: int, kind: Kind) -> None:
    draw = np.random.default_rng(seed)
    bad = draw.binomial(50, 0.03, 10).cumsum().astype(float)
    beside = draw.binomial(950, 0.02, 10).cumsum().astype(float)
    looks = np.arange(1.0, 11)
    seen = arms(bad, 50 * looks, beside, 950 * looks)
    planned = seen.information
    whole = harm_evidence(seen, guardrail(), planned, kind, 0.01)
    part = Arms(seen.treated.between(0, cut), seen.control.between(0, cut))
    # The plan's end is known before the first look; only the numbers come in.
    known = np.append(planned[: cut - 1], planned[-1])
    assert harm_evidence(part, guardrail(), known, kind, 0.01) == pytest.approx(whole[:cut])


@pytest.mark.parametrize(("share", "treated"), [(0.02, 10_000.0), (0.001, 1000.0), (0.1, 500.0)])
@pytest.mark.parametrize("ratio", [1.0, 19.0, math.inf])
def test_the_limit_of_a_plan_is_where_the_decision_turns(
    share: float, treated: float, ratio: float
) -> None:
    what = guardrail(share)
    limit = harm_limit(what, treated, ratio * treated, 0.003)
    control = min(ratio, 1e6) * treated
    for harm, back in ((limit - 1e-5, False), (limit + 1e-5, True)):
        bad = np.array([treated * (share + harm)])
        seen = arms(bad, np.array([treated]), np.array([share * control]), np.array([control]))
        found = harm_evidence(seen, what, seen.information, "mixture", 0.003)
        assert bool(found[0] >= 1) is back


def test_graded_scores_vary_less_than_yes_and_no() -> None:
    graded = replace(guardrail(0.1, 0.02), name="quality", baseline=0.9, variance=0.01)
    assert not graded.binary
    assert guardrail().binary
    assert harm_limit(graded, 1000, 19_000, 0.003) < harm_limit(guardrail(0.1), 1000, 19_000, 0.003)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.001, 0.01, 0.02, 0.1])
@pytest.mark.parametrize("canary", [0.05, 0.25, 0.5])
def test_looking_fifty_times_keeps_the_risk(share: float, canary: float) -> None:
    runs, looks, alpha, draw = 20_000, 50, 0.01, np.random.default_rng(8)
    each = 200
    other = round(each * (1 - canary) / canary)
    bad = draw.binomial(each, share, (runs, looks)).cumsum(axis=1).astype(float)
    beside = draw.binomial(other, share, (runs, looks)).cumsum(axis=1).astype(float)
    so_far = np.arange(1.0, looks + 1)
    seen = arms(bad, each * so_far, beside, other * so_far)
    planned = seen.information[0]
    found = harm_evidence(seen, guardrail(share), planned, "mixture", alpha)
    assert (found >= 1).any(axis=1).mean() <= alpha + 3 * math.sqrt(alpha / runs)
