"""One log record of OTLP JSON, upgraded: events of the GenAI conventions are log records.

An event per message becomes the one event that may hold content now, where it is kept.
"""

from collections import Counter
from typing import Any

import msgspec

from llmops_cli.traffic.kept import sections
from llmops_cli.traffic.otlp import carried, conventional
from llmops_cli.traffic.otlp.messages import LogRecord
from llmops_cli.traffic.otlp.renames import Pair, pairs_of, renamed
from llmops_cli.traffic.otlp.spans import log_rows
from llmops_cli.traffic.otlp.upgraded_spans import provided, speaks
from llmops_cli.traffic.quarantine import RowError

__all__ = ["upgrade_record"]

_NAME = "event.name"

_Object = dict[str, Any]


def upgrade_record(
    record: _Object, kept: list[_Object], counts: Counter[tuple[str, str]], *, keep: bool
) -> bool:
    """Upgrade one log record.

    Args:
        record: the record as decoded.
        kept: receives the upgraded record; nothing where the record was nothing but content.
        counts: receives how often each old name gave way to which.
        keep: whether content is carried over.

    Returns:
        Whether the record is of generative AI.
    """
    pairs = pairs_of(record)
    name = record.get("eventName") or _named(pairs)
    if not (isinstance(name, str) and name.startswith("gen_ai.")) and not speaks(pairs):
        kept.append(record)
        return False
    is_message = name in carried.MESSAGE_EVENTS
    said = _said(record) if keep and is_message else {}
    if "attributes" in record:
        record["attributes"] = provided(renamed(pairs, counts))
    if said:
        _retell(record, said)
    if not keep:
        _leave_out(record)
    if keep or not is_message:
        kept.append(record)
    return True


def _named(pairs: list[Pair]) -> object:
    found = (pair.get("value") for pair in pairs if pair["key"] == _NAME)
    return next((value.get("stringValue") for value in found if isinstance(value, dict)), "")


def _said(record: _Object) -> dict[str, str]:
    """What the record says, in the current attributes; empty where it cannot be read."""
    try:
        rows = log_rows(msgspec.convert(record, LogRecord))
        parts = [part for row in rows if isinstance(row, tuple) for part in row[1]]
        found = conventional.attributes(sections(parts))
    except (RowError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}
    name = record.get("eventName") or _named(pairs_of(record))
    answers = carried.choice({**record, "name": name}, record.get("body"))
    return found | carried.as_attribute(answers)


def _retell(record: _Object, said: dict[str, str]) -> None:
    """Make it the event that holds content now."""
    rest = [
        pair
        for pair in pairs_of(record)
        if pair["key"] != _NAME and pair["key"] not in carried.MESSAGE_FIELDS
    ]
    record["eventName"] = carried.DETAILS
    record["attributes"] = [
        *rest,
        *({"key": key, "value": {"stringValue": json}} for key, json in said.items()),
    ]
    record.pop("body", None)


def _leave_out(record: _Object) -> None:
    if "attributes" in record:
        record["attributes"] = carried.without(pairs_of(record))
    # The body of such an event is a structure with content in it, or content itself.
    record.pop("body", None)
