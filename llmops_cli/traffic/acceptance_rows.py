"""One row of an acceptance log: how many drafted tokens each step of a request accepted.

Three shapes: Spec-Bench answers (``accept_lengths``, where a step's own token counts), vLLM's
per-request metrics (``metrics.speculative_decoding``), and plain ``accepted`` with ``drafted``.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmops_cli.traffic.acceptance_facts import facts_of_row
from llmops_cli.traffic.quarantine import RowError

__all__ = ["UNKNOWN", "RequestSteps", "steps_of_row"]

DEEPEST = 1024
"""More tokens than this in one step are a mistake."""

_DIGITS = 9
MOST_STEPS = 1e9
"""No request has more."""

UNKNOWN = -1
"""Drafted tokens of a step where the row does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestSteps:
    """The steps of one request.

    Attributes:
        counts: steps by accepted and drafted tokens; drafted is -1 where unknown.
        task: class of the request; empty for none.
        temperature: of its sampling; NaN where unknown.
        batch: sequences decoded with it; NaN where unknown.
        span: when it began and ended, in seconds; NaN where unknown.
    """

    counts: Mapping[tuple[int, int], int]
    task: str = ""
    temperature: float = math.nan
    batch: float = math.nan
    span: tuple[float, float] = (math.nan, math.nan)


def steps_of_row(row: Mapping[str, Any], *, bonus: bool = True) -> RequestSteps:
    """The steps of one row.

    Args:
        row: parsed JSON.
        bonus: whether ``accept_lengths`` count the target's own token, as Spec-Bench does.

    Raises:
        RowError: ``acceptance-no-steps`` for a row of no known shape, ``acceptance-empty-steps``,
            ``acceptance-not-a-count``, ``acceptance-more-than-drafted``,
            ``acceptance-lengths-differ``, ``acceptance-contradiction``, and those of
            :func:`facts_of_row`.
    """
    counts = Counter[tuple[int, int]]()
    for field, accepted, drafted, times in _steps(row, bonus=bonus):
        if drafted != UNKNOWN and accepted > drafted:
            raise RowError(
                "acceptance-more-than-drafted",
                f"a step accepted {accepted} tokens of {drafted} that were drafted",
                field,
            )
        counts[accepted, drafted] += times
    if not counts.total():
        raise RowError("acceptance-empty-steps", "the request has no step", "")
    return RequestSteps(counts=counts, **facts_of_row(row))


Step = tuple[str, int, int, int]
"""Field, accepted and drafted tokens of steps that are alike, and how many those are."""


def _steps(row: Mapping[str, Any], *, bonus: bool) -> Iterator[Step]:
    own = _vllm(row)
    if own is not None:
        yield from _of_vllm(own)
    elif "accepted" in row:
        yield from _of_lists(row["accepted"], row.get("drafted"), ("accepted", "drafted"))
    elif "accept_lengths" in row:
        yield from _of_lengths(row["accept_lengths"], "accept_lengths", bonus=bonus)
    elif isinstance(row.get("choices"), list):
        for at, choice in enumerate(row["choices"]):
            if isinstance(choice, dict) and "accept_lengths" in choice:
                field = f"choices.{at}.accept_lengths"
                yield from _of_lengths(choice["accept_lengths"], field, bonus=bonus)
    else:
        raise RowError(
            "acceptance-no-steps",
            "it has neither accept_lengths, accepted nor metrics.speculative_decoding",
            "",
        )


