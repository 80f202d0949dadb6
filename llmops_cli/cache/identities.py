"""Identities that the usage of every row must satisfy, whatever was cached.

The readers refuse counters that contradict each other; these are the checks that need the
prompt beside its usage, or the rules of the provider beside its counters.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.cache.billing import used_tokens
from llmops_cli.cache.columns import filled, names_that, numbers, of_each, texts, told_apart
from llmops_cli.cache.prompt_blocks import PromptBlocks
from llmops_cli.cache.rules import CacheRules
from llmops_cli.calls import CallsTable, Marker
from llmops_cli.errors import LlmopsError
from llmops_cli.report import Finding

__all__ = ["Bracket", "Identity", "Usage", "broken_identities", "identities", "minimum_brackets"]

Ints = npt.NDArray[np.signedinteger]
Mask = npt.NDArray[np.bool_]

_CLASSIC = re.compile(r"^(gpt-4|gpt-3|o\d|gpt-5(\.[0-5])?($|[^.\d]))")
_STEP, _SHORTEST = 128, 1024
_NEAR = 0.05


_SAID: dict[str, tuple[str, str, str]] = {
    "usage-blocks-differ": (
        "calls whose blocks do not add up to fresh input, reads and writes (R18)",
        "total input = input_tokens + cache reads + cache writes",
        "block_tokens",
    ),
    "usage-without-breakpoint": (
        "calls billed for a cache that no breakpoint asked for (R2)",
        "the log has lost its cache_control markers: log the request as it was sent",
        "block_markers",
    ),
    "usage-other-lifetime": (
        "calls billed for 1-hour writes that no breakpoint asked for (R6)",
        "the log has lost the ttl of its cache_control markers",
        "cache_write_1h_tokens",
    ),
    "usage-under-minimum": (
        "calls that cached a prefix shorter than the published minimum (R10)",
        "give what the model caches with --minimum-tokens N",
        "cache_read_tokens",
    ),
    "usage-odd-read": (
        "calls that read a number of tokens their model never reports: from 1,024 on by 128",
        "another model answered, or a gateway estimated the counter",
        "cache_read_tokens",
    ),
    "usage-unbilled-write": (
        "calls billed for cache writes that their model does not charge for",
        "OpenAI charges for writes from GPT-5.6 on",
        "cache_write_5m_tokens",
    ),
}
# Slug to what is wrong, what to do, and the column that shows it.


@dataclass(frozen=True, slots=True)
class Identity:
    """One identity: how many rows it speaks of, and where the first broken one is."""

    slug: str
    message: str
    hint: str
    field: str
    checked: int
    broken: int
    file: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Bracket:
    """R10 learned from a log: the shortest cached prompt lies in ``(below, reached]`` tokens.

    ``below`` is the longest marked prompt without any cached token, ``reached`` the shortest
    prefix that was cached; ``published`` is what the rules say. Each may be 0: not known.
    """

    model: str
    below: int
    reached: int
    published: int

    @property
    def disagrees(self) -> bool:
        """Whether the log contradicts the published minimum, by more than a rounding error."""
        shorter = 0 < self.reached < self.published
        # A log that has lost its cache counters shows zeros at any length: no dispute.
        longer = 0 < self.published * (1 + _NEAR) < self.below < self.reached
        return shorter or longer


@dataclass(frozen=True, slots=True, eq=False)
class Usage:
    """The usage of every row beside its prompt, read once for all identities."""

    calls: CallsTable
    model: npt.NDArray[np.object_]
    provider: npt.NDArray[np.object_]
    tokens: Ints
    trace: PromptBlocks
    marked: Mask
    hourly: Mask
    counted: Mask

    @classmethod
    def of(cls, calls: CallsTable, prompts: PromptBlocks | None = None) -> "Usage":
        """Out of a calls table, and its prompts where they are kept apart from it."""
        prompts = prompts or PromptBlocks.of(calls)
        tokens = used_tokens(calls)[:, :4]
        automatic = numbers(calls, "automatic_cache", 0)
        answered, asked = texts(calls, "response_model"), texts(calls, "request_model")
        counted = (numbers(calls, "tokens_estimated", 1) == 0) & (texts(calls, "error_type") == "")
        return cls(
            calls,
            filled(answered, answered == "", asked),
            texts(calls, "provider_name"),
            tokens,
            prompts,
            _any(prompts.markers > 0, prompts.offsets) | (automatic > 0),
            _any(prompts.markers == Marker.ONE_HOUR, prompts.offsets)
            | (automatic == Marker.ONE_HOUR),
            counted,
        )

    @property
    def sent(self) -> Mask:
        """Rows whose prompt is at hand."""
        return np.diff(self.trace.offsets) > 0


def _any(mask: Mask, offsets: Ints) -> Mask:
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(mask)])
    return total[offsets[1:]] > total[offsets[:-1]]


def identities(rows: Usage, rules: CacheRules) -> tuple[Identity, ...]:
    """Every identity over every row, the kept ones included.

    Args:
        rows: the usage of the whole log.
        rules: Anthropic's, for the minimum of its models.
    """
    return tuple(_checks(rows, rules))


def broken_identities(found: tuple[Identity, ...]) -> tuple[Finding, ...]:
    """A warning for each identity that rows break, at the first of them."""
    return tuple(
        Finding(
            slug=item.slug,
            severity="warning",
            message=item.message,
            hint=item.hint,
            file=item.file,
            line=item.line,
            field=item.field,
            count=item.broken,
        )
        for item in found
        if item.broken
    )


def _checks(rows: Usage, rules: CacheRules) -> Iterator[Identity]:
    cached = rows.tokens[:, 1:4].sum(axis=1)
    claude = rows.counted & rows.sent & (rows.provider == "anthropic")
    prompt = np.zeros(len(rows.model), np.int64)
    first = rows.trace.offsets[:-1][rows.sent]
    prompt[rows.sent] = np.add.reduceat(rows.trace.tokens, first, dtype=np.int64)
    whole = rows.counted & rows.sent & (rows.tokens.sum(axis=1) > 0)
    least = _minimums(rows, rules)
    unasked = (rows.tokens[:, 3] > 0) & rows.marked & ~rows.hourly
    yield _identity(rows, "usage-blocks-differ", whole, prompt != rows.tokens.sum(axis=1))
    yield _identity(rows, "usage-without-breakpoint", claude, (cached > 0) & ~rows.marked)
    yield _identity(rows, "usage-other-lifetime", claude, unasked)
    claude &= least > 0
    yield _identity(rows, "usage-under-minimum", claude, (cached > 0) & (cached < least))
    yield from _openai(rows)


def _openai(rows: Usage) -> Iterator[Identity]:
    classic = names_that(rows.model, lambda name: _CLASSIC.search(name.lower()) is not None)
    mine = rows.counted & (rows.provider == "openai") & classic
    read = rows.tokens[:, 1]
    odd = (read % _STEP != 0) | ((read > 0) & (read < _SHORTEST))
    yield _identity(rows, "usage-odd-read", mine, odd)
    yield _identity(rows, "usage-unbilled-write", mine, rows.tokens[:, 2:4].sum(axis=1) > 0)


def _identity(rows: Usage, slug: str, checked: Mask, broken: Mask) -> Identity:
    said = _SAID[slug]
    bad = np.flatnonzero(checked & broken)
    file, line = "", None
    if len(bad):
        first = rows.calls.iloc[int(bad[0])]
        file = str(first["source_file"]) if not pd.isna(first["source_file"]) else ""
        line = int(first["source_line"]) if not pd.isna(first["source_line"]) else None
    return Identity(slug, *said, int(checked.sum()), len(bad), file, line)


def _minimums(rows: Usage, rules: CacheRules) -> Ints:
    code, names = told_apart(rows.model)
    return of_each(np.array([_minimum(str(name), rules) for name in names], np.int64), code)


def _minimum(model: str, rules: CacheRules) -> int:
    try:
        return rules.minimum(model).tokens
    except LlmopsError:
        return 0


def minimum_brackets(
    rows: Usage, rules: CacheRules, *, among: Ints | None = None
) -> tuple[Bracket, ...]:
    """What the usage of Anthropic's models says about their minimum (R10), by model.

    Args:
        rows: the usage of the whole log.
        rules: Anthropic's.
        among: the rows to learn from; all of them when absent.
    """
    chosen = np.ones(len(rows.model), np.bool_)
    if among is not None:
        chosen[:] = False
        chosen[among] = True
    mine = chosen & rows.counted & rows.sent & rows.marked & (rows.provider == "anthropic")
    cached = rows.tokens[:, 1:4].sum(axis=1)
    marked = _marked_tokens(rows)
    found: list[Bracket] = []
    for model in sorted(set(rows.model[mine].tolist())):
        here = mine & (rows.model == model)
        below, reached = marked[here & (cached == 0)], cached[here & (cached > 0)]
        found.append(
            Bracket(
                str(model),
                int(below.max(initial=0)),
                int(reached.min()) if len(reached) else 0,
                _minimum(str(model), rules),
            )
        )
    return tuple(found)


def _marked_tokens(rows: Usage) -> Ints:
    # Tokens up to the last marked block; all of them under automatic caching.
    trace = rows.trace
    call = np.repeat(np.arange(trace.rows), np.diff(trace.offsets))
    running = np.concatenate([np.zeros(1, np.int64), np.cumsum(trace.tokens, dtype=np.int64)])
    depth = running[1:] - running[trace.offsets[call]]
    marked = np.zeros(trace.rows, np.int64)
    at = np.flatnonzero(trace.markers > 0)
    np.maximum.at(marked, call[at], depth[at])
    whole = running[trace.offsets[1:]] - running[trace.offsets[:-1]]
    return np.where(numbers(rows.calls, "automatic_cache", 0) > 0, whole, marked)
