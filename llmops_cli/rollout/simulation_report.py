"""The rehearsal's answer: odds of every ending, who is exposed, and the gates on both."""

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from llmops_cli.report import Check, Finding, Measure, Report, Scalar
from llmops_cli.rollout.findings import in_words
from llmops_cli.rollout.rehearsal import DONE, HELD, OWN, WENT_BACK, Outcomes
from llmops_cli.rollout.scenario import RehearsalParameters
from llmops_cli.rollout.simulation import AT_ONCE, Played, Simulation
from llmops_cli.rollout.simulation_explain import explanations
from llmops_cli.rollout.simulation_series import simulation_series
from llmops_cli.rollout.simulation_tables import simulation_tables
from llmops_cli.stats.intervals import clopper_pearson

__all__ = ["LEVEL", "report", "share_of_runs"]

LEVEL = 0.90
"""Two-sided confidence: either end decides a gate with 95 %."""

_METHOD = "Clopper-Pearson interval over the runs"


def report(
    found: Simulation,
    given: RehearsalParameters,
    *,
    inputs: tuple[str, ...],
    findings: tuple[Finding, ...],
) -> Report:
    """The report of one rehearsal; ``findings`` are those of the reader of the log."""
    return Report(
        command="simulate-rollout",
        title="What this rollout would do",
        headline=_headline(found),
        inputs=inputs,
        parameters=_parameters(given),
        measures=tuple(_measures(found)),
        checks=tuple(_checks(found, given)),
        tables=simulation_tables(found),
        series=tuple(simulation_series(found)),
        findings=(*findings, *_own_findings(found)),
        explanations=explanations(found, given),
    )


def share_of_runs(name: str, count: int, runs: int, label: str = "") -> Measure:
    """A share of runs with its exact interval."""
    ends = clopper_pearson(count, runs, LEVEL)
    return Measure(
        name=name,
        label=label,
        value=count / runs,
        unit="share",
        low=ends.low,
        high=ends.high,
        level=LEVEL,
        n=runs,
        method=_METHOD,
    )


def _headline(found: Simulation) -> str:
    harmless, *harmful = found.played
    own = harmless.outcomes[OWN]
    odds = own.count(WENT_BACK) / own.runs
    words = f"A harmless change goes back in {100 * odds:.3g} % of rollouts"
    if not harmful:
        return f"{words}."
    worst = min(harmful, key=lambda item: item.outcomes[OWN].count(WENT_BACK))
    caught = worst.outcomes[OWN]
    share = 100 * caught.count(WENT_BACK) / caught.runs
    after = _time_to_detect(found, caught)
    when = f", mostly within {in_words(after)}" if after is not None else ""
    return f"{words}; '{worst.change.name}' goes back in {share:.3g} %{when}."


def _parameters(given: RehearsalParameters) -> dict[str, Scalar]:
    change = given.change
    own: dict[str, Scalar] = {
        "runs": given.runs,
        "look_s": given.look_s,
        "seed": given.seed,
        "max_false_rollback": given.max_false_rollback,
        "min_detection": given.min_detection,
        "max_exposed": given.max_exposed,
    }
    if change is None:
        return own
    return own | {
        "quality_drop": change.quality_drop,
        "latency_ratio": change.latency_ratio,
        "p95_ratio": change.p95_ratio,
        "error_rise": change.error_rise,
        "cost_ratio": change.cost_ratio,
        "only": "=".join(change.only) if change.only else None,
        "after_s": change.after_s,
        "drift_s": change.drift_s,
    }


def _measures(found: Simulation) -> Iterator[Measure]:
    harmless, *harmful = found.played
    own = harmless.outcomes[OWN]
    yield _false_rollback(found)
    yield share_of_runs("completed", own.count(DONE), own.runs, "harmless, reaches 100 %")
    hours = own.took * found.schedule.look_s
    yield _mean("duration_days", hours[own.ending == DONE] / 86_400, "harmless, days to the end")
    for place, item in enumerate(harmful):
        yield _detection(item, place, harmful)
        yield _exposed(item, place, harmful)
    for place, item in enumerate(harmful):
        yield _back_after(found, item, place)
        if found.unit:
            yield _users_exposed(item, place, harmful)
    yield share_of_runs("ratio_alarms", found.ratio_alarms, own.runs, "false alarm of the split")


def _false_rollback(found: Simulation) -> Measure:
    own = found.played[0].outcomes[OWN]
    return share_of_runs("false_rollback", own.count(WENT_BACK), own.runs, "harmless, goes back")


def _detection(item: Played, place: int, harmful: list[Played]) -> Measure:
    own = item.outcomes[OWN]
    return share_of_runs(
        _numbered("detection", place, harmful),
        own.count(WENT_BACK),
        own.runs,
        f"{item.change.name}: goes back",
    )