def _vllm(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    metrics = row.get("metrics")
    for place in (metrics, row):
        found = place.get("speculative_decoding") if isinstance(place, dict) else None
        if isinstance(found, dict):
            return found
    return row if "acceptance_histogram" in row or "per_step_accepted" in row else None


def _of_vllm(found: Mapping[str, Any]) -> Iterator[Step]:
    accepted = found.get("per_step_accepted")
    if isinstance(accepted, list):
        fields = ("per_step_accepted", "per_step_drafted")
        steps = list(_of_lists(accepted, found.get("per_step_drafted"), fields))
        if all(drafted != UNKNOWN for *_, drafted, _ in steps):
            _agree(found, "num_draft_tokens", sum(two * times for *_, two, times in steps))
    else:
        steps = list(_of_histogram(found.get("acceptance_histogram")))
    taken = sum(one * times for _, one, _, times in steps)
    _agree(found, "num_spec_steps", sum(times for *_, times in steps))
    _agree(found, "num_accepted_draft_tokens", taken)
    yield from _with_total(steps, taken, found.get("num_draft_tokens"))


def _with_total(steps: list[Step], taken: int, told: object) -> list[Step]:
    """Steps that do not say how many tokens were drafted, where all together do.

    They drafted alike where the total is a multiple of the steps that no step exceeds.
    """
    field = "num_draft_tokens"
    total, count = _count(told, field) if told is not None else 0, sum(t for *_, t in steps)
    if told is not None and taken > total:
        raise RowError(
            "acceptance-more-than-drafted",
            f"the request accepted {taken} tokens of {total} that were drafted",
            field,
        )
    each = total // count if count and not total % count else 0
    alike = each >= max((one for _, one, _, _ in steps), default=0) and each > 0
    return [
        (name, one, each if alike and drafted == UNKNOWN else drafted, times)
        for name, one, drafted, times in steps
    ]


def _of_histogram(found: object) -> Iterator[Step]:
    """Steps by accepted tokens, as a list or under names; a list is as long as the draft and 1."""
    field = "acceptance_histogram"
    pairs: list[tuple[Any, Any]]
    if isinstance(found, list):
        pairs, drafted = list(enumerate(found)), len(found) - 1
    elif isinstance(found, dict):
        pairs, drafted = list(found.items()), UNKNOWN
    else:
        raise RowError("acceptance-no-steps", "there is no histogram of accepted tokens", field)
    for accepted, steps in pairs:
        yield field, _depth(accepted, field), drafted, _count(steps, field)


def _of_lists(accepted: object, drafted: object, fields: tuple[str, str]) -> Iterator[Step]:
    if not isinstance(accepted, list):
        raise RowError("acceptance-not-a-count", "it is no list of counts", fields[0])
    if isinstance(drafted, list) and len(drafted) != len(accepted):
        raise RowError(
            "acceptance-lengths-differ",
            f"{len(accepted)} steps accepted and {len(drafted)} steps drafted",
            fields[1],
        )
    each: Sequence[Any] = drafted if isinstance(drafted, list) else [drafted] * len(accepted)
    for (one, other), times in _counted(zip(accepted, each, strict=True), fields[0]):
        yield fields[0], _depth(one, fields[0]), _drafted(other, fields[1]), times


def _counted(values: Iterable[Any], field: str) -> list[tuple[Any, int]]:
    """Different values and how often each comes: few of them, so that each is looked at once."""
    try:
        return list(Counter(values).items())
    except TypeError:
        raise RowError(
            "acceptance-not-a-count", "it holds something that is no count", field
        ) from None


def _of_lengths(lengths: object, field: str, *, bonus: bool) -> Iterator[Step]:
    if not isinstance(lengths, list):
        raise RowError("acceptance-not-a-count", "it is no list of counts", field)
    for length, times in _counted(lengths, field):
        accepted = _depth(length, field) - bonus
        if accepted < 0:
            raise RowError(
                "acceptance-empty-steps",
                "a step of 0 tokens: lengths are read as Spec-Bench writes them, with the "
                "target's own token (lengths=accepted reads them without)",
                field,
            )
        yield field, accepted, UNKNOWN, times


def _depth(value: object, field: str) -> int:
    count = _count(value, field)
    if count > DEEPEST:
        raise RowError("acceptance-not-a-count", f"no step drafts {count} tokens", field)
    return count


def _count(value: object, field: str) -> int:
    number = _number(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
        number = float(value)  # the name of a bar of a histogram
    if not (0 <= number < MOST_STEPS and number.is_integer()):
        raise RowError("acceptance-not-a-count", "it is no whole number from 0 up", field)
    return int(number)


def _drafted(value: object, field: str) -> int:
    return UNKNOWN if value is None else _depth(value, field)


def _agree(found: Mapping[str, Any], field: str, computed: int) -> None:
    told = found.get(field)
    if told is not None and _count(told, field) != computed:
        raise RowError(
            "acceptance-contradiction", f"it says {told}, its steps add up to {computed}", field
        )


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
