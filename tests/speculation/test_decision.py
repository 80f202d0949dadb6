"""The decision as a whole: how often it is wrong on planted logs, and its latencies by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from llmops_cli.hardware.catalogue import model_named
from llmops_cli.report import Verdict
from llmops_cli.speculation.analysis import Logged, analyse
from llmops_cli.speculation.closed_form import expected_tokens
from llmops_cli.speculation.costs import Costs, Steps, step_costs
from llmops_cli.speculation.estimate import tokens_per_step
from llmops_cli.speculation.latency import latency_at
from llmops_cli.speculation.model import (
    Acceptance,
    Draft,
    Load,
    Machine,
    SpeculationParameters,
)
from llmops_cli.speculation.plan import plan_draft
from llmops_cli.speculation.report import report
from llmops_cli.speculation.speedup import over_load

Planted = Callable[..., Acceptance]

EAGLE = Draft(name="eagle", shape=model_named("EAGLE-Llama-3.1-8B"))
LOAD = Load(batches=(1, 64), shares=(0.5, 0.5), source="test")


def known_costs(machine: Machine, depth: int) -> Costs:
    """Costs at the load where step times are certain."""
    exact = Steps(deployments=(machine.deployment,))
    return step_costs(machine, EAGLE, exact, np.ones(depth), np.array([1.0, 64.0]))


def test_a_go_at_the_true_speedup_is_rare_and_so_is_a_no_go(
    machine: Machine, planted: Planted
) -> None:
    costs, depths, shares = known_costs(machine, 4), np.array([4, 4]), np.array([0.5, 0.5])
    rates = np.random.default_rng(0).beta(6, 3, 200_000)
    tokens = 1 / np.mean(1 / sum(rates**k for k in range(5)))
    truth = 1 / float((shares * costs.needed[0, 4] / tokens).sum())
    go = no_go = 0
    for seed in range(120):
        generator = np.random.default_rng(seed)
        seen = planted(generator.beta(6, 3, 60), 4, 80, generator)
        found = over_load(tokens_per_step(seen, resamples=400, seed=seed), costs, depths, shares)
        go += found.low >= truth
        no_go += found.high < truth
    # Two and a half in a hundred each, and some for sixty requests and for the scatter of 120.
    assert go <= 9
    assert no_go <= 9


@pytest.mark.parametrize(
    ("rate", "bound", "verdict"),
    [(0.85, 1.3, Verdict.PASS), (0.05, 1.05, Verdict.FAIL)],
)
def test_a_clear_case_is_decided(
    machine: Machine, planted: Planted, rate: float, bound: float, verdict: Verdict
) -> None:
    seen = planted([rate] * 40, 4, 80, np.random.default_rng(1))
    given = SpeculationParameters(min_speedup=bound, resamples=300)
    found = analyse(machine, [Logged(draft=EAGLE, seen=seen)], LOAD, given)
    assert report(found).verdict is verdict


def test_more_requests_narrow_a_decision_as_they_are_said_to(
    machine: Machine, planted: Planted
) -> None:
    costs, depths, shares = known_costs(machine, 4), np.array([4, 4]), np.array([0.5, 0.5])
    widths = []
    for requests in (50, 450):
        generator = np.random.default_rng(requests)
        seen = planted(generator.beta(6, 3, requests), 4, 80, generator)
        found = over_load(tokens_per_step(seen, resamples=800), costs, depths, shares)
        widths.append(found.high - found.low)
    assert widths[0] / widths[1] == pytest.approx(3, rel=0.35)


def test_times_per_token_are_steps_over_tokens(machine: Machine, planted: Planted) -> None:
    seen = planted([0.2] * 50 + [0.9] * 50, 4, 200, np.random.default_rng(2))
    plan = plan_draft(machine, EAGLE, seen, LOAD, SpeculationParameters(resamples=300))
    here = latency_at(plan, 64)
    depth = plan.depth
    step = plan.costs.step[0, depth, 63]
    assert here.plain.value == plan.costs.plain[0, 63]
    assert here.mean.value == pytest.approx(step / plan.tokens.value[depth])
    # The slow half draws almost nothing from the draft, the slowest less than all.
    slow, fast = (step / expected_tokens(rate, depth) for rate in (0.2, 0.9))
    assert here.p99.value == pytest.approx(slow, rel=0.15)
    assert fast < here.p50.value < slow
    for quantile in (here.mean, here.p50, here.p99):
        assert quantile.low <= quantile.value <= quantile.high
    assert here.p50.value < here.p99.value


def test_a_draft_of_measured_passes_costs_what_was_measured(
    machine: Machine, planted: Planted
) -> None:
    seen = planted([0.7] * 20, 3, 60, np.random.default_rng(3))
    slow = Draft(name="slow", pass_s=0.050)
    plan = plan_draft(machine, slow, seen, LOAD, SpeculationParameters(resamples=100))
    assert plan.costs.draft[:, 3] == pytest.approx(0.150)
    # Passes that take longer than a step of the target never pay.
    assert plan.ends == 0
    assert plan.speedup.value < 1


def test_what_is_decided_does_not_hang_on_the_order_of_drafts(
    machine: Machine, planted: Planted
) -> None:
    one = planted([0.8] * 30, 3, 60, np.random.default_rng(4))
    two = planted([0.4] * 30, 3, 60, np.random.default_rng(5))
    logged = [
        Logged(draft=EAGLE, seen=one),
        Logged(draft=replace(EAGLE, name="other"), seen=two),
    ]
    given = SpeculationParameters(resamples=200)
    forth, back = (analyse(machine, order, LOAD, given) for order in (logged, logged[::-1]))
    names = [plan.draft.name for plan in forth.plans]
    assert names == [plan.draft.name for plan in back.plans]
    assert forth.best.speedup.value == back.best.speedup.value
