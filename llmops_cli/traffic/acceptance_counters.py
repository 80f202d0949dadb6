"""Counters of speculative decoding as servers export them: Prometheus text, or JSON.

Counters only grow; what lies between two scrapes is a stretch of time, and several stretches say
how much acceptance varies. One scrape is a total without any spread.
"""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from llmops_cli.errors import LlmopsError

__all__ = ["Scrape", "is_scrape", "json_scrapes", "stretches", "text_scrape"]

_LINE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
_POSITION = re.compile(r'position="(\d+)"')
_OURS = ("spec_decode_num_", "spec_accept_length", "num_requests_running", "num_running_reqs")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scrape:
    """The counters of one moment, or of the stretch between two.

    Attributes:
        drafts: verification steps.
        drafted: tokens that were drafted; 0 where nobody says.
        accepted: tokens by position: how often each was accepted.
        length: mean tokens per step, where a server says nothing else.
        running: requests at that moment; NaN where unknown.
        source: file.
    """

    drafts: float = 0.0
    drafted: float = 0.0
    accepted: tuple[float, ...] = ()
    length: float | None = None
    running: float = math.nan
    source: str = ""


def is_scrape(text: str) -> bool:
    """Whether this is Prometheus text with counters of speculative decoding."""
    return any(name in text for name in _OURS) and not text.lstrip().startswith(("{", "["))


def text_scrape(text: str, source: str) -> Scrape:
    """Read one scrape of Prometheus text; engines and models are added up.

    Raises:
        LlmopsError: ``acceptance-no-counters``, ``acceptance-bad-counter`` with its line.
    """
    found = defaultdict[str, float](float)
    positions = defaultdict[int, float](float)
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.match(line)
        if match is None or line.startswith("#") or not any(name in line for name in _OURS):
            continue
        name, labels, value = _short(match[1]), match[2] or "", _value(match[3], source, number)
        at = _POSITION.search(labels)
        if name == "num_accepted_tokens_per_pos" and at is not None:
            positions[int(at[1])] += value
        elif not name.endswith("_created"):
            found[name] += value
    return _scrape(found, [positions[at] for at in range(len(positions))], source)


def json_scrapes(document: object, source: str) -> tuple[Scrape, ...]:
    """Read scrapes from JSON: an object of counters, vLLM's list of metrics, or a list of objects.

    Raises:
        LlmopsError: ``acceptance-no-counters``, ``acceptance-bad-counter``.
    """
    if isinstance(document, list) and not any(_is_metric(item) for item in document):
        return tuple(scrape for item in document for scrape in json_scrapes(item, source))
    found: dict[str, Any] = {}
    if isinstance(document, list):
        for item in document:
            found[_short(str(item.get("name")))] = item.get("values", item.get("value"))
    elif isinstance(document, dict):
        found = {_short(str(name)): value for name, value in document.items()}
    positions = found.pop("num_accepted_tokens_per_pos", None) or []
    if isinstance(positions, dict):
        positions = [positions[name] for name in sorted(positions, key=int)]
    numbers = {name: _value(value, source, None) for name, value in found.items()
               if any(_short(our) in name or our in name for our in _JSON)}  # fmt: skip
    return (_scrape(numbers, [_value(value, source, None) for value in positions], source),)


_JSON = ("num_drafts", "num_draft_tokens", "num_accepted_tokens", *_OURS[1:])


def stretches(scrapes: Sequence[Scrape]) -> tuple[Scrape, ...]:
    """What lies between scrapes in their order; one scrape is its own stretch.

    A counter that falls has begun again at 0, as Prometheus has it.

    Raises:
        LlmopsError: ``acceptance-no-steps`` where nothing was drafted.
    """
    found = [_between(one, two) for one, two in pairwise(scrapes)]
    found = [item for item in found or scrapes if item.drafts > 0 or item.length is not None]
    if not found:
        raise LlmopsError(
            "acceptance-no-steps",
            "the counters say that nothing was drafted",
            file=scrapes[0].source if scrapes else "",
        )
    return tuple(found)


def _between(one: Scrape, two: Scrape) -> Scrape:
    if two.length is not None:
        return two
    again = two.drafts < one.drafts
    before = Scrape() if again else one
    long = len(two.accepted)
    earlier = (*before.accepted, *[0.0] * long)[:long]
    return Scrape(
        drafts=two.drafts - before.drafts,
        drafted=two.drafted - before.drafted,
        accepted=tuple(late - soon for late, soon in zip(two.accepted, earlier, strict=True)),
        running=two.running,
        source=two.source,
    )


def _scrape(found: Mapping[str, float], positions: Sequence[float], source: str) -> Scrape:
    length = found.get("spec_accept_length", found.get("avg_spec_accept_length"))
    running = found.get("num_requests_running", found.get("num_running_reqs", math.nan))
    if "num_drafts" not in found and length is None:
        raise LlmopsError(
            "acceptance-no-counters",
            "it has no counter of speculative decoding",
            hint="vllm:spec_decode_num_drafts_total and its neighbours, or sglang's "
            "spec_accept_length",
            file=source,
        )
    if "num_drafts" not in found:
        return Scrape(length=length, running=running, source=source)
    scrape = Scrape(
        drafts=found["num_drafts"],
        drafted=found.get("num_draft_tokens", 0.0),
        accepted=tuple(positions),
        running=running,
        source=source,
    )
    _check(scrape, found.get("num_accepted_tokens"))
    return scrape


def _check(scrape: Scrape, accepted: float | None) -> None:
    total = sum(scrape.accepted)
    falling = all(a >= b for a, b in zip((scrape.drafts, *scrape.accepted), scrape.accepted,
                                         strict=False))  # fmt: skip
    reason = ""
    if not scrape.accepted:
        reason = "positions are missing: num_accepted_tokens_per_pos"
    elif scrape.drafted and max(total, accepted or 0.0) > scrape.drafted:
        reason = f"{max(total, accepted or 0.0):,.0f} tokens were accepted of {scrape.drafted:,.0f}"
    elif not falling:
        reason = "a position was accepted more often than the one before it"
    elif accepted is not None and abs(accepted - total) > 1e-6 * max(accepted, 1):
        reason = f"positions add up to {total:,.0f} accepted tokens, not {accepted:,.0f}"
    if reason:
        more = "were accepted of" in reason
        slug = "acceptance-more-than-drafted" if more else "acceptance-bad-counter"
        raise LlmopsError(slug, reason, file=scrape.source)


def _is_metric(item: object) -> bool:
    return isinstance(item, dict) and "name" in item and ("value" in item or "values" in item)


def _short(name: str) -> str:
    bare = name.rsplit(":", 1)[-1].removeprefix("vllm_").removeprefix("sglang_")
    return bare.removeprefix("spec_decode_").removesuffix("_total")


def _value(text: object, source: str, line: int | None) -> float:
    try:
        number = float(text) if isinstance(text, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise LlmopsError(
            "acceptance-bad-counter", "a counter is no number from 0 up", file=source, line=line
        )
    return number
