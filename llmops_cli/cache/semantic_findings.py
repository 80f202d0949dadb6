"""What the reader of a semantic-cache replay must know about the log before believing it."""

import numpy as np

from llmops_cli.cache.semantic import SemanticEstimate
from llmops_cli.cache.semantic_answers import Label
from llmops_cli.cache.semantic_model import NORMALISED
from llmops_cli.cache.semantic_threshold import Status, entries_needed
from llmops_cli.report import Finding

__all__ = ["semantic_findings"]


def semantic_findings(figures: SemanticEstimate) -> tuple[Finding, ...]:
    """Exclusions first, then what the log cannot say."""
    left_out = tuple(
        Finding(
            slug=item.slug,
            severity="note" if item.slug == "cache-failed-calls" else "warning",
            message=f"calls that {item.message} are not replayed",
            file=item.file,
            line=item.line,
            count=item.count,
        )
        for item in figures.prompts.exclusions
    )
    return (*left_out, *_doubts(figures))


def _doubts(figures: SemanticEstimate) -> list[Finding]:
    judged, given = figures.shown.judged, figures.given
    said: list[tuple[str, int, str, str]] = [
        (
            "semantic-no-answers",
            0 if figures.has_answers else judged.hits,
            (
                "hits cannot be checked: the log holds no answers, so hit rates are upper bounds "
                "and no threshold for similar questions is offered"
            ),
            "log the responses, and ingest with --keep-content",
        ),
        (
            "semantic-overheard",
            figures.prompts.overheard,
            "answers are not with their calls: they are taken from the next turn",
            "log the responses: single questions have no next turn",
        ),
        (
            "semantic-unlabelled",
            judged.hits - judged.labelled if figures.has_answers else 0,
            "hits lack one of the two answers and are left out of the false-hit rate",
            "",
        ),
        (
            "semantic-answers-vary",
            _varying(figures),
            (
                "repeats of a question have got another answer: the model varies, the answer "
                "depends on the day, or the rule of words is too strict"
            ),
            "a lifetime (--semantic-ttl) helps against the second",
        ),
        (
            "semantic-nobody-named",
            0 if figures.prompts.clustered_by else len(figures.prompts),
            "calls name neither users nor conversations: they count as independent",
            "log user_id for an honest interval",
        ),
        (
            "semantic-too-long",
            figures.too_long,
            "questions are too long to be compared: only their repeats can hit",
            "",
        ),
        (
            "semantic-few-hits",
            int(figures.has_answers and figures.chosen is None and not _failed(figures)),
            (
                f"no rule has hits on {entries_needed(given.max_false_hit, given.level):,} "
                "different cached answers, the fewest that could show so few false ones"
            ),
            "a longer log, or a wider --max-false-hit",
        ),
    ]
    return [
        Finding(slug=slug, severity="warning", message=message, hint=hint, count=count)
        for slug, count, message, hint in said
        if count
    ]


def _failed(figures: SemanticEstimate) -> bool:
    return any(item.status is Status.FAILED for item in figures.outcomes)


def _varying(figures: SemanticEstimate) -> int:
    repeats = next(item for item in figures.outcomes if item.rung.kind == NORMALISED)
    false = np.isin(repeats.labels, (Label.CONFLICT, Label.DIFFERENT))
    return int((repeats.hits & false & figures.judging).sum())
