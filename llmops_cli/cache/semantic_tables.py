"""The tables of a semantic-cache replay: rules, answers, what is published, what to look at."""

import numpy as np

from llmops_cli.cache.semantic import SemanticEstimate
from llmops_cli.cache.semantic_answers import Label
from llmops_cli.cache.semantic_threshold import Status
from llmops_cli.report import Column, Scalar, Table

__all__ = ["semantic_tables"]

_PUBLISHED = 0.31
_CAVEAT = (
    "repeated queries, as its abstract said; a later version leaves the figure out. Other users' "
    "traffic, and nothing about false hits"
)
_REVIEWED = 20


def semantic_tables(figures: SemanticEstimate) -> tuple[Table, ...]:
    """The choice, what the served answers were, every rule, and the pairs to look at."""
    served = (_verdicts(figures),) if figures.shown.hits[figures.judging].any() else ()
    tables = (_choice(figures), *served, _published(figures), _ladder(figures))
    review = _review(figures)
    return (*tables, review) if review.rows else tables


def _choice(figures: SemanticEstimate) -> Table:
    """Repeats, the chosen rule, and the next looser one: what the choice was between."""
    last = -1 if figures.chosen is None else figures.chosen
    shown = sorted({0, 1, max(last, 0), min(max(last, 1) + 1, len(figures.outcomes) - 1)})
    rows: list[tuple[Scalar, ...]] = []
    for number in shown:
        outcome = figures.outcomes[number]
        judged = outcome.judged
        rows.append(
            (
                outcome.rung.label + (" (chosen)" if number == figures.chosen else ""),
                judged.hits / int(figures.judging.sum()),
                judged.share,
                judged.interval.high if judged.labelled else None,
                str(outcome.status),
            )
        )
    return Table(
        name="semantic_choice",
        title="Which earlier question may answer a call",
        columns=(
            Column(name="rule", label="rule"),
            Column(name="hit_rate", label="answered", unit="share"),
            Column(name="false_rate", label="falsely", unit="share"),
            Column(name="false_high", label="at most", unit="share"),
            Column(name="status", label="test"),
        ),
        rows=tuple(rows),
        note=_on_halves(figures),
    )


def _on_halves(figures: SemanticEstimate) -> str:
    if figures.any_hit and not figures.has_answers:
        return "no answers in the log: hit rates are upper bounds, and no threshold is offered"
    return (
        "tested on the first half of the calls, of 'similar' only hits that are no repeats; "
        "rates on the second half"
    )


def _ladder(figures: SemanticEstimate) -> Table:
    total = int(figures.judging.sum())
    rows = [
        (
            outcome.rung.label + (" (chosen)" if number == figures.chosen else ""),
            outcome.tested.labelled,
            outcome.tested.false,
            outcome.tested.interval.high if outcome.tested.labelled else None,
            str(outcome.status),
            outcome.judged.hits / total,
            outcome.judged.share,
            outcome.judged.interval.high if outcome.judged.labelled else None,
            outcome.near.share,
        )
        for number, outcome in enumerate(figures.outcomes)
    ]
    return Table(
        name="semantic_rules",
        title="All matching rules, the strictest first",
        columns=(
            Column(name="rule", label="rule"),
            Column(name="tested_hits", label="hits tested", unit="count"),
            Column(name="tested_false", label="false", unit="count"),
            Column(name="tested_high", label="at most", unit="share"),
            Column(name="status", label="test"),
            Column(name="hit_rate", label="hit rate", unit="share"),
            Column(name="false_rate", label="false hits", unit="share"),
            Column(name="false_high", label="at most", unit="share"),
            Column(name="near_false_rate", label="false near-hits", unit="share"),
        ),
        rows=tuple(rows),
        note=_on_halves(figures),
    )


def _verdicts(figures: SemanticEstimate) -> Table:
    outcome = figures.shown
    groups = (
        ("exact or normalised repeats", outcome.repeats & figures.judging),
        ("near questions", outcome.hits & ~outcome.repeats & figures.judging),
    )
    rows: list[tuple[Scalar, ...]] = []
    for label, mask in groups:
        counts = np.bincount(outcome.labels[mask], minlength=len(Label)).tolist()
        order = (Label.EQUAL, Label.SIMILAR, Label.CONFLICT, Label.DIFFERENT, Label.UNKNOWN)
        rows.append((label, int(mask.sum()), *(counts[item] for item in order)))
    names = ("hits", "equal", "similar", "conflict", "different", "unknown")
    labels = ("hits", "same words", "same wording", "contradict", "differ", "not logged")
    return Table(
        name="semantic_answers",
        title=f"The served answer against the call's own: {outcome.rung.label}",
        columns=(
            Column(name="match", label="match"),
            *(
                Column(name=name, label=text, unit="count")
                for name, text in zip(names, labels, strict=True)
            ),
        ),
        rows=tuple(rows),
        note="false: contradict or differ; repeats that differ show how much the model itself "
        "varies, or that the answer depends on the day",
    )


def _published(figures: SemanticEstimate) -> Table:
    share = float(figures.shown.hits[figures.judging].mean())
    return Table(
        name="semantic_published",
        title="Beside what is published",
        columns=(
            Column(name="source", label="source"),
            Column(name="share", label="repeated questions", unit="share"),
            Column(name="caveat", label="what it is"),
        ),
        rows=(
            ("this log", share, f"hits of '{figures.shown.rung.label}'"),
            (
                "MeanCache, arXiv 2403.02694",
                _PUBLISHED,
                _CAVEAT,
            ),
        ),
    )


def _review(figures: SemanticEstimate) -> Table:
    """False hits of the first rule that failed, those first that no stricter rule has."""
    failed = [item for item in figures.outcomes if item.status is Status.FAILED]
    outcome = failed[0] if failed else figures.shown
    false = np.isin(outcome.labels, (Label.CONFLICT, Label.DIFFERENT))
    calls = np.flatnonzero(figures.judging & outcome.hits & false)
    known = outcome.served[calls] == figures.shown.served[calls]
    calls = calls[np.argsort(known, kind="stable")][:_REVIEWED]
    places = figures.prompts.places
    return Table(
        name="semantic_review",
        title=f"False hits to look at: {outcome.rung.label}",
        columns=(
            Column(name="call", label="the call"),
            Column(name="entry", label="would get the answer of"),
            Column(name="label", label="their answers"),
        ),
        rows=tuple(
            (
                places[call],
                places[int(outcome.served[call])],
                "contradict" if outcome.labels[call] == Label.CONFLICT else "differ",
            )
            for call in calls.tolist()
        ),
        note="a rule of words decides what is false: read these before you believe it",
    )
