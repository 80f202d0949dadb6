"""Requests, stretches between scrapes, or rates of classes as the arrays a plan is made from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic.acceptance_counters import Scrape, Stretch, stretches
from llmops_cli.traffic.acceptance_rates import Rate
from llmops_cli.traffic.acceptance_rows import UNKNOWN, RequestSteps
from llmops_cli.traffic.quarantine import BadRow

__all__ = ["AcceptanceOptions", "AcceptanceTable", "of_rates", "of_requests", "of_scrapes"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceptanceOptions:
    """How acceptance is read.

    Attributes:
        drafted: tokens per step, where a log does not say; None for as many as were ever accepted.
        bonus: whether ``accept_lengths`` count the target's own token.
        max_bad_rows: how many rows may be unreadable.
    """

    drafted: int | None = None
    bonus: bool = True
    max_bad_rows: int = 100


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AcceptanceTable:
    """What was accepted, by request, stretch between scrapes, or class of a table of rates.

    Arrays of G rows and K positions, as :class:`llmops_cli.speculation.model.Acceptance` has them.

    Attributes:
        kind: ``requests``, ``scrapes``, ``rates`` or ``lengths`` (means, of which the positions
            are assumed alike).
        depth_assumed: whether the depth of the draft is only that of what was accepted.
        spans: (G, 2) when each began and ended, seconds; NaN where unknown.
        files: that were read.
        bad_rows: that could not be.
    """

    kind: str
    steps: Floats
    accepted: Floats
    reached: Floats
    offered: Floats
    task: npt.NDArray[np.int64]
    tasks: tuple[str, ...]
    temperature: Floats
    batch: Floats
    spans: Floats
    depth_assumed: bool = False
    files: tuple[str, ...] = ()
    bad_rows: tuple[BadRow, ...] = ()


def of_requests(requests: Sequence[RequestSteps], given: AcceptanceOptions) -> AcceptanceTable:
    """One row per request.

    Raises:
        LlmopsError: ``acceptance-nothing-drafted``.
    """
    pairs = [pair for request in requests for pair in request.counts]
    told = [drafted for _, drafted in pairs if drafted != UNKNOWN]
    unknown = len(told) < len(pairs)
    if not unknown and not any(told):
        raise LlmopsError(
            "acceptance-nothing-drafted",
            "every step says that nothing was drafted, so nothing is known of acceptance",
            hint="log requests that were served with speculation on",
        )
    most = max(accepted for accepted, _ in pairs)
    depth = max(1, most, *told, given.drafted or 0 if unknown else 0)
    row = np.repeat(np.arange(len(requests)), [len(request.counts) for request in requests])
    taken, deep = np.array(pairs, np.int64).T
    deep = np.where(deep == UNKNOWN, given.drafted or depth, deep)
    times = np.array([count for r in requests for count in r.counts.values()], np.float64)

    def at_least(last: npt.NDArray[np.int64]) -> Floats:
        """(G, K) steps whose last position is this one or a later one."""
        place = row * (depth + 1) + last
        bars = np.bincount(place, weights=times, minlength=len(requests) * (depth + 1))
        return bars.reshape(-1, depth + 1)[:, :0:-1].cumsum(axis=1)[:, ::-1]

    steps: Floats = np.bincount(row, weights=times, minlength=len(requests)).astype(np.float64)
    tasks = tuple(sorted({request.task for request in requests} - {""}))
    return AcceptanceTable(
        kind="requests",
        steps=steps,
        accepted=at_least(taken),
        reached=at_least(np.minimum(taken + 1, deep)),
        offered=at_least(deep),
        task=np.array([tasks.index(r.task) if r.task else -1 for r in requests], np.int64),
        tasks=tasks,
        temperature=np.array([request.temperature for request in requests]),
        batch=np.array([request.batch for request in requests]),
        spans=np.array([request.span for request in requests]),
        depth_assumed=unknown and given.drafted is None,
    )


def of_scrapes(scrapes: Sequence[Scrape], given: AcceptanceOptions) -> AcceptanceTable:
    """One row per stretch between scrapes.

    Raises:
        LlmopsError: those of :func:`stretches`; ``acceptance-needs-drafted`` and
            ``acceptance-bad-rate`` for means.
    """
    parts = stretches(scrapes)
    if any(part.length is not None for part in parts):
        return _of_lengths(parts, given)
    counts = [part.counts for part in parts]
    depth = max(len(each.accepted) for each in counts)
    steps = np.array([each.drafts for each in counts])
    accepted = np.array([(*each.accepted, *[0.0] * depth)[:depth] for each in counts])
    reached = np.column_stack([steps, accepted[:, :-1]])
    drafted = np.array([each.drafted or each.drafts * depth for each in counts])
    # A server that cannot always draft says so in its total only: each position has its share.
    share = np.minimum(drafted / (steps * depth), 1.0)
    return AcceptanceTable(
        kind="scrapes",
        steps=steps,
        accepted=accepted,
        reached=np.maximum(reached * 1.0, accepted),
        offered=np.repeat((steps * share)[:, None], depth, axis=1),
        **_unnamed(len(parts), [part.running for part in parts]),
    )


def _of_lengths(parts: Sequence[Stretch], given: AcceptanceOptions) -> AcceptanceTable:
    """Means only: the acceptance at which a chain of that depth has such a mean, everywhere."""
    depth = _needs_drafted(given)
    found: list[Rate] = []
    for part in parts:
        length = part.length if part.length is not None else math.nan
        rate = _rate_for(length, depth)
        if rate is None:
            raise LlmopsError(
                "acceptance-bad-rate",
                f"a mean of {length:g} tokens per step is none of {depth} drafted: those lie "
                f"between 1 and {depth + 1}",
                file=part.source,
            )
        found.append(("", rate, 1.0))
    return _alike(found, depth, "lengths")


def _rate_for(length: float, depth: int) -> float | None:
    """The acceptance of a chain with such a mean, by halving; None at its ends and beyond."""
    if not 1 < length < depth + 1:
        return None
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(middle**at for at in range(depth + 1)) < length
        low, high = (middle, high) if below else (low, middle)
    return high


def of_rates(rates: Sequence[Rate], given: AcceptanceOptions) -> AcceptanceTable:
    """One row per class.

    Raises:
        LlmopsError: ``acceptance-needs-drafted``.
    """
    return _alike(rates, _needs_drafted(given), "rates")


def _needs_drafted(given: AcceptanceOptions) -> int:
    if given.drafted is None:
        raise LlmopsError(
            "acceptance-needs-drafted",
            "rates and means do not say how many tokens were drafted",
            hint="add drafted=N to the draft",
            exit_code=ExitCode.USAGE,
        )
    return given.drafted


def _alike(rates: Sequence[Rate], depth: int, kind: str) -> AcceptanceTable:
    """Rows in which every position is accepted alike: all that a rate can say."""
    alpha = np.array([rate for _, rate, _ in rates])
    steps = np.array([count for *_, count in rates])
    reach = alpha[:, None] ** np.arange(1.0, depth + 1)
    accepted: Floats = steps[:, None] * reach
    tasks = tuple(sorted({task for task, *_ in rates} - {""}))
    codes = np.array([tasks.index(task) if task else -1 for task, *_ in rates], np.int64)
    names: dict[str, Any] = {"task": codes, "tasks": tasks}
    return AcceptanceTable(
        kind=kind,
        steps=steps,
        accepted=accepted,
        reached=accepted / alpha[:, None],
        offered=np.repeat(steps[:, None], depth, axis=1),
        **{**_unnamed(len(rates), [math.nan] * len(rates)), **names},
    )


def _unnamed(rows: int, batch: Sequence[float]) -> dict[str, Any]:
    return {
        "task": np.full(rows, -1, np.int64),
        "tasks": (),
        "temperature": np.full(rows, math.nan),
        "batch": np.array(batch, np.float64),
        "spans": np.full((rows, 2), math.nan),
    }
