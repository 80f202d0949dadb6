"""The promises of a plan kept: whole rollouts played with its own numbers and known truths."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from llmops_cli.rollout import Plan, RolloutParameters, draw_plan
from llmops_cli.rollout.model import Decision
from llmops_cli.rollout.sample import Risks

Make = Callable[..., pd.DataFrame]
Ints = npt.NDArray[np.int64]
Truth = dict[str, tuple[float, float]]
"""Per guardrail the share of bad requests of the old and of the new version."""


@dataclass
class Played:
    """What many rollouts came to: per rollout, and per stage."""

    passed: float
    went_back: float
    went_on: list[float]


def play(plan: Plan, truth: Truth, runs: int = 4000, seed: int = 0) -> Played:
    draw = np.random.default_rng(seed)
    old = {
        name: Arm(draw.binomial(plan.baseline_calls, before, runs), plan.baseline_calls)
        for name, (before, _) in truth.items()
    }
    alive, back = np.ones(runs, bool), np.zeros(runs, bool)
    went_on: list[float] = []
    for stage in plan.stages:
        control = stage.requests - stage.canary_requests
        on, off = np.ones(runs, bool), np.zeros(runs, bool)
        for decision in stage.decisions:
            name = decision.guardrail
            beside = Arm(draw.binomial(control, truth[name][0], runs), control)
            canary = draw.binomial(stage.canary_requests, truth[name][1], runs)
            old[name] = old[name] + beside
            harm = canary / stage.canary_requests - (beside if control else old[name]).share
            on &= harm < decision.promote_below
            off |= harm > decision.roll_back_above
        back |= alive & off
        alive &= on & ~off
        went_on.append(float(on.mean()))
    return Played(float(alive.mean()), float(back.mean()), went_on)


@dataclass
class Arm:
    """Bad requests of one arm in every rollout, and its requests."""

    bad: Ints
    requests: int

    @property
    def share(self) -> npt.NDArray[np.float64]:
        return self.bad / self.requests

    def __add__(self, other: "Arm") -> "Arm":
        return Arm(self.bad + other.bad, self.requests + other.requests)


def log(calls: Make, errors: float, quality: float, n: int = 20_000) -> pd.DataFrame:
    draw = np.random.default_rng(3)
    failed = draw.permutation(np.arange(n) < errors * n)
    return calls(
        n,
        user_id=[f"u{i}" for i in range(n)],
        error_type=np.where(failed, "timeout", None),
        evaluation_score=draw.permutation(np.arange(n) < quality * n).astype(float),
    )


CASES = [
    (0.02, 0.90, {}),
    (0.001, 0.99, {}),
    (0.01, 0.95, {"latency_margin": 1.3, "error_margin": 0.02}),
]


def promises(plan: Plan, errors: float, quality: float, runs: int) -> None:
    margins = {item.name: item.margin for item in plan.guardrails}
    alike: Truth = {
        "quality": (1 - quality, 1 - quality),
        "latency": (0.05, 0.05),
        "errors": (errors, errors),
    }
    noise = 3 * (plan.alpha * (1 - plan.alpha) / runs) ** 0.5
    harmless = play(plan, alike, runs)
    assert harmless.passed >= plan.power
    assert harmless.went_back <= plan.alpha + noise
    for name, margin in margins.items():
        before = alike[name][0]
        harmful = play(plan, {**alike, name: (before, before + margin)}, runs)
        # The normal law at a few tens of events is good to about a third of so small an alpha.
        assert max(harmful.went_on) <= 1.35 * plan.alpha_per_stage + noise
        assert harmful.passed <= plan.alpha + noise
        # One look at the end; every earlier look only adds to it.
        assert harmful.went_back >= min(0.85, plan.power) - noise - 0.02


@pytest.mark.parametrize(("errors", "quality", "margins"), CASES)
def test_a_plan_keeps_its_promises(
    calls: Make, errors: float, quality: float, margins: dict[str, Any]
) -> None:
    given = RolloutParameters(minimum_stage_s=0, **margins)
    promises(draw_plan(log(calls, errors, quality), given), errors, quality, 4000)


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "power"), [(0.02, 0.6), (0.1, 0.95)])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("stages", [(100.0,), (50.0, 100.0), (1.0, 5.0, 20.0, 100.0)])
def test_plans_keep_their_promises(
    calls: Make,
    alpha: float,
    power: float,
    case: tuple[float, float, dict[str, Any]],
    stages: tuple[float, ...],
) -> None:
    errors, quality, margins = case
    given = RolloutParameters(minimum_stage_s=0, alpha=alpha, power=power, stages=stages, **margins)
    promises(draw_plan(log(calls, errors, quality), given), errors, quality, 20_000)


def test_risks_add_up_to_those_of_the_whole_rollout() -> None:
    given = RolloutParameters(alpha=0.06, power=0.7, stages=(10, 50, 100))
    risks = Risks.shared_out(given.alpha, given.power, len(given.stages), 2)
    assert risks.promote == pytest.approx(0.02)
    assert risks.roll_back == pytest.approx(0.01)
    assert risks.hold == pytest.approx(0.05)


def test_going_back_never_comes_before_going_on(calls: Make) -> None:
    for stage in draw_plan(calls()).stages:
        for decision in stage.decisions:
            assert isinstance(decision, Decision)
            assert 0 < decision.promote_below <= decision.roll_back_above


def test_the_last_stage_is_held_against_all_of_the_old_version(calls: Make) -> None:
    plan = draw_plan(calls())
    beside, last = plan.stages[-2], plan.stages[-1]
    # Half the traffic beside it twice, against a control many times as large.
    assert last.compared_with == "baseline"
    assert last.canary_requests < 0.6 * beside.canary_requests


def test_without_earlier_stages_the_log_must_do(calls: Make) -> None:
    plan = draw_plan(calls(200), RolloutParameters(stages=(100,)))
    long = draw_plan(calls(200), RolloutParameters(stages=(50, 100)))
    assert plan.stages[0].canary_requests > plan.baseline_calls
    assert long.stages[0].canary_requests > long.stages[1].canary_requests / 2


@pytest.mark.slow
def test_users_assigned_whole_keep_the_promises(calls: Make) -> None:
    # 1,000 users of 10 calls; each has an error rate of its own, 4 % on average.
    draw, users, each, runs = np.random.default_rng(6), 1000, 10, 2000
    first, second = 0.4, 9.6
    own = np.repeat(draw.beta(first, second, users), each)
    table = calls(
        users * each,
        user_id=[f"u{i // each}" for i in range(users * each)],
        error_type=np.where(draw.random(users * each) < own, "timeout", None),
    )
    plan = draw_plan(table, RolloutParameters(error_margin=0.02, minimum_stage_s=0))
    errors = next(item for item in plan.guardrails if item.name == "errors")
    assert errors.design_effect == pytest.approx(1 + 9 / 11, rel=0.15)
    stage = plan.stages[0]
    decision = next(item for item in stage.decisions if item.guardrail == "errors")

    def share(requests: int, *, worse: float = 0.0) -> npt.NDArray[np.float64]:
        rates = draw.beta(first, second, (runs, requests // each)) + worse
        return draw.binomial(each, rates.clip(0, 1)).mean(axis=1) / each

    control = share(stage.requests - stage.canary_requests)
    alike = share(stage.canary_requests) - control
    worse = share(stage.canary_requests, worse=0.02) - control
    assert (alike < decision.promote_below).mean() >= 1 - 0.2 / 15 - 0.01
    assert (worse < decision.promote_below).mean() <= 0.02
    assert (alike > decision.roll_back_above).mean() <= 0.012
