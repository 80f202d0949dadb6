"""Counters of speculative decoding as servers export them: Prometheus text, or JSON.

Counters only grow; what lies between two scrapes is a stretch of time, and several stretches say
how much acceptance varies. One scrape is a total without any spread.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic.acceptance_rows import DEEPEST
from llmops_cli.traffic.acceptance_series import (
    LENGTHS,
    POSITIONS,
    RUNNING,
    Series,
    is_metric,
    series_of_json,
    series_of_text,
)

__all__ = ["Counts", "Scrape", "Stretch", "json_scrapes", "stretches", "text_scrapes"]


@dataclass(frozen=True, slots=True)
class Counts:
    """What one engine counted.

    Attributes:
        drafts: verification steps.
        drafted: tokens that were drafted; 0 where nobody says.
        accepted: tokens by position: how often each was accepted.
    """

    drafts: float = 0.0
    drafted: float = 0.0
    accepted: tuple[float, ...] = ()

    def __add__(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(
            self.drafts + other.drafts,
            self.drafted + other.drafted,
            tuple(a + b for a, b in zip_longest(self.accepted, other.accepted, fillvalue=0.0)),
        )

    def since(self, before: "Counts") -> "Counts":
        """What came after an earlier scrape; all of it where any counter fell and so began anew."""
        less = Counts(-before.drafts, -before.drafted, tuple(-at for at in before.accepted))
        found = self + less
        again = min(found.drafts, found.drafted, *found.accepted) < 0
        return self if again else found


@dataclass(frozen=True, kw_only=True, slots=True)
class Scrape:
    """One moment of a server.

    Attributes:
        counts: by engine.
        length: mean tokens per step, where a server says nothing else; 0 before its first step.
        running: requests of an engine; NaN where unknown.
        models: that are served.
        source: file.
    """

    counts: Mapping[str, Counts]
    length: float | None = None
    running: float = math.nan
    models: frozenset[str] = frozenset()
    source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """What all engines did between two scrapes, or up to the only one.

    Attributes:
        counts: of all engines; nothing where only a mean is known.
        length: as of :class:`Scrape`.
        running: at its end.
        source: file.
    """

    counts: Counts
    length: float | None
    running: float
    source: str


@dataclass(slots=True)
class _Moment:
    """Series of one scrape as they come."""

    seen: dict[tuple[str, str, str], float] = field(
        default_factory=dict[tuple[str, str, str], float]
    )
    models: set[str] = field(default_factory=set[str])


def text_scrapes(text: str, source: str) -> tuple[Scrape, ...]:
    """Read Prometheus text; a series that comes again begins the next scrape.

    Raises:
        LlmopsError: ``acceptance-no-counters``, ``acceptance-bad-counter`` with its line,
            ``acceptance-more-than-drafted``.
    """
    return _scrapes(series_of_text(text, source), source)


def json_scrapes(document: object, source: str) -> tuple[Scrape, ...]:
    """Read scrapes from JSON: counters, vLLM's metrics, SGLang's server information, or a list.

    Raises:
        LlmopsError: as :func:`text_scrapes`.
    """
    if isinstance(document, list) and not any(is_metric(item) for item in document):
        return tuple(scrape for item in document for scrape in json_scrapes(item, source))
    return _scrapes(series_of_json(document, source), source)


def stretches(scrapes: Sequence[Scrape]) -> tuple[Stretch, ...]:
    """What lies between scrapes in their order; one scrape is its own stretch.

    A counter of an engine that falls has begun again at 0, as Prometheus has it.

    Raises:
        LlmopsError: ``acceptance-no-steps`` where nothing was drafted,
            ``acceptance-several-models``, ``acceptance-mixed`` for means beside counters.
    """
    _check_alike(scrapes)
    if scrapes[0].length is not None:
        found = [_alone(one) for one in scrapes if one.length]
    else:
        between = [_between(one, two) for one, two in pairwise(scrapes)]
        found = [item for item in between or [_alone(scrapes[0])] if item.counts.drafts > 0]
    if not found:
        raise LlmopsError(
            "acceptance-no-steps",
            "the counters say that nothing was drafted",
            file=scrapes[0].source,
        )
    return tuple(found)


def _check_alike(scrapes: Sequence[Scrape]) -> None:
    models = sorted(frozenset[str]().union(*(scrape.models for scrape in scrapes)))
    if len(models) > 1:
        raise LlmopsError(
            "acceptance-several-models",
            f"it counts {len(models)} models together: {', '.join(models[:5])}",
            hint=f"keep the lines of one: grep 'model_name=\"{models[0]}\"'",
            file=scrapes[0].source,
        )
    if len({scrape.length is None for scrape in scrapes}) > 1:
        raise LlmopsError(
            "acceptance-mixed",
            "means per step and counters cannot be added up",
            hint="give scrapes of one server",
            exit_code=ExitCode.USAGE,
        )


def _alone(scrape: Scrape) -> Stretch:
    return _stretch(scrape, scrape.counts.values())


def _between(one: Scrape, two: Scrape) -> Stretch:
    each = (now.since(one.counts.get(name, Counts())) for name, now in two.counts.items())
    return _stretch(two, each)


def _stretch(scrape: Scrape, counts: Iterable[Counts]) -> Stretch:
    return Stretch(
        counts=sum(counts, Counts()),
        length=scrape.length,
        running=scrape.running,
        source=scrape.source,
    )


def _scrapes(series: Iterable[Series], source: str) -> tuple[Scrape, ...]:
    moments = [_Moment()]
    for name, labels, value in series:
        key = (name, _engine(labels), labels.get("position", ""))
        if key in moments[-1].seen:
            moments.append(_Moment())
        moments[-1].seen[key] = value
        if "model_name" in labels:
            moments[-1].models.add(labels["model_name"])
    return tuple(_scrape(moment, source) for moment in moments)


def _engine(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={labels[name]}" for name in sorted(labels) if name != "position")


def _scrape(moment: _Moment, source: str) -> Scrape:
    engines = dict.fromkeys(
        engine for name, engine, _ in moment.seen if name in {"num_drafts", POSITIONS}
    )
    length = _mean(moment, LENGTHS)
    if not engines and math.isnan(length):
        raise LlmopsError(
            "acceptance-no-counters",
            "it has no counter of speculative decoding",
            hint="vllm:spec_decode_num_drafts_total and its neighbours, or sglang's "
            "spec_accept_length",
            file=source,
        )
    return Scrape(
        counts={engine: _counts(moment, engine, source) for engine in engines},
        length=None if engines else length,
        running=_mean(moment, RUNNING),
        models=frozenset(moment.models),
        source=source,
    )


def _mean(moment: _Moment, names: tuple[str, ...]) -> float:
    """Of a gauge over engines, each of which has batches of its own; NaN where there is none."""
    found = [value for (name, *_), value in moment.seen.items() if name in names]
    return sum(found) / len(found) if found else math.nan


def _counts(moment: _Moment, engine: str, source: str) -> Counts:
    own = {(name, at): value for (name, of, at), value in moment.seen.items() if of == engine}
    positions = {_position(at, source): value for (name, at), value in own.items()
                 if name == POSITIONS}  # fmt: skip
    counts = Counts(
        own.get(("num_drafts", ""), 0.0),
        own.get(("num_draft_tokens", ""), 0.0),
        tuple(positions.get(at, 0.0) for at in range(max(positions, default=-1) + 1)),
    )
    _check(counts, own.get(("num_accepted_tokens", "")), source)
    return counts


def _position(text: str, source: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < len(str(10 * DEEPEST))):
        raise LlmopsError(
            "acceptance-bad-counter", f"{POSITIONS} has a position that is no number", file=source
        )
    return int(text)


def _check(counts: Counts, accepted: float | None, source: str) -> None:
    total = sum(counts.accepted)
    most = max(total, accepted or 0.0)
    falling = all(a >= b for a, b in pairwise((counts.drafts, *counts.accepted)))
    slug, reason = "acceptance-bad-counter", ""
    if not counts.accepted:
        reason = "positions are missing: num_accepted_tokens_per_pos"
    elif counts.drafted and most > counts.drafted:
        slug = "acceptance-more-than-drafted"
        reason = f"{most:,.0f} tokens were accepted of {counts.drafted:,.0f}"
    elif not falling:
        reason = "a position was accepted more often than the one before it"
    elif accepted is not None and abs(accepted - total) > 1e-6 * max(accepted, 1):
        reason = f"positions add up to {total:,.0f} accepted tokens, not {accepted:,.0f}"
    if reason:
        raise LlmopsError(slug, reason, file=source)
