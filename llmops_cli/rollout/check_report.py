"""The decision on a stage as a report: what to do, which guardrail decided, and on what bounds."""

from llmops_cli.report import Check, Column, Explanation, Finding, Measure, Report, Table, Verdict
from llmops_cli.rollout.check import Checked
from llmops_cli.rollout.check_path import path_series
from llmops_cli.rollout.decision import Verdicts
from llmops_cli.rollout.harm import LEAST_EVENTS
from llmops_cli.rollout.model import Plan
from llmops_cli.rollout.observed import Observed
from llmops_cli.rollout.standing import Standing

__all__ = ["fuller_before", "report", "skipped"]

_VERDICTS = {
    Verdicts.PROMOTE: Verdict.PASS,
    Verdicts.HOLD: Verdict.INCONCLUSIVE,
    Verdicts.ROLLBACK: Verdict.FAIL,
}


def report(
    found: Checked, plan: Plan, *, inputs: tuple[str, ...], findings: tuple[Finding, ...]
) -> Report:
    """The report of one look; ``findings`` are those of the reader of the data."""
    return Report(
        command="check-rollout",
        title=f"The stage at {found.percent:g} %" if found.percent else "The shadow stage",
        headline=f"{found.verdict.name}: {found.reason}.",
        inputs=inputs,
        parameters={"stage": found.percent, "decided_at": found.window},
        measures=(
            _requests(found),
            *(_harm(item, plan) for item in found.standings),
        ),
        checks=(_decision(found, plan),),
        tables=(_standings(found),),
        series=path_series(found.paths, found.guardrail),
        findings=(*findings, *_own(found)),
        explanations=(_explanation(found, plan),),
    )


def _requests(found: Checked) -> Measure:
    return Measure(
        name="canary_requests",
        label="requests on the new version",
        value=found.canary_requests,
        unit="count",
        method="observed",
    )


def _harm(item: Standing, plan: Plan) -> Measure:
    return Measure(
        name=f"{item.guardrail}_harm",
        label=f"harm to {item.guardrail}",
        value=item.harm,
        low=item.low,
        high=item.high,
        n=item.treated,
        method=f"low end valid at every look; high end at alpha {plan.alpha_per_stage:.3g} of one",
    )


def _decision(found: Checked, plan: Plan) -> Check:
    standing = next((s for s in found.standings if s.guardrail == found.guardrail), None)
    measure = _requests(found) if standing is None else _harm(standing, plan)
    back = found.verdict is Verdicts.ROLLBACK
    bound = 0.0 if standing is None else standing.margin
    return Check(
        name=f"the {found.percent:g} % stage" if found.percent else "the shadow stage",
        measure=measure,
        on="low" if back else "high",
        op="<=" if back else "<",
        bound=0.0 if back else bound,
        verdict=_VERDICTS[found.verdict],
        reason=found.reason,
        needed=_needed(found) if found.verdict is Verdicts.HOLD else "",
    )


def _needed(found: Checked) -> str:
    if found.paused:
        return "a person: go back, or begin the stage again with a new state"
    left = found.planned_requests - found.canary_requests
    if found.split_is_off:
        return "a sound split, and the stage from its beginning"
    if left > 0:
        return f"{left:,} more requests on the new version"
    if found.still_open:
        return "the end of the hour"
    return "a person: extend the stage, or go back"


def _standings(found: Checked) -> Table:
    return Table(
        name="guardrails",
        title="Where each guardrail stands",
        columns=(
            Column(name="guardrail", label="guardrail"),
            Column(name="harm", label="harm"),
            Column(name="low", label="at least"),
            Column(name="high", label="at most"),
            Column(name="margin", label="margin"),
            Column(name="evidence", label="of what goes back", unit="share"),
            Column(name="treated", label="new", unit="count"),
            Column(name="control", label="old", unit="count"),
        ),
        rows=tuple(
            (s.guardrail, s.harm, s.low, s.high, s.margin, s.evidence, s.treated, s.control)
            for s in found.standings
        ),
        note="goes back when evidence reaches 100 %; goes on when every harm at most is below "
        "its margin at the end of the stage",
    )


def _own(found: Checked) -> tuple[Finding, ...]:
    findings = list[Finding]()
    if found.split_is_off:
        findings.append(
            Finding(
                slug="rollout-sample-ratio",
                severity="error",
                message="users on the new version are not the share that the stage says",
                hint="mend the assignment or the logging, and begin the stage again",
            )
        )
    if found.paused:
        findings.append(
            Finding(
                slug="rollout-paused",
                severity="error",
                message="the new version is worse, and the plan pauses instead of going back",
                hint="stop the growth of its share, and decide",
            )
        )
    for item in found.standings:
        if not item.treated or not item.control:
            arm = "new" if not item.treated else "old"
            findings.append(
                Finding(
                    slug="rollout-arm-missing",
                    severity="warning",
                    message=f"no request of the {arm} version carries {item.guardrail}: it holds",
                    hint="check the logging; no data is no evidence",
                )
            )
    return tuple(findings)


def skipped(stages: tuple[float, ...], percent: float) -> tuple[Finding, ...]:
    """What to say about earlier stages that have not passed."""
    if not stages:
        return ()
    named = ", ".join(f"{stage:g} %" if stage else "the shadow stage" for stage in stages)
    return (
        Finding(
            slug="rollout-stage-skipped",
            severity="warning",
            message=f"{percent:g} % runs though it was not shown good at {named}",
            hint="what a stage risks holds for rollouts that pass the stages before it",
        ),
    )


def fuller_before(before: Observed, seen: Observed) -> tuple[Finding, ...]:
    """What to say about windows that a look brought again with less in them."""
    known = before.cells
    less = {cell[0] for cell, sums in seen.cells.items() if sums.n < known.get(cell, sums).n}
    if not less:
        return ()
    return (
        Finding(
            slug="rollout-window-in-parts",
            severity="warning",
            message="an earlier look saw more of a window than this one: that account stands",
            hint="give whole windows: all logs of the stage at each look",
            count=len(less),
        ),
    )


def _explanation(found: Checked, plan: Plan) -> Explanation:
    return Explanation(
        of="the decision",
        formula="back: the lower bound of a harm leaves 0; on: at the end of the stage every "
        "upper bound lies below its margin; else hold",
        numbers=(
            ("requests the stage needs", found.planned_requests),
            ("requests seen", found.canary_requests),
            (
                "risk of one guardrail in one stage",
                plan.harm_alpha,
            ),
            ("risk of going on, one stage", plan.alpha_per_stage),
            ("least bad requests expected", LEAST_EVENTS),
        ),
        assumptions=(
            "the first window that decided counts; later and late data do not undo a rollback",
            "no data, an empty arm or a broken split hold",
        ),
        source="mixture boundary: Robbins 1970; non-inferiority: Berger 1982",
    )
