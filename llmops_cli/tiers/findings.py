"""What a reader must know before trusting a plan: gaps of the outcomes, and of the plan itself."""

from collections.abc import Iterator

import numpy as np

from llmops_cli.report import Finding
from llmops_cli.tiers.cascade_tables import about_verdicts
from llmops_cli.tiers.model import TierParameters
from llmops_cli.tiers.simulation import Rows, Simulation
from llmops_cli.tiers.words import points

__all__ = ["about_rows", "own_findings"]

_STEADY = 0.8
_WORSE = 0.02
_SHOWN = 3


def own_findings(found: Simulation, given: TierParameters) -> tuple[Finding, ...]:
    """Everything about these outcomes and this plan that its numbers do not say."""
    return (
        *about_rows(found.rows, found.cells.clusters),
        *_about_classes(found),
        *_about_plan(found, given),
        *_about_policies(found),
        *about_verdicts(found.cascades),
    )


def about_rows(rows: Rows, clusters: int) -> Iterator[Finding]:
    """What the outcomes lack."""
    missing = rows.given - rows.complete
    if missing and not rows.partial:
        yield Finding(
            slug="tiers-incomplete-rows",
            severity="warning",
            message=f"{missing:,} of {rows.given:,} requests lack some model's quality or cost: "
            "left out",
            hint="run every model on the same requests",
            count=missing,
        )
    elif missing:
        yield Finding(
            slug="tiers-partial",
            severity="warning",
            message=f"{missing:,} of {rows.given:,} requests were not answered by every model: "
            "means compare different requests, and only shared ones show a difference",
            hint="run the models side by side on a sample, or log propensities",
            count=missing,
        )
    for name, count in rows.free:
        yield Finding(
            slug="tiers-zero-cost",
            severity="warning",
            message=f"{count:,} answers of {name} cost nothing",
            hint="a model of your own has a price per request too: --cost MODEL=USD",
            field=name,
            count=count,
        )
    if rows.untimed:
        yield Finding(
            slug="tiers-no-latency-rows",
            severity="warning",
            message=f"{rows.untimed:,} answers have no latency: left out of every p95",
            count=rows.untimed,
        )
    if clusters == len(rows.outcomes):
        yield Finding(
            slug="tiers-no-clusters",
            severity="note",
            message="no two rows share a cluster: rows count as independent",
            hint="name the conversation or template of a row in a column cluster",
            field="cluster",
        )


def _about_classes(found: Simulation) -> Iterator[Finding]:
    plan, tasks = found.plan, found.cells.tasks
    if len(tasks) == 1:
        yield Finding(
            slug="tiers-one-class",
            severity="note",
            message="all requests are of one task class, so the plan is one model",
            hint="name task classes in a column task",
            field="task",
        )
    few = np.flatnonzero(plan.few).tolist()
    if few:
        alone = bool(found.cells.alone[few].any())
        yield Finding(
            slug="tiers-few-rows",
            severity="warning",
            message=f"{_named(tasks, few)}: too few rows{' or clusters' if alone else ''} to show "
            "anything, so the reference stays",
            hint="give rows of more clusters (conversations, templates)"
            if alone
            else "give more rows of these classes, or lower --min-rows",
            count=len(few),
        )
    unknown = np.flatnonzero(plan.unknown).tolist()
    if unknown:
        yield Finding(
            slug="tiers-no-reference",
            severity="warning",
            message=f"{_named(tasks, unknown)}: no row of the reference; left out of every sum",
            hint="run the reference on some of these requests",
            count=len(unknown),
        )


def _about_plan(found: Simulation, given: TierParameters) -> Iterator[Finding]:
    own, tasks = found.own, found.cells.tasks
    with np.errstate(invalid="ignore"):
        worse = np.flatnonzero(own.class_loss > _WORSE + max(0.0, own.loss)).tolist()
    if given.floor is not None and worse:
        worst = max(worse, key=lambda klass: own.class_loss[klass])
        yield Finding(
            slug="tiers-class-pays",
            severity="warning",
            message=f"the floor holds over all requests, and {tasks[worst]} pays for it: "
            f"{100 * own.class_loss[worst]:.1f} points lost there",
            hint="a floor for every class as well: --class-floor",
            count=len(worse),
        )
    shaky = np.flatnonzero(found.steady.survives < _STEADY).tolist()
    if shaky:
        yield Finding(
            slug="tiers-unstable",
            severity="note",
            message=f"{_named(tasks, shaky)}: fewer than {100 * _STEADY:.0f} % of resamples choose "
            "the same model",
            hint="more rows, or take either: the figures hardly differ",
            count=len(shaky),
        )
    spare = given.budget_usd
    if spare is not None and given.best_quality and 1000 * own.cost_usd < 0.999 * spare:
        yield Finding(
            slug="tiers-budget-slack",
            severity="note",
            message=f"the best plan costs ${1000 * own.cost_usd:.4g} per 1,000 requests: the "
            "budget does not bind",
        )
    if given.evidence == "point":
        yield Finding(
            slug="tiers-point-evidence",
            severity="warning",
            message="means were taken as they are: some floors hold by chance only",
            hint="--evidence lower holds every floor with confidence",
        )


def _about_policies(found: Simulation) -> Iterator[Finding]:
    """Whether deciding request by request is worth it, for every policy that was asked for."""
    if found.comparison is None and found.asked.several:
        yield Finding(
            slug="tiers-not-compared",
            severity="warning",
            message="routers, scores and cascades were asked for, and fewer than three clusters "
            "have requests that every model answered: not compared",
            hint="run every model on a sample of the requests",
        )
    said: dict[tuple[str, str], list[str]] = {}
    for policy in found.comparison.policies if found.comparison else ():
        if policy.kind not in _ASKED:
            continue
        gain = policy.estimate("gain_over_table")
        if gain.low is None or gain.high is None:
            continue
        words = f"{policy.name} ({points(gain.low)} to {points(gain.high)})"
        said.setdefault(_verdict(gain.low, gain.high), []).append(words)
    for (slug, verdict), names in said.items():
        yield Finding(
            slug=slug,
            severity="note",
            message=f"{verdict}, in points at the same budgets: {', '.join(names)}",
            count=len(names),
        )


def _verdict(low: float, high: float) -> tuple[str, str]:
    if low > 0:
        return "tiers-policy-gain", "better than the static table"
    if high < 0:
        return "tiers-policy-worse", "worse than the static table"
    return "tiers-policy-even", "no gain over the static table is shown"


_ASKED = {"router", "external", "cascade", "cascade_routing"}
"""Kinds of policy that decide for every request anew."""


def _named(tasks: tuple[str, ...], which: list[int]) -> str:
    shown = ", ".join(tasks[klass] for klass in which[:_SHOWN])
    return shown + (f" and {len(which) - _SHOWN} more" if len(which) > _SHOWN else "")
