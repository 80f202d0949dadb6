"""What the queries ask and what their limits decide: held against check-rollout's own judgement."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from llmops_cli.exports import ROLLOUT_EXPORTS
from llmops_cli.exports.rollout_queries import (
    EARLY_LEAST,
    EARLY_PARTS,
    early_bound,
    measurable,
)
from llmops_cli.rollout import Plan
from llmops_cli.rollout.check import check
from llmops_cli.rollout.decision import Verdicts
from llmops_cli.rollout.evidence import Arms, Sample
from llmops_cli.rollout.model import Guardrail, Stage
from llmops_cli.rollout.observed import Observed, Sums
from llmops_cli.rollout.state import State, fingerprint

CALLS = "gen_ai_client_operation_duration_seconds"
SCORES = "gen_ai_evaluation_score"
SERIES = re.compile(r"sum\(increase\((\w+)\{([^}]*(?:\}\}[^}]*)*)\}\[[^\]]*\]\)\)")

Counts = dict[str, tuple[float, float]]
"""Requests and their badness, of canary and control."""


def answer(query: str, arms: Counts) -> float | None:
    """The query as Prometheus would answer it from these counts; None for an empty answer.

    A series without samples does not exist: sums of it are empty, and so is all arithmetic on
    it, unless ``or vector(0)`` stands in.
    """

    def series(match: re.Match[str]) -> str:
        metric, labels = match[1], match[2]
        n, bad = arms["canary" if "args.canary" in labels else "control"]
        value: float | None = {
            f"{CALLS}_count": bad if "error_type" in labels else n,
            f"{CALLS}_bucket": n - bad,
            f"{SCORES}_sum": n - bad,
            f"{SCORES}_count": n,
        }[metric]
        if "error_type" in labels and value == 0:
            value = None
        return "(nothing)" if value is None else f"({value!r})"

    expression = SERIES.sub(series, query).replace("((nothing) or vector(0))", "(0)")
    expression = re.sub(r"\((\([\d.e+]+\)) or vector\(0\)\)", r"\1", expression)
    assert "nothing" not in expression
    harm, *conditions = expression.strip().split("\nand ")
    if not all(eval(condition) for condition in conditions):  # noqa: S307 - numbers of our own
        return None
    return float(eval(harm))  # noqa: S307 - as above


@cache
def templates(name: str, plan: Plan) -> list[dict[str, Any]]:
    """All documents of an export but the first."""
    return list(yaml.safe_load_all(ROLLOUT_EXPORTS[name](plan).text))[1:]


def argo(plan: Plan, stage: Stage, part: str) -> dict[str, dict[str, Any]]:
    """The metrics of one template by guardrail."""
    name = f"llm-app-{stage.percent:g}-{part}"
    found = next(item for item in templates("argo", plan) if item["metadata"]["name"] == name)
    return {item["name"].removeprefix("harm-"): item for item in found["spec"]["metrics"]}


def measured(metric: dict[str, Any], arms: Counts) -> str:
    """What Argo makes of a metric: of its conditions, failure goes first; one alone says all."""
    value = answer(metric["provider"]["prometheus"]["query"], arms)
    result = [] if value is None else [value]

    def holds(condition: str) -> bool:
        return bool(eval(condition.replace("&&", "and"), {"result": result, "len": len}))  # noqa: S307

    if "failureCondition" in metric and holds(metric["failureCondition"]):
        return "failed"
    if "successCondition" not in metric or holds(metric["successCondition"]):
        return "successful"
    return "inconclusive" if "failureCondition" in metric else "failed"


def arms_at(stage: Stage, guardrail: Guardrail, harm: float, part: float = 1.0) -> Counts:
    """Both arms when that part of the stage is in and the canary is worse by ``harm``."""
    n = np.ceil(stage.canary_requests * guardrail.coverage * part) + 1
    share = stage.percent / 100
    other = np.ceil(n * (1 - share) / share)
    return {
        "canary": (n, n * (guardrail.bad_share + harm)),
        "control": (other, other * guardrail.bad_share),
    }


def judged(plan: Plan, stage: Stage, given: dict[str, Counts]) -> Verdicts:
    """By check-rollout."""
    cells = {
        ("2026-09-01T00:00", variant, item.name): Sums(n, bad, bad * _spread(item))
        for item in plan.guardrails
        for variant, (n, bad) in given[item.name].items()
    }
    state = State(fingerprint(plan)).seeing(stage.percent, Observed(cells))
    return check(plan, state, stage.percent).verdict


def _spread(guardrail: Guardrail) -> float:
    """Squares for the sum of badness, so that the variance is the plan's."""
    bad = guardrail.bad_share
    return min(1.0, (guardrail.variance + bad**2) / bad)


