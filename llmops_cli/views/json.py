"""A Report as JSON (schema ``llmops.report/1``), read back, and the JSON Schema of both."""

import json
import math
from dataclasses import fields, is_dataclass
from typing import Any, cast

import msgspec

from llmops_cli.errors import LlmopsError
from llmops_cli.report import SCHEMA, Report
from llmops_cli.views import Look

__all__ = ["parse", "render", "schema"]

_ALWAYS = ("schema", "command", "title", "headline", "verdict")
"""The keys a report of this schema cannot lack; everything else has a default."""


_LATER = frozenset({"chart", "timelines"})
"""Keys that came under the same schema name: left out while they hold nothing."""


def render(report: Report, look: Look) -> str:
    """The whole report; NaN and infinity, which JSON cannot hold, become null."""
    del look  # the data are the same however one looks
    members = _members(report)
    first = {key: members.pop(key) for key in ("schema", "command", "title", "headline")}
    content = {**first, "verdict": report.verdict.value, **members}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _members(value: Any) -> dict[str, object]:  # noqa: ANN401 - any dataclass
    pairs = ((item.name, getattr(value, item.name)) for item in fields(value))
    return {name: _plain(held) for name, held in pairs if name not in _LATER or held}


def _plain(value: object) -> object:
    """Dataclasses, tuples and mappings as JSON's own types, in their own order."""
    if is_dataclass(value):
        return _members(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in cast("tuple[object, ...]", value)]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in cast("dict[object, object]", value).items()}
    return _scalar(value)


def _scalar(value: object) -> object:
    if hasattr(value, "item"):  # a numpy scalar that a question forgot to unwrap
        value = cast("Any", value).item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def parse(data: bytes | str, source: str) -> Report:
    """Read a report back.

    Args:
        data: what :func:`render` wrote, or any later program of the same schema.
        source: what to call the input in an error.

    Raises:
        LlmopsError: ``report-not-json``, ``report-schema-unknown``, or ``report-invalid``
            with the path of the offending field.
    """
    content = _decode(data, source)
    _require_schema(content, source)
    for key in _ALWAYS:
        if key not in content:
            raise _invalid(source, key, "is missing")
    try:
        report = msgspec.convert(content, Report)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at ")
        raise _invalid(
            source, path.strip("`").removeprefix("$.").removeprefix("$"), what
        ) from error
    except LlmopsError as error:  # a check that refuses its bound; here that is the file's fault
        raise _invalid(source, "checks", error.message) from error
    if content["verdict"] != report.verdict:
        raise _invalid(source, "verdict", f"the checks fold to '{report.verdict}'")
    return report


def _decode(data: bytes | str, source: str) -> dict[str, Any]:
    line: int | None = None
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, _NotJsonError) else "it is not JSON"
        if isinstance(error, json.JSONDecodeError):
            reason, line = error.msg[:1].lower() + error.msg[1:], error.lineno
        raise LlmopsError(
            "report-not-json",
            f"the report cannot be read: {reason}",
            hint="`llmops show` reads what `-f json` wrote",
            file=source,
            line=line,
        ) from error
    if not isinstance(content, dict):
        raise _invalid(source, "", "a report is a JSON object")
    return cast("dict[str, Any]", content)


class _NotJsonError(ValueError):
    """Python reads NaN and Infinity; JSON has no such words."""


def _refuse_constant(name: str) -> None:
    raise _NotJsonError(f"{name} is not JSON")


def _require_schema(content: dict[str, Any], source: str) -> None:
    if content.get("schema") != SCHEMA:
        found = content.get("schema")
        named = f"'{found}'" if isinstance(found, str) else "no schema"
        raise LlmopsError(
            "report-schema-unknown",
            f"the file has {named}, this version reads '{SCHEMA}'",
            hint="`llmops show` reads what `-f json` wrote",
            file=source,
            field="schema",
        )


def _invalid(source: str, field: str, what: str) -> LlmopsError:
    return LlmopsError(
        "report-invalid",
        what[:1].lower() + what[1:],
        hint="`llmops schema report` prints what a report holds",
        file=source,
        field=field,
    )


def schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of a report, derived from the types themselves.

    Unknown keys are allowed, so that a later program may add some under the same schema name.
    """
    derived = msgspec.json.schema(Report, ref_template="#/$defs/{name}")
    definitions = cast("dict[str, dict[str, Any]]", derived["$defs"])
    for definition in definitions.values():
        _tidy(definition)
    report = definitions.pop("Report")
    report["properties"]["schema"] = {"const": SCHEMA}
    report["properties"]["verdict"] = {"$ref": "#/$defs/Verdict"}
    report["required"] = list(_ALWAYS)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{SCHEMA.replace('/', ':')}",
        **report,
        "$defs": definitions,
    }


def _tidy(definition: dict[str, Any]) -> None:
    """The first paragraph of a class's docstring describes it; the rest is for programmers."""
    text = str(definition.get("description", "")).split("\n\n")[0]
    definition["description"] = " ".join(text.replace("``", "").split())
