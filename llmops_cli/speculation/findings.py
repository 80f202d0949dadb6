"""What a reader of a plan must know of its evidence and of the plan itself."""

from collections.abc import Iterator

import numpy as np

from llmops_cli.report import Finding
from llmops_cli.speculation.analysis import Analysis, Logged
from llmops_cli.speculation.evidence import LEAST_REQUESTS, of_another, temperatures
from llmops_cli.speculation.plan import DraftPlan, most_sequences

__all__ = ["own_findings"]

FAR = 0.15
"""Error of fitted step times beyond which a plan leans on them too much."""

OVERSTATED = 0.03
"""What a shortcut may overstate before it is worth a word."""


def own_findings(found: Analysis) -> tuple[Finding, ...]:
    """Of the load and the machine first, then of every draft."""
    per_draft = (
        finding
        for logged, plan, at in zip(found.logged, found.plans, range(len(found.plans)), strict=True)
        for finding in _of_draft(found, logged, plan, at)
    )
    return (*_of_load(found), *_of_steps(found), *per_draft, *_of_slices(found))


def _of_load(found: Analysis) -> Iterator[Finding]:
    if not found.load.source:
        yield Finding(
            slug="speculation-no-load",
            severity="warning",
            message="nobody says how large batches are: everything is held against batch 1, "
            "where speculation is at its best",
            hint="--load 1:0.2,8:0.5,32:0.3, or a log that names the batch or when requests ran",
        )
    room = most_sequences(found.machine)
    over = [batch for batch in found.load.batches if batch > room]
    if over:
        yield Finding(
            slug="speculation-beyond-the-cache",
            severity="warning",
            message=f"batches up to {max(over)} are in the load, and the cache holds {room} "
            f"sequences of {found.machine.context:,.0f} tokens",
            hint="is --context right, and the layout (--tensor-parallel, --weight-bits)?",
        )


def _of_steps(found: Analysis) -> Iterator[Finding]:
    fitted, measured = found.best.steps.fitted, found.machine.measured
    if fitted is None or measured is None:
        yield Finding(
            slug="speculation-assumed-steps",
            severity="note",
            message="step times are a roofline's with efficiencies in their common ranges; the "
            "interval holds over all of them",
            hint="measured steps narrow it: --step-times steps.csv",
        )
        return
    if fitted.p90_error > FAR:
        yield Finding(
            slug="speculation-poor-fit",
            severity="warning",
            message=f"one measured step in ten is more than {100 * fitted.p90_error:.0f} % away "
            "from the fitted step time",
            hint="steps of other machines or engines in one table?",
            file=measured.source,
        )
    low, high = float(measured.batch.min()), float(measured.batch.max())
    outside = [batch for batch in found.load.batches if not low <= batch <= high]
    if outside:
        yield Finding(
            slug="speculation-batch-outside",
            severity="warning",
            message=f"steps were measured at batches from {low:.0f} to {high:.0f}, and the load "
            f"has {_listed(outside)}",
            hint="time steps at those batches too",
            file=measured.source,
        )


def _of_draft(found: Analysis, logged: Logged, plan: DraftPlan, at: int) -> Iterator[Finding]:
    name = plan.draft.name
    yield from _of_sample(logged, plan)
    yield from _of_temperature(found, logged)
    yield from _of_batches(found, logged)
    drift = found.doubts[at]
    if drift is not None and drift.shown:
        yield Finding(
            slug="speculation-drift",
            severity="warning",
            message=f"draft '{name}': the second half of its log has {drift.difference:+.2f} "
            f"tokens per step against the first ({drift.interval.low:+.2f} to "
            f"{drift.interval.high:+.2f}): no one figure describes both",
            hint="plan from the part that is like the traffic to come",
            file=logged.seen.source,
        )
    deepest = len(plan.tokens.value) - 1
    if plan.depth == deepest and not plan.draft.levels:
        yield Finding(
            slug="speculation-deepest-is-best",
            severity="note",
            message=f"draft '{name}': its best is the {deepest} tokens it was logged with; more "
            "may be better, and the log cannot say",
            hint="log some requests with more drafted tokens",
        )
    yield from _of_runs(plan)
    formula = found.formulas[at]
    excess = formula.alike / float(plan.tokens.value[plan.depth]) - 1
    if abs(excess) > OVERSTATED:
        yield Finding(
            slug="speculation-one-acceptance",
            severity="note",
            message=f"draft '{name}': one acceptance for all ({formula.acceptance:.2f}) would "
            f"{'overstate' if excess > 0 else 'understate'} its tokens per step by "
            f"{100 * abs(excess):.0f} %",
        )