def each(plan: Plan) -> list[tuple[Stage, Guardrail]]:
    return [(stage, guardrail) for stage in plan.stages for guardrail in measurable(plan)]


def test_the_query_is_the_harm_that_check_rollout_measures(usual: Plan) -> None:
    for stage, guardrail in each(usual):
        metric = argo(usual, stage, "end")[guardrail.name]
        arms = arms_at(stage, guardrail, 0.0123)
        value = answer(metric["provider"]["prometheus"]["query"], arms)
        n, bad = (np.array(item) for item in zip(*arms.values(), strict=True))
        if stage.compared_with == "baseline":
            n[1], bad[1] = 1.0, guardrail.bad_share
        own = Arms(*(Sample(n[i : i + 1], bad[i : i + 1], bad[i : i + 1]) for i in (0, 1)))
        # The baseline and the limits are written with six digits.
        assert value == pytest.approx(float(own.harm[0]), abs=1e-6)


@pytest.mark.parametrize(
    ("times", "said", "verdict"),
    [
        (lambda decision: -0.2 * decision.promote_below, "successful", Verdicts.PROMOTE),
        (lambda decision: 0.5 * (decision.promote_below + max(decision.roll_back_above,
         decision.promote_below)), "inconclusive", Verdicts.HOLD),
        (lambda decision: 1.6 * max(decision.roll_back_above, decision.promote_below), "failed",
         Verdicts.ROLLBACK),
    ],
    ids=["harmless", "between", "harmful"],
)  # fmt: skip
def test_argo_ends_a_stage_as_check_rollout_would(
    usual: Plan, times: Callable[[Any], float], said: str, verdict: Verdicts
) -> None:
    for stage, guardrail in each(usual):
        decision = next(d for d in stage.decisions if d.guardrail == guardrail.name)
        if said == "inconclusive" and decision.roll_back_above <= decision.promote_below:
            continue  # nothing lies between
        counts = {item.name: arms_at(stage, item, -0.01) for item in usual.guardrails}
        counts[guardrail.name] = arms_at(stage, guardrail, times(decision))
        metrics = argo(usual, stage, "end")
        found = {
            item.name: measured(metrics[item.name], counts[item.name]) for item in usual.guardrails
        }
        others = {item.name for item in usual.guardrails} - {guardrail.name}
        assert found[guardrail.name] == said
        assert {found[name] for name in others} == {"successful"}
        assert judged(usual, stage, counts) is verdict


def test_too_few_requests_are_inconclusive_at_the_end_and_no_harm_before(plan: Plan) -> None:
    for stage, guardrail in each(plan):
        decision = next(d for d in stage.decisions if d.guardrail == guardrail.name)
        given_up = "failed" if plan.policy.at_maximum == "abort" else "inconclusive"
        few = 0.9 * decision.canary_requests / stage.canary_requests
        for part, at, said in (("end", few, given_up), ("early", few / 10, "successful")):
            arms = arms_at(stage, guardrail, 0.5 * (1 - guardrail.bad_share), at)
            arms["canary"] = tuple(value - 2 for value in arms["canary"])
            assert measured(argo(plan, stage, part)[guardrail.name], arms) == said


def test_an_outage_goes_back_in_its_first_window(plan: Plan) -> None:
    for stage, guardrail in each(plan):
        arms = arms_at(stage, guardrail, 0.9 * (1 - guardrail.bad_share), 1 / EARLY_PARTS)
        assert measured(argo(plan, stage, "early")[guardrail.name], arms) == "failed"


