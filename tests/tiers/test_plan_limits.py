"""What a plan costs, takes and sends to one model, against plain arithmetic on the rows."""

import numpy as np
import pytest

from llmops_cli.report import Check, Verdict
from llmops_cli.tiers.cells import cells_of
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.plan import Limits
from llmops_cli.tiers.plan_limits import limit_checks

N = 600


def drawn(clusters: int = N) -> Outcomes:
    draw = np.random.default_rng(4)
    return Outcomes(
        ("a", "b"), (draw.random((N, 2)) < 0.8) * 1.0, draw.uniform(0.001, 0.02, (N, 2)),
        draw.uniform(0, 10, (N, 2)), draw.integers(0, 3, N), ("x", "y", "z"),
        np.arange(N) % clusters,
    )  # fmt: skip


def checks(outcomes: Outcomes, share: np.ndarray, limits: Limits) -> list[Check]:
    cells = cells_of(outcomes, 1, slower_than_s=limits.max_p95_s)
    return list(limit_checks(cells, share, limits, 0.9, 0))


def test_each_limit_is_held_against_the_mean_over_requests() -> None:
    given, share = drawn(), np.array([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]])
    limits = Limits(None, 8.0, 9.5, None, {"a": 0.5})
    budget, late, capacity = checks(given, share, limits)
    part = share[given.task]
    assert given.latency_s is not None
    plain = {
        "the budget holds": (budget, 1000 * (part * given.cost_usd).sum() / N),
        "the p95 holds": (late, (part * (given.latency_s > 9.5)).sum() / N),
        "the capacity of a holds": (capacity, part[:, 0].mean()),
    }
    for name, (check, value) in plain.items():
        measure = check.measure
        assert check.name == name
        assert measure.value == pytest.approx(value)
        assert measure.low is not None
        assert measure.high is not None
        assert measure.low < value < measure.high
    # The spread of a mean of so many independent rows, two-sided 90 %.
    paid = 1000 * (part * given.cost_usd).sum(axis=1)
    width = 2 * 1.645 * paid.std() / N**0.5
    assert budget.measure.high is not None
    assert budget.measure.low is not None
    assert budget.measure.high - budget.measure.low == pytest.approx(width, rel=0.15)


def test_of_one_cluster_no_limit_is_shown_to_hold() -> None:
    share = np.tile([1.0, 0.0], (3, 1))
    found = checks(drawn(clusters=1), share, Limits(None, 1e6, 9.99, None, {"a": 0.999}))
    assert {check.verdict for check in found} == {Verdict.INCONCLUSIVE}


def test_a_plan_without_limits_has_no_check() -> None:
    assert checks(drawn(), np.tile([1.0, 0.0], (3, 1)), Limits(0.9, None, None, 2, {})) == []