def _of_runs(plan: DraftPlan) -> Iterator[Finding]:
    """Batches below others at which it pays: only experts make a small one the dearer."""
    edges = [0, *(run.last for run in plan.drafting)]
    losing = [
        f"{last + 1} to {run.first - 1}" if run.first - last > 2 else f"{last + 1}"  # noqa: PLR2004
        for last, run in zip(edges, plan.drafting, strict=False)
        if run.first > last + 1
    ]
    if losing:
        yield Finding(
            slug="speculation-small-batches-lose",
            severity="warning",
            message=f"draft '{plan.draft.name}': at batch {_listed(losing)} it is slower than "
            "plain decoding, although it pays above: a candidate wakes experts of its own there",
            hint="draft only at the batches of the plan",
        )


def _of_sample(logged: Logged, plan: DraftPlan) -> Iterator[Finding]:
    name, seen = plan.draft.name, plan.seen
    if not seen.sampled or len(seen) < 2:  # noqa: PLR2004 - one says nothing of another
        yield Finding(
            slug="speculation-no-spread",
            severity="warning",
            message=f"draft '{name}': rates, totals or a single request carry no spread, so "
            "nothing is claimed of other requests",
            hint="log acceptance per request, or scrape the counters several times",
            file=seen.source,
        )
    elif len(seen) < LEAST_REQUESTS:
        yield Finding(
            slug="speculation-few-requests",
            severity="warning",
            message=f"draft '{name}': {len(seen)} requests are few; intervals from them are too "
            "short more often than they say",
            hint=f"log {LEAST_REQUESTS} or more",
            file=seen.source,
        )
    hits, trials = seen.accepted.sum(), seen.reached.sum()
    if hits in (0, trials):
        yield Finding(
            slug="speculation-all-or-nothing",
            severity="warning",
            message=f"draft '{name}': {'every' if hits else 'no'} drafted token was accepted; its "
            "interval is what so many requests leave possible",
            hint="is the draft the target itself, or the log of another draft?",
            file=seen.source,
        )
    if logged.depth_assumed:
        yield Finding(
            slug="speculation-depth-assumed",
            severity="note",
            message=f"draft '{name}': its log does not say how many tokens were drafted; "
            f"{seen.positions}, the most that were accepted, are taken for it",
            hint="add drafted=N to the draft",
        )
    if logged.alike:
        yield Finding(
            slug="speculation-positions-alike",
            severity="warning",
            message=f"draft '{name}': only means are known, so every position is taken to be "
            "accepted alike; later ones often are less",
            hint="log acceptance per position",
            file=seen.source,
        )


def _of_temperature(found: Analysis, logged: Logged) -> Iterator[Finding]:
    served, known = found.given.temperature, temperatures(logged.seen)
    name = logged.draft.name
    if served is None and len(known) > 1:
        yield Finding(
            slug="speculation-temperatures",
            severity="warning",
            message=f"draft '{name}': its log mixes temperatures from {known[0]:g} to "
            f"{known[-1]:g}, and acceptance depends on them",
            hint=f"say which is served: --temperature {known[0]:g}",
            file=logged.seen.source,
        )
    elif of_another(logged.seen, served):
        yield Finding(
            slug="speculation-other-temperature",
            severity="warning",
            message=f"draft '{name}': its acceptance was measured at temperature "
            f"{_listed(known)} and {served:g} will be served",
            hint="log requests at the temperature that will be served",
            file=logged.seen.source,
        )
    elif served is not None and not known:
        yield Finding(
            slug="speculation-unknown-temperature",
            severity="note",
            message=f"draft '{name}': its log does not say at which temperature it was measured",
            hint="add temperature=0 to the draft, or the field to the rows",
            file=logged.seen.source,
        )


def _of_batches(found: Analysis, logged: Logged) -> Iterator[Finding]:
    known = logged.seen.batch[np.isfinite(logged.seen.batch)]
    outside = [b for b in found.load.batches if len(known) and not known.min() <= b <= known.max()]
    if outside:
        yield Finding(
            slug="speculation-batch-outside",
            severity="warning",
            message=f"draft '{logged.draft.name}': its requests were decoded in batches from "
            f"{known.min():.0f} to {known.max():.0f}, and the load has {_listed(outside)}",
            hint="log requests under the load that will be served",
            file=logged.seen.source,
        )


def _of_slices(found: Analysis) -> Iterator[Finding]:
    losing = [item for item in found.slices if item.loses]
    if losing:
        yield Finding(
            slug="speculation-class-loses",
            severity="warning",
            message=f"speculation slows {_listed([item.task for item in losing])} down",
            hint="decode those classes without it",
            count=len(losing),
        )


def _listed(items: object) -> str:
    texts = [f"{item:g}" if isinstance(item, int | float) else str(item) for item in items]  # type: ignore[attr-defined]
    return ", ".join(texts[:5]) + (" and more" if len(texts) > 5 else "")  # noqa: PLR2004 - a line