def test_early_windows_hardly_ever_send_a_harmless_change_back(plan: Plan) -> None:
    """Exact: of both arms' bad requests, over the eight windows of every stage."""
    for stage, guardrail in each(plan):
        if not guardrail.binary:
            continue
        decision = next(d for d in stage.decisions if d.guardrail == guardrail.name)
        alpha = plan.alpha / (len(plan.stages) * len(plan.guardrails))
        shown = stage.canary_requests * guardrail.coverage * EARLY_LEAST
        n = max(1, int(shown / guardrail.design_effect))
        share = stage.percent / 100
        other = 10**9 if share == 1 else max(1, int(n * (1 - share) / share))
        bad = np.arange(n + 1)
        most = other * (bad / n - early_bound(decision))
        p = guardrail.bad_share
        beyond = binom.pmf(bad, n, p) * binom.cdf(np.ceil(most) - 1, other, p)
        assert EARLY_PARTS * beyond.sum() < alpha / 2, (stage.percent, guardrail.name)


def test_a_version_without_errors_has_none(usual: Plan) -> None:
    guardrail = next(item for item in usual.guardrails if item.name == "errors")
    for stage in usual.stages:
        arms = {"canary": (1e6, 0.0), "control": (1e6, 0.0)}
        query = argo(usual, stage, "end")["errors"]["provider"]["prometheus"]["query"]
        old = 0.0 if stage.compared_with == "control" else guardrail.baseline
        assert answer(query, arms) == pytest.approx(-old, abs=1e-6)


@given(n=st.integers(0, 10**6), other=st.integers(1, 10**6), data=st.data())
def test_flagger_asks_the_same_question_once_a_window_has_enough_requests(
    usual: Plan, n: int, other: int, data: st.DataObject
) -> None:
    bad = data.draw(st.integers(0, n))
    arms: Counts = {"canary": (float(n), float(bad)), "control": (float(other), 0.0)}
    for template, guardrail in zip(templates("flagger", usual), usual.guardrails, strict=True):
        query = template["spec"]["query"]
        assert query.endswith(") or vector(0)\n")
        query = query.removeprefix("(").removesuffix(") or vector(0)\n")
        # Both name their pods by patterns; the primary's is the control.
        query = query.replace("{{ target }}-primary", "control").replace(
            "{{ target }}", "args.canary"
        )
        query = query.replace("{{ namespace }}", "test").replace("{{ interval }}", "1m")
        found = answer(query, arms)
        if n < int(usual.stages[0].canary_requests * guardrail.coverage * EARLY_LEAST):
            assert found is None
        else:
            assert found == pytest.approx(bad / n)


@pytest.mark.parametrize("name", ["usual", "rare errors", "fractions"])
def test_flaggers_net_seldom_catches_a_harmless_change_though_it_looks_all_the_time(
    name: str, named_plan: Callable[[str], Plan]
) -> None:
    """Played request by request: windows that slide by a sixteenth, until the last comparison."""
    plan, draw, slides, runs = named_plan(name), np.random.default_rng(3), 16, 400
    caught = np.zeros(runs, dtype=bool)
    canary = yaml.safe_load(ROLLOUT_EXPORTS["flagger"](plan).text.split("---\n")[0])
    limits = [item["thresholdRange"]["max"] for item in canary["spec"]["analysis"]["metrics"]]
    first = plan.stages[0]
    slide = first.requests / (EARLY_PARTS * slides)
    compared = [stage for stage in plan.stages if stage.compared_with == "control"]
    share = np.concatenate([
        np.full(int(stage.requests / slide), stage.percent / 100) for stage in compared
    ])  # fmt: skip
    for guardrail, limit in zip(plan.guardrails, limits, strict=True):
        if not guardrail.binary:
            continue
        rates = []
        for part in (share, 1 - share):
            seen = draw.poisson(slide * part * guardrail.coverage, (runs, len(share)))
            bad = draw.binomial(seen, guardrail.bad_share)
            total, of = (np.cumsum(item, axis=1) for item in (bad, seen))
            late = [item[:, slides:] - item[:, :-slides] for item in (total, of)]
            rates.append(late[0] / np.maximum(late[1], 1))
        caught |= (rates[0] - rates[1] > limit).any(axis=1)
    # Half of what the plan may spend on going back for nothing, and Monte Carlo error.
    assert caught.mean() <= plan.alpha / 2 + 3 * np.sqrt(0.025 * 0.975 / runs)