def _exposed(item: Played, place: int, harmful: list[Played]) -> Measure:
    own = item.outcomes[OWN]
    label = f"{item.change.name}: requests exposed"
    return _mean(_numbered("exposed_requests", place, harmful), own.exposed, label)


def _back_after(found: Simulation, item: Played, place: int) -> Measure:
    own = item.outcomes[OWN]
    days = own.took[own.ending == WENT_BACK] * found.schedule.look_s / 86_400
    name = _numbered("detection_days", place, list(found.played[1:]))
    return _mean(name, days, f"{item.change.name}: days until it goes back")


def _users_exposed(item: Played, place: int, harmful: list[Played]) -> Measure:
    own = item.outcomes[OWN]
    label = f"{item.change.name}: users exposed"
    return _mean(_numbered("exposed_users", place, harmful), item.users[OWN][own.look], label)


def _numbered(name: str, place: int, harmful: list[Played]) -> str:
    return name if len(harmful) == 1 else f"{name}_{place + 1}"


def _mean(name: str, values: npt.NDArray[np.float64], label: str) -> Measure:
    n = len(values)
    if n < 2:  # noqa: PLR2004 - one run has no spread
        value = float(values[0]) if n else None
        return Measure(name=name, label=label, value=value, n=n, method="too few runs")
    mean = float(values.mean())
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * float(values.std(ddof=1)) / math.sqrt(n)
    return Measure(
        name=name,
        label=label,
        value=mean,
        low=mean - reach,
        high=mean + reach,
        level=LEVEL,
        n=n,
        method="normal interval of the mean over the runs",
    )


def _checks(found: Simulation, given: RehearsalParameters) -> Iterator[Check]:
    more = "more runs (--runs) narrow the interval"
    if given.max_false_rollback is not None:
        bound = given.max_false_rollback
        yield Check.at_most("few false rollbacks", _false_rollback(found), bound, needed=more)
    harmful = list(found.played[1:])
    for place, item in enumerate(harmful):
        name = item.change.name
        if given.min_detection is not None:
            caught = _detection(item, place, harmful)
            yield Check.at_least(f"{name} goes back", caught, given.min_detection, needed=more)
        if given.max_exposed is not None:
            seen = _exposed(item, place, harmful)
            yield Check.at_most(f"{name} reaches few", seen, given.max_exposed, needed=more)


def _time_to_detect(found: Simulation, outcomes: Outcomes) -> float | None:
    back = outcomes.took[outcomes.ending == WENT_BACK]
    return float(np.quantile(back, 0.9)) * found.schedule.look_s if len(back) else None


def _held(found: Simulation, own: Outcomes) -> Iterator[Finding]:
    held = own.count(HELD) / own.runs
    gains = [stage for stage in found.plan.stages if stage.goal is not None]
    for stage in gains:
        yield Finding(
            slug="rollout-held-without-gain",
            severity="note",
            message=f"at {stage.percent:g} % it goes on only with a gain that is shown: a change "
            "that is no worse and no better is held there, as the plan wants it",
        )
    too_few = clopper_pearson(own.count(DONE), own.runs, LEVEL).high < found.plan.power
    if too_few and not gains:
        yield Finding(
            slug="rollout-often-held",
            severity="warning",
            message=f"a harmless change is undecided at the end of a stage in {100 * held:.3g} % "
            "of rollouts",
            hint="plan with more power or larger margins",
        )


def _own_findings(found: Simulation) -> Iterator[Finding]:
    own = found.played[0].outcomes[OWN]
    last = len(found.schedule.stages) - 1
    alone = own.count(WENT_BACK, last)
    if clopper_pearson(own.count(WENT_BACK), own.runs, LEVEL).low > found.plan.alpha:
        yield Finding(
            slug="rollout-false-rollbacks",
            severity="warning",
            message=f"a harmless change goes back more often than the plan's alpha of "
            f"{found.plan.alpha:g}; {alone} of {own.count(WENT_BACK)} at the last stage",
            hint="begin with a larger stage, or give a log with more users",
        )
    yield from _held(found, own)
    if not found.unit:
        yield Finding(
            slug="rollout-no-users",
            severity="warning",
            message="calls name neither user nor conversation: they count as independent",
            hint="log user_id; requests of one user hang together",
            field="user_id",
        )
    for item in found.played[1:]:
        if item.change.after_s >= found.schedule.looks * found.schedule.look_s:
            yield Finding(
                slug="rollout-change-too-late",
                severity="warning",
                message=f"'{item.change.name}' begins after the rollout is over: nothing of it "
                "can be seen",
                hint="a smaller --after-hours",
            )
        caught, once = item.outcomes[OWN], item.outcomes[AT_ONCE]
        if caught.exposed.mean() > once.exposed.mean():
            yield Finding(
                slug="rollout-slower-than-at-once",
                severity="note",
                message=f"'{item.change.name}' reaches more requests in stages than all at once: "
                "at 100 % it is seen at once",
                hint="a larger first stage sees it sooner",
            )
