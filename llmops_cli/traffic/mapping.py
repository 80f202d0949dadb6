"""``column=field``: which fields of a team's own log fill which columns of the calls table.

Beside the columns themselves there are names for what logs say in another way: counters that
include cached tokens, milliseconds, the end of a call, its prompt.
"""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, NoReturn

import msgspec

from llmops_cli.calls import COLUMNS
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic import coerced
from llmops_cli.traffic.blocks import Part
from llmops_cli.traffic.envelope import later
from llmops_cli.traffic.openai_chat import message_blocks
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.usage import Counters, disjoint

__all__ = ["CONTENT", "MAPPABLE", "FieldMap"]

CONTENT = ("prompt", "messages")
"""What a prompt may be mapped as: text, or a list of messages as OpenAI's chat API takes it."""

_TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)
_INCLUSIVE = "input_tokens_including_cache"
_CACHED = _TOKENS[1:4]

_Convert = Callable[..., Any]
_CONVERT: dict[str, _Convert] = {
    **dict.fromkeys((*_TOKENS, _INCLUSIVE, "total_tokens"), coerced.as_tokens),
    **dict.fromkeys(("start_time", "end_time"), coerced.as_instant),
    **dict.fromkeys(("duration_s", "ttft_s"), coerced.as_seconds),
    **dict.fromkeys(("duration_ms", "ttft_ms"), coerced.as_milliseconds),
    "error_type": coerced.as_error,
    "attempts": coerced.as_count,
    "evaluation_score": coerced.as_score,
    "automatic_cache": coerced.as_marker,
}
_OURS = ("source_file", "source_line", "tokens_estimated")
_COLUMNS = tuple(
    column.name
    for column in COLUMNS
    if column.name not in _OURS and not column.name.startswith("block_")
)
MAPPABLE: tuple[str, ...] = (*dict.fromkeys((*_COLUMNS, *_CONVERT)), *CONTENT)
"""Every name that may stand before the ``=``."""

_ONE_OF = (
    ("input_tokens", _INCLUSIVE),
    ("duration_s", "duration_ms"),
    ("ttft_s", "ttft_ms"),
    CONTENT,
)


class FieldMap:
    """A checked mapping.

    Args:
        pairs: column and field.

    Raises:
        LlmopsError: ``mapping-unknown-column``, ``mapping-repeated-column``.
    """

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        _check([column for column, _ in pairs])
        self.fields = tuple(dict.fromkeys(field for _, field in pairs))
        self.content_field = next((field for column, field in pairs if column in CONTENT), "")
        self._of = dict(pairs)
        self._steps = [
            (column, field, _CONVERT.get(column, coerced.as_text)) for column, field in pairs
        ]
        counter = self._of.get(_INCLUSIVE) or self._of.get("input_tokens")
        self._counter = counter or self._of.get("output_tokens", "")

    def row(self, values: dict[str, Any], *, is_csv: bool) -> tuple[dict[str, Any], list[Part]]:
        """Columns and prompt of one row.

        Args:
            values: by field; absent or None is nothing, and so is empty text.
            is_csv: whether numbers may be text.

        Raises:
            RowError: ``calls-bad-value``, ``calls-bad-time``, ``calls-negative-duration``,
                ``calls-contradiction``, ``calls-bad-content``.
        """
        said, parts = dict[str, Any](), list[Part]()
        for column, field, convert in self._steps:
            value = values.get(field)
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            if column in CONTENT:
                parts = _parts(value, field, is_list=column == "messages")
            else:
                said[column] = convert(value, field, is_csv=is_csv)
        self._count(said)
        self._time(said)
        return {name: value for name, value in said.items() if value is not None}, parts

    def _count(self, said: dict[str, Any]) -> None:
        """Make the counters disjoint; of a row with counters an empty cache counter is 0."""
        inside = _INCLUSIVE in said
        given, total = said.pop(_INCLUSIVE, said.get("input_tokens")), said.pop("total_tokens", 0)
        _, five, hour = (said.get(column, 0) for column in _CACHED)
        counters = Counters(
            given=given or 0,
            read=said.get("cache_read_tokens", 0),
            written=five + hour,
            written_1h=hour,
            output=said.get("output_tokens", 0),
            reasoning=said.get("reasoning_tokens") if "output_tokens" in said else None,
            total=total,
            field=self._counter,
        )
        found = disjoint(counters, cached_inside=inside)
        if given is None:
            return
        _check_total(counters, inside=inside)
        # What nobody maps stays unknown: zero would say that nothing was cached.
        said |= {column: found[column] for column in _CACHED if column in self._of}
        said["input_tokens"] = found["input_tokens"]

    def _time(self, said: dict[str, Any]) -> None:
        for name in ("duration", "ttft"):
            if (seconds := said.pop(f"{name}_ms", None)) is not None:
                said[f"{name}_s"] = seconds
        end, start = said.pop("end_time", None), said.get("start_time")
        if end is None:
            return
        if start is not None:
            lasted = later(start, end, self._of["end_time"])
            said.setdefault("duration_s", lasted)
        elif "duration_s" in said:
            said["start_time"] = max(0, end - round(said["duration_s"] * 1e6))


