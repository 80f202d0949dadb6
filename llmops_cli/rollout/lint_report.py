"""What a manifest would do, as a report: odds without and with a harm, and what it cannot see."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from llmops_cli.report import Check, Column, Explanation, Finding, Measure, Report, Scalar, Table
from llmops_cli.rollout.changes import Change
from llmops_cli.rollout.manifest import Manifest
from llmops_cli.rollout.manifest_rules import ErrorRule
from llmops_cli.rollout.model import Plan
from llmops_cli.rollout.rehearsal import HELD, WENT_BACK, Outcomes
from llmops_cli.rollout.schedule import Schedule
from llmops_cli.rollout.simulation_report import share_of_runs

__all__ = ["Linted", "lint_report"]

_FEW = 20


@dataclass(frozen=True, slots=True, eq=False)
class Linted:
    """A manifest, rehearsed.

    Attributes:
        manifest: with the rules that were rehearsed, and the others in words.
        plan: what the log carries, and the margins of the changes.
        schedule: its steps in looks.
        played: each change with what became of it: none, more errors, then the others.
    """

    manifest: Manifest
    plan: Plan
    schedule: Schedule
    played: tuple[tuple[Change, Outcomes], ...]

    def new_requests(self, step: int) -> float:
        """Requests of the new version in the shortest window of a step."""
        share, seconds = self.manifest.steps[step]
        windows = [
            seconds if rule.whole_step else rule.window_s or rule.interval_s
            for rule in self.manifest.rules
            if rule.step in {None, step}
        ]
        return share * self.plan.requests_per_hour * min(windows, default=seconds) / 3600


def lint_report(
    found: Linted,
    bound: float | None,
    parameters: Mapping[str, Scalar],
    *,
    inputs: tuple[str, ...],
    findings: tuple[Finding, ...],
) -> Report:
    """The report; ``bound`` is the gate on false rollbacks, ``findings`` are the reader's."""
    false, seen, exposed = _measures(found)
    more = "more runs (--runs) narrow the interval"
    rise = f"{100 * found.played[1][0].error_rise:g}"
    rise += " point" if rise == "1" else " points"
    return Report(
        command="rollout-lint",
        title=f"What this {found.manifest.controller} manifest would do",
        headline=f"It rolls a harmless change back {100 * (false.value or 0):.3g} % of the time, "
        f"and one with {rise} more errors {100 * (seen.value or 0):.3g} % of the time.",
        inputs=inputs,
        parameters=parameters,
        measures=(false, seen, exposed),
        checks=()
        if bound is None
        else (Check.at_most("few false rollbacks", false, bound, needed=more),),
        tables=(_changes(found), _steps(found)),
        findings=(*findings, *_findings(found)),
        explanations=tuple(_explained(rule, found.plan) for rule in found.manifest.rules),
    )


def _measures(found: Linted) -> tuple[Measure, Measure, Measure]:
    (_, harmless), (change, harmful) = found.played[:2]
    false, seen = (
        share_of_runs(name, item.count(WENT_BACK), item.runs, label)
        for name, item, label in (
            ("false_rollback", harmless, "harmless, goes back"),
            ("detection", harmful, f"{change.name}, goes back"),
        )
    )
    exposed = Measure(
        name="exposed_requests",
        label="requests a harmful change serves",
        value=float(harmful.exposed.mean()),
        n=harmful.runs,
        method="mean over the runs",
    )
    return false, seen, exposed


def _changes(found: Linted) -> Table:
    return Table(
        name="changes",
        title="What becomes of each change",
        columns=(
            Column(name="change", label="change"),
            Column(name="went_back", label="goes back", unit="share"),
            Column(name="paused", label="pauses", unit="share"),
            Column(name="done", label="reaches the end", unit="share"),
            Column(name="requests", label="requests exposed"),
        ),
        rows=tuple(
            (
                change.name,
                seen.count(WENT_BACK) / seen.runs,
                seen.count(HELD) / seen.runs,
                1 - (seen.count(WENT_BACK) + seen.count(HELD)) / seen.runs,
                round(float(seen.exposed.mean())),
            )
            for change, seen in found.played
        ),
        note="a change that goes back no more often than none is one that it misses",
    )


def _steps(found: Linted) -> Table:
    (_, harmless), (_, harmful) = found.played[:2]
    return Table(
        name="steps",
        title="Step by step",
        columns=(
            Column(name="percent", label="step, %"),
            Column(name="lasts_s", label="lasts", unit="s"),
            Column(name="requests", label="new requests in a window"),
            Column(name="false_rollback", label="harmless goes back", unit="share"),
            Column(name="detection", label="harmful goes back", unit="share"),
        ),
        rows=tuple(
            (
                100 * share,
                seconds,
                found.new_requests(index),
                harmless.count(WENT_BACK, index) / harmless.runs,
                harmful.count(WENT_BACK, index) / harmful.runs,
            )
            for index, (share, seconds) in enumerate(found.manifest.steps)
        ),
    )


def _findings(found: Linted) -> Iterator[Finding]:
    for words in dict.fromkeys(found.manifest.left_out):
        yield Finding(
            slug="manifest-left-out", severity="warning", message=f"{words}: not rehearsed"
        )
    guarded = {rule.guardrail for rule in found.manifest.rules}
    for guardrail in found.plan.guardrails:
        if guardrail.name not in guarded:
            yield Finding(
                slug="manifest-unguarded",
                severity="warning",
                message=f"it has no rule of {guardrail.name} that was rehearsed: a loss of it "
                "goes unseen",
                hint="plan-rollout --export writes rules of quality, latency and errors",
            )
    first = found.new_requests(0)
    if first < _FEW:
        yield Finding(
            slug="manifest-few-requests",
            severity="warning",
            message=f"a window of the first step holds about {first:.3g} requests of the new "
            "version: what it shows is mostly chance",
            hint="longer windows, or a query over the whole step with a least number",
        )


def _explained(rule: ErrorRule, plan: Plan) -> Explanation:
    value = "harm" if rule.difference else "errors / requests of the new version"
    pauses = () if rule.pauses_above is None else (("pauses above", rule.pauses_above),)
    baseline = next(item.baseline for item in plan.guardrails if item.name == rule.guardrail)
    return Explanation(
        of=f"going back by {rule.name}" + ("" if rule.step is None else f", step {rule.step + 1}"),
        formula=f"a check fails when {value} > bound; back at so many failed checks",
        numbers=(
            ("bound", rule.bound),
            *pauses,
            ("seconds between checks", "the step" if rule.whole_step else rule.interval_s),
            ("looking back", rule.window_s or "as long"),
            ("failed checks that roll back", rule.strikes),
            ("least requests", rule.least),
            (f"{rule.guardrail} in the log", baseline),
        ),
        assumptions=(
            "a check that is made once looks back over its whole step",
            "a step that waits for a person or a gate lasts as long as --step-hours says",
            f"a window without requests {_when_empty(rule)}",
        ),
        source="defaults of Argo Rollouts 1.2 (failureLimit 0) and Flagger 1.44 (threshold 1)",
    )


def _when_empty(rule: ErrorRule) -> str:
    if rule.empty_ends:
        return (
            "has no result: an error, tried again every 10 s, and too many of them in a row "
            "(consecutiveErrorLimit) go back"
        )
    if rule.empty_fails:
        return "fails"
    return "pauses" if rule.empty_pauses else "is forgiven"
