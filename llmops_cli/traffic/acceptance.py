"""Acceptance logs of speculative decoding: requests, counters or rates become one table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic.acceptance_counters import Scrape, json_scrapes, text_scrapes
from llmops_cli.traffic.acceptance_rates import Rate, rate_of_row, read_rates
from llmops_cli.traffic.acceptance_rows import UNKNOWN, RequestSteps, steps_of_row
from llmops_cli.traffic.acceptance_series import is_scrape
from llmops_cli.traffic.acceptance_table import (
    AcceptanceOptions,
    AcceptanceTable,
    of_rates,
    of_requests,
    of_scrapes,
)
from llmops_cli.traffic.quarantine import BadRow, Quarantine, RowError
from llmops_cli.traffic.sources import Source, resolve
from llmops_cli.traffic.streams import lines

__all__ = ["AcceptanceOptions", "AcceptanceTable", "read_acceptance"]


@dataclass(slots=True)
class _Read:
    """What the files hold, of each kind."""

    requests: list[RequestSteps] = field(default_factory=list[RequestSteps])
    scrapes: list[Scrape] = field(default_factory=list[Scrape])
    rates: list[Rate] = field(default_factory=list[Rate])


def read_acceptance(
    paths: Sequence[str], options: AcceptanceOptions | None = None
) -> AcceptanceTable:
    """Read acceptance.

    Args:
        paths: logs of requests (JSON lines), scrapes in the order of time (Prometheus text or
            JSON), or a CSV of ``task``, ``acceptance`` and, where known, ``steps``.
        options: how.

    Raises:
        LlmopsError: ``acceptance-mixed`` for kinds that cannot be added up,
            ``acceptance-no-steps``, ``acceptance-needs-drafted``, ``acceptance-bad-rate``, and
            what reading counters and files refuses.
    """
    given = options or AcceptanceOptions()
    found, quarantine = _Read(), Quarantine(given.max_bad_rows)
    files = resolve(paths, (".csv", ".prom", ".txt"))
    for source in files:
        _read(source, found, quarantine, given)
    kinds = [name for name in ("requests", "scrapes", "rates") if getattr(found, name)]
    if len(kinds) > 1:
        raise LlmopsError(
            "acceptance-mixed",
            f"{' and '.join(kinds)} cannot be added up",
            hint="give logs, or scrapes, or rates",
            exit_code=ExitCode.USAGE,
        )
    if not kinds:
        if quarantine.rows:
            raise quarantine.nothing_read("acceptance-no-steps")
        raise LlmopsError("acceptance-no-steps", "there is no step in it", file=files[0].name)
    if found.requests:
        table = of_requests(found.requests, given)
    else:
        table = of_scrapes(found.scrapes, given) if found.scrapes else of_rates(found.rates, given)
    names = tuple(source.name for source in files)
    return replace(table, files=names, bad_rows=tuple(quarantine.rows))


def _read(source: Source, found: _Read, quarantine: Quarantine, given: AcceptanceOptions) -> None:
    if source.is_csv:
        found.rates += read_rates(source)
        return
    numbered = lines(source)
    first = next(numbered, None)
    if first is None:
        return
    row = _parsed(first[1])
    if isinstance(row, dict):
        _rows(_chained(first, numbered), source, found, quarantine, given)
        return
    text = b"".join(line for _, line in _chained(first, numbered)).decode("utf-8", "replace")
    if is_scrape(text):
        found.scrapes += text_scrapes(text, source.name)
        return
    document = _parsed(text.encode())
    if document is None:
        # Neither one document nor counters: rows, of which the first is broken.
        _rows(lines(source), source, found, quarantine, given)
        return
    items = document if isinstance(document, list) else [document]
    numbers = [(number, msgspec.json.encode(item)) for number, item in enumerate(items, start=1)]
    if _is_counters(items[0] if items else None):
        found.scrapes += json_scrapes(document, source.name)
    else:
        _rows(iter(numbers), source, found, quarantine, given)


def _chained(
    first: tuple[int, bytes], rest: Iterator[tuple[int, bytes]]
) -> Iterator[tuple[int, bytes]]:
    yield first
    yield from rest


def _parsed(text: bytes) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _is_counters(item: object) -> bool:
    if not isinstance(item, dict):
        return False
    names = " ".join(map(str, (item.get("name"), *item)))
    told = "num_drafts" in names or "accept_length " in f"{names} "
    return told or "internal_states" in item


def _rows(
    numbered: Iterator[tuple[int, bytes]],
    source: Source,
    found: _Read,
    quarantine: Quarantine,
    given: AcceptanceOptions,
) -> None:
    for number, line in numbered:
        try:
            _row(_parsed(line), source, found, given)
        except RowError as error:
            quarantine.add(BadRow(source.name, number, error.field, error.slug, error.message))


def _row(row: object, source: Source, found: _Read, given: AcceptanceOptions) -> None:
    if not isinstance(row, dict):
        raise RowError("acceptance-not-json", "the line is no JSON object", "")
    if _is_counters(row):
        found.scrapes += json_scrapes(row, source.name)
    elif "acceptance" in row:
        found.rates.append(rate_of_row(row))
    else:
        steps = steps_of_row(row, bonus=given.bonus)
        _check_drafted(steps, given.drafted)
        found.requests.append(steps)


def _check_drafted(steps: RequestSteps, drafted: int | None) -> None:
    silent = [accepted for accepted, told in steps.counts if told == UNKNOWN]
    most = max(silent, default=0)
    if drafted is not None and most > drafted:
        raise RowError(
            "acceptance-more-than-drafted",
            f"a step accepted {most} tokens of {drafted} that were drafted",
            "",
        )