def _check(columns: list[str]) -> None:
    for column in columns:
        if column not in MAPPABLE:
            _refuse_unknown(column)
        if columns.count(column) > 1:
            raise _repeated(f"'{column}' is mapped twice")
    for one, other in _ONE_OF:
        if one in columns and other in columns:
            raise _repeated(f"'{one}' and '{other}' say the same in two ways")


def _check_total(c: Counters, *, inside: bool) -> None:
    """A total tells whether cached tokens are inside the counter that it adds up."""
    cached = c.read + c.written
    if cached and c.total == c.given + c.output + (cached if inside else 0):
        raise RowError(
            "calls-contradiction",
            f"the total says that cached tokens are {'beside' if inside else 'inside'} this "
            f"counter: map it as {'input_tokens' if inside else _INCLUSIVE}",
            c.field,
        )


def _parts(value: object, field: str, *, is_list: bool) -> list[Part]:
    if isinstance(value, msgspec.Raw):
        raw = bytes(value)
    elif isinstance(value, str) and is_list and value.lstrip().startswith(("[", "{")):
        raw = value.encode("utf-8", "surrogatepass")
    else:
        raw = _encoded(value, field)
    text = raw.lstrip()[:1]
    if text == b'"':
        raw = b'{"role":"user","content":' + raw + b"}"
    elif text == b"[":
        return [(message_blocks, bytes(item)) for item in _items(raw, field)]
    elif text != b"{":
        raise RowError("calls-bad-content", "neither text nor messages", field)
    return [(message_blocks, raw)]


def _encoded(value: object, field: str) -> bytes:
    try:
        return msgspec.json.encode(value)
    except TypeError:
        raise RowError("calls-bad-content", "neither text nor messages", field) from None


def _items(raw: bytes, field: str) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(raw, type=list[msgspec.Raw])
    except msgspec.DecodeError:
        raise RowError("calls-bad-content", "the list of messages is not JSON", field) from None


def _refuse_unknown(column: str) -> NoReturn:
    near = [name for name in MAPPABLE if len(column) > 2 and (column in name or name in column)]  # noqa: PLR2004 - shorter words are in everything
    near = list(dict.fromkeys([*get_close_matches(column, MAPPABLE, n=3), *near]))[:4]
    hint = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(MAPPABLE)}"
    if column.startswith("block_"):
        hint = "blocks are cut from the prompt: map 'prompt' or 'messages'"
    raise LlmopsError(
        "mapping-unknown-column",
        f"'{column}' is no column of the calls table that a log can fill",
        hint=hint,
        exit_code=ExitCode.USAGE,
    )


def _repeated(message: str) -> LlmopsError:
    return LlmopsError(
        "mapping-repeated-column", message, hint="keep one of them", exit_code=ExitCode.USAGE
    )
