"""A row's verdicts as ``judge-eval`` reads them: a line of decisions, and evaluation events."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

from llmops_cli.live.journal import Asked
from llmops_cli.live.prompts import Verdict
from llmops_cli.live.recording import ROW, Value

__all__ = ["about_row", "decision", "evaluations"]

_PAIR = {"A": 1.0, "tie": 0.5, "B": 0.0}


def decision(
    row: str, model: str, first: Asked, swapped: Asked | None, at: datetime
) -> dict[str, Any]:
    """One line of decisions, with the names ``judge-eval`` knows.

    Args:
        row: its id.
        model: the judge.
        first: what it said of the row as it is.
        swapped: what it said with the answers exchanged; the winner by its own name.
        at: when it said so.
    """
    both = [first] if swapped is None else [first, swapped]
    costs = [item.charged_usd for item in both if item.charged_usd is not None]
    other = {} if swapped is None else {"judge_swapped": swapped.verdict.label}
    return {
        "id": row,
        "judge": first.verdict.label,
        **other,
        "confidence": first.verdict.confidence,
        "judge_model": model,
        "judge_cost_usd": sum(costs) if costs else None,
        "judge_latency_s": sum(item.duration_s for item in both),
        "timestamp": at.isoformat(),
    }


def about_row(row: str, conversation: str, carried: Mapping[str, Any]) -> dict[str, Value]:
    """Attributes of the workflow span of a row."""
    task = carried.get("task")
    return {
        ROW: row,
        gen_ai.GEN_AI_CONVERSATION_ID: conversation,
        gen_ai.GEN_AI_PROMPT_NAME: None if task is None else str(task),
    }


def evaluations(
    first: Verdict,
    swapped: Verdict | None,
    *,
    labels: Sequence[str],
    gold: object,
    response_id: str,
) -> Iterator[dict[str, Value]]:
    """Attributes of the evaluation events of a row, one per column of its decision.

    They name the judged answer where its id is known, so that a reader of both logs can join
    them; with two answers no one id is right.
    """
    judged = None if swapped is not None else response_id or None
    score = _score(first, labels)
    yield _evaluation("judge", first.label, score) | {gen_ai.GEN_AI_RESPONSE_ID: judged}
    if swapped is not None:
        yield _evaluation("judge_swapped", swapped.label, _score(swapped, labels))
    if first.confidence is not None:
        yield _evaluation("confidence", None, first.confidence)
    if gold is not None:
        yield _evaluation("gold", str(gold), None)


def _evaluation(name: str, label: str | None, score: float | None) -> dict[str, Value]:
    return {
        gen_ai.GEN_AI_EVALUATION_NAME: name,
        gen_ai.GEN_AI_EVALUATION_SCORE_LABEL: label,
        gen_ai.GEN_AI_EVALUATION_SCORE_VALUE: score,
    }


def _score(verdict: Verdict, labels: Sequence[str]) -> float | None:
    """1 for the first of two labels or for answer A, 0 for the other; none of anything else."""
    if set(labels) == set(_PAIR):
        return _PAIR.get(verdict.label)
    known = {label: float(at == 0) for at, label in enumerate(labels)} if len(labels) == 2 else {}  # noqa: PLR2004
    return known.get(verdict.label)
