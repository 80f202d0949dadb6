"""Which calls a replay can speak about, and what keeps the others out: counted, never guessed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.columns import coded, filled, microseconds, names_that, texts
from llmops_cli.cache.model import CacheParameters
from llmops_cli.calls import CallsTable, require
from llmops_cli.errors import LlmopsError
from llmops_cli.prices import PriceBook

__all__ = [
    "EPOCH",
    "Exclusion",
    "Selection",
    "days",
    "exclude",
    "nothing_left",
    "select",
    "served",
]

Mask = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

EPOCH = date(1970, 1, 1)
"""Day 0 of ``Selection.day``."""

_DAY_US = 86_400_000_000
_NULL = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Calls left out for one reason; ``file`` and ``line`` are those of the first."""

    slug: str
    message: str
    count: int
    file: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The log split: ``replay`` calls follow Anthropic's rules, ``billable`` ones cost money.

    ``model``, ``provider`` and ``day`` (since 1970-01-01) are what a call is priced as.
    """

    replay: Mask
    billable: Mask
    model: Texts
    provider: Texts
    day: npt.NDArray[np.int64]
    exclusions: tuple[Exclusion, ...]


def select(calls: CallsTable, given: CacheParameters, book: PriceBook, sent: Mask) -> Selection:
    """Split the calls.

    Args:
        calls: the whole table.
        given: what is asked.
        book: knows who sells a model.
        sent: calls whose prompt is at hand.

    Raises:
        LlmopsError: ``calls-missing-column`` without any time or model, ``calls-empty``,
            ``cache-not-anthropic`` for a ``price_as`` model of another provider,
            ``price-unknown-model``.
    """
    if not len(calls):
        raise LlmopsError("calls-empty", "the log holds no calls")
    require(calls, "start_time")
    model, provider = served(calls) if not given.price_as else _as_claude(calls, given, book)
    timed = microseconds(calls, "start_time") != _NULL
    day = days(calls, given.on)
    failed = texts(calls, "error_type") != ""
    again = _again(calls)
    steps = (
        ("cache-failed-calls", "failed and cost nothing", failed),
        ("cache-duplicate-calls", "carry the id of an earlier call and were logged twice", again),
        ("cache-no-time", "have no start time", ~timed),
        ("cache-no-model", "name no model; --price-as MODEL prices them", model == ""),
        ("cache-other-provider", "are not served by Anthropic's API", provider != "anthropic"),
        ("cache-no-content", "carry no prompt to replay", ~sent),
    )
    left, exclusions = np.ones(len(calls), np.bool_), []
    for slug, message, mask in steps:
        left, more = exclude(calls, left, mask, slug, message)
        exclusions += more
    if not left.any():
        raise nothing_left(len(calls), exclusions)
    billable = ~failed & ~again & timed & (model != "")
    return Selection(left, billable, model, provider, day, tuple(exclusions))


def _again(calls: CallsTable) -> Mask:
    """Calls with the id of an earlier one."""
    code, names = coded(calls, "call_id")
    # Numbered by first appearance: one that is no new highest was there before.
    known = np.zeros(len(code), np.bool_)
    known[1:] = code[1:] <= np.maximum.accumulate(code)[:-1]
    return known & (code != names.index("").as_py())


def exclude(
    calls: CallsTable, left: Mask, mask: Mask, slug: str, message: str
) -> tuple[Mask, list[Exclusion]]:
    """Take ``mask`` out of ``left``, and say so when that takes anything."""
    out = left & mask
    if not out.any():
        return left, []
    first = calls.iloc[int(np.flatnonzero(out)[0])]
    file, line = first["source_file"], first["source_line"]
    found = Exclusion(
        slug,
        message,
        int(out.sum()),
        file if isinstance(file, str) else "",
        int(line) if isinstance(line, int | np.integer) else None,
    )
    return left & ~mask, [found]


def nothing_left(total: int, exclusions: Iterable[Exclusion]) -> LlmopsError:
    """The refusal of a log in which no call can be replayed, with every reason."""
    reasons = list(exclusions)
    said = ", ".join(f"{item.count:,} {item.message}" for item in reasons)
    return LlmopsError(
        "cache-nothing-to-replay",
        f"none of the {total:,} calls can be replayed: {said}",
        hint="a replay needs Anthropic Messages requests with their content, or --price-as MODEL "
        "to ask what the traffic would cost there",
        file=reasons[0].file if reasons else "",
        line=reasons[0].line if reasons else None,
    )


def days(calls: CallsTable, on: date | None = None) -> npt.NDArray[np.int64]:
    """The day of each call since 1970-01-01, or of all of them; 0 where it has no time."""
    if on is not None:
        return np.full(len(calls), on.toordinal() - EPOCH.toordinal())
    time = microseconds(calls, "start_time")
    return np.where(time != _NULL, time, 0) // _DAY_US


def served(calls: CallsTable) -> tuple[Texts, Texts]:
    """Model and provider of each call; empty where the log names none."""
    answered, asked = texts(calls, "response_model"), texts(calls, "request_model")
    model = filled(answered, answered == "", asked)
    named = texts(calls, "provider_name")
    claude = names_that(model, lambda name: name.lower().startswith("claude"))
    return model, filled(named, (named == "") & claude, "anthropic")


def _as_claude(calls: CallsTable, given: CacheParameters, book: PriceBook) -> tuple[Texts, Texts]:
    provider = book.rates(given.price_as, given.on or EPOCH).provider
    if provider != "anthropic":
        raise LlmopsError(
            "cache-not-anthropic",
            f"'{given.price_as}' is sold by {provider}; only Anthropic's cache rules are replayed",
            hint="name a Claude model with --price-as",
        )
    return (
        np.full(len(calls), given.price_as, dtype=object),
        np.full(len(calls), provider, dtype=object),
    )
