"""JSON-lines logs to batches of the calls table; every line is read by its own format."""

import re
from collections import Counter
from collections.abc import Iterator

import msgspec
import pyarrow as pa

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic.blocks import Prompt, PromptReader
from llmops_cli.traffic.envelope import Envelope, RowError
from llmops_cli.traffic.quarantine import BadRow, Quarantine
from llmops_cli.traffic.sniff import FORMATS, sniff
from llmops_cli.traffic.sources import Source, lines
from llmops_cli.traffic.table import Call, TableBuilder

__all__ = ["JsonLinesReader"]

_PATH = re.compile(r" - at `\$\.?(.*)`$")


class JsonLinesReader:
    """Reads any number of files into one stream of batches.

    Args:
        format: name of one of ``FORMATS``, or ``auto``: a gateway's log may mix providers.
        quarantine: where unreadable rows go.
        hash_key: key of the block hashes.
    """

    def __init__(self, format: str, quarantine: Quarantine, hash_key: bytes | None) -> None:  # noqa: A002 - the public word for it
        if format != "auto" and format not in FORMATS:
            raise LlmopsError(
                "traffic-unknown-format",
                f"'{format}' is not a log format",
                hint=f"one of auto, {', '.join(FORMATS)}",
                exit_code=ExitCode.USAGE,
            )
        self._only = None if format == "auto" else format
        self._current = format if self._only else "anthropic-messages"
        self._decoders = {name: msgspec.json.Decoder(item.Line) for name, item in FORMATS.items()}
        self._quarantine = quarantine
        self._prompts = PromptReader(hash_key)
        self.formats: Counter[str] = Counter()

    def tables(self, source: Source) -> Iterator[pa.Table]:
        """The batches of one file.

        Raises:
            LlmopsError: what the source or the quarantine refuses.
        """
        builder = TableBuilder()
        for number, raw in lines(source):
            try:
                line, name = self._decode(raw)
                call, prompt = self._call(line, name, source.name, number)
            except (msgspec.DecodeError, UnicodeError, RecursionError, RowError) as error:
                self._quarantine.add(_bad_row(error, raw, source.name, number))
                continue
            self.formats[name] += 1
            builder.add(call, prompt)
            if builder.full:
                yield builder.take()
        yield builder.take()

    def _decode(self, raw: bytes) -> tuple[Envelope, str]:
        if not raw.isascii():
            # The decoder skips over content without looking at its bytes.
            raw.decode()
        try:
            line = self._decoders[self._current].decode(raw)
        except msgspec.ValidationError:
            name = self._other(raw)
            if name is None:
                raise
            return self._decoders[name].decode(raw), name
        if self._only is None and not line.fits():  # type: ignore[attr-defined]
            name = self._other(raw)
            if name is not None:
                return self._decoders[name].decode(raw), name
        return line, self._current

    def _other(self, raw: bytes) -> str | None:
        # Remembered: the lines of one log mostly agree, so one decode per line is enough.
        if self._only is not None:
            return None
        name = sniff(raw)
        if name is None:
            raise RowError(
                "traffic-unknown-format",
                "neither an Anthropic Messages nor an OpenAI request and response",
                "",
            )
        if name == self._current:
            return None
        self._current = name
        return name

    def _call(self, line: Envelope, name: str, file: str, number: int) -> tuple[Call, Prompt]:
        module = FORMATS[name]
        # The envelope is the team's own word and wins over the bodies.
        filled = module.columns(line) | line.shared()
        if filled.get("call_id") is None:
            filled["call_id"] = line.request_id or f"{file}:{number}"
        prompt = self._prompts.read(module.parts(line))
        return Call(**filled, source_file=file, source_line=number), prompt


def _bad_row(error: Exception, raw: bytes, file: str, number: int) -> BadRow:
    if isinstance(error, RowError):
        return BadRow(file, number, error.field, error.slug, error.message)
    if isinstance(error, msgspec.ValidationError):
        slug, message, field = _invalid(str(error))
        return BadRow(file, number, field, slug, message)
    slug, message = _unparsable(error, raw)
    return BadRow(file, number, "", slug, message)


_ARRAY = (
    "traffic-json-array",
    "a JSON array, not one object per line; jq -c '.[]' takes it apart",
)


def _unparsable(error: Exception, raw: bytes) -> tuple[str, str]:
    if isinstance(error, UnicodeError):
        return "traffic-not-utf8", "the line is not UTF-8"
    if isinstance(error, RecursionError):
        return "traffic-too-deep", "objects are nested too deeply"
    if raw.lstrip()[:1] == b"[":
        return _ARRAY
    if "truncated" in str(error) and not raw.endswith(b"\n"):
        return "traffic-truncated-line", "the last line is cut off"
    return "traffic-not-json", "the line is not JSON"


def _invalid(text: str) -> tuple[str, str, str]:
    """Slug, message and field of what the decoder says about types; it never quotes values."""
    if text == "Expected `object`, got `array`":
        return (*_ARRAY, "")
    found = _PATH.search(text)
    field = found[1] if found else ""
    missing = re.match(r"Object missing required field `(\w+)`", text)
    if missing:
        name = f"{field}.{missing[1]}" if field else missing[1]
        return "calls-missing-field", f"'{missing[1]}' is missing", name
    what = text[: found.start()] if found else text
    return "calls-bad-value", what[:1].lower() + what[1:].replace("`", ""), field
