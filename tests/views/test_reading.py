"""Reading a report back: what the published schema allows is read, everything else is named."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Column, Measure, Report, Series, Table
from llmops_cli.views import render
from llmops_cli.views.json import parse, schema

SAMPLE: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "report-1.json").read_text("utf-8")
)
VALIDATOR = Draft202012Validator(schema())

# What JSON Schema cannot say: these rules tie one value to another.
TIES = ("the checks fold to", "cells for", "x values for")

replacements = st.sampled_from(
    [None, True, 0, -1.5, "", "pass", "fail", "value", ">=", [], {}, [1]]
)


def places(
    value: dict[str, Any] | list[Any], path: tuple[str | int, ...] = ()
) -> Iterator[tuple[str | int, ...]]:
    """The path of every value below the top."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


PLACES = list(places(SAMPLE))


def holder(content: dict[str, Any], path: tuple[str | int, ...]) -> dict[str | int, Any]:
    inner: Any = content
    for key in path[:-1]:
        inner = inner[key]
    return inner


def outcome(content: dict[str, Any]) -> str:
    """Empty when the content is read, else why not."""
    try:
        parse(json.dumps(content), "r.json")
    except LlmopsError as error:
        return f"{error.slug}: {error.message}"
    return ""


def agree(content: dict[str, Any]) -> None:
    problem = outcome(content)
    if not any(tie in problem for tie in TIES):
        assert (problem == "") == VALIDATOR.is_valid(content), problem


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLACES), replacements)
def test_the_reader_and_the_schema_agree_on_any_changed_value(
    path: tuple[str | int, ...], value: object
) -> None:
    content = copy.deepcopy(SAMPLE)
    holder(content, path)[path[-1]] = value
    agree(content)


@pytest.mark.parametrize("path", [path for path in PLACES if isinstance(path[-1], str)][::3])
def test_the_reader_and_the_schema_agree_on_any_missing_key(path: tuple[str | int, ...]) -> None:
    content = copy.deepcopy(SAMPLE)
    del holder(content, path)[path[-1]]
    agree(content)


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        (("measures", 0, "value"), "0.8", "measures[0].value", "expected `float | null`"),
        (("checks", 1, "verdict"), "maybe", "checks[1].verdict", "invalid enum value"),
        (("checks", 0, "op"), "==", "checks[0].op", "invalid enum value"),
        (("headline",), 3, "headline", "expected `str`"),
        (("tables", 0, "rows", 0), ["accept"], "tables[0]", "1 cells for 3 columns"),
        (("series", 0, "x"), [1.0], "series[0]", "1 x values for 11 y values"),
        (("findings", 0, "severity"), "fatal", "findings[0].severity", "invalid enum value"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    path: tuple[str | int, ...], value: object, field: str, message: str
) -> None:
    content = copy.deepcopy(SAMPLE)
    holder(content, path)[path[-1]] = value
    with pytest.raises(LlmopsError) as caught:
        parse(json.dumps(content), "r.json")
    assert (caught.value.slug, caught.value.field) == ("report-invalid", field)
    assert message in caught.value.message
    assert caught.value.exit_code is ExitCode.BAD_INPUT


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", 1),
        (b'{"schema":\n "llmops.report/1",\n}', 3),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        (b'{"value": NaN}', None),
        (b'{"value": Infinity}', None),
    ],
)
def test_what_is_not_json_is_refused_at_its_line(data: bytes, line: int | None) -> None:
    with pytest.raises(LlmopsError) as caught:
        parse(data, "r.json")
    assert (caught.value.slug, caught.value.line) == ("report-not-json", line)


def test_a_bound_beyond_every_number_is_the_fault_of_the_file() -> None:
    text = json.dumps(SAMPLE).replace('"bound": 0.8,', '"bound": 1e999,')
    with pytest.raises(LlmopsError) as caught:
        parse(text, "r.json")
    assert (caught.value.slug, caught.value.field) == ("report-invalid", "checks")
    assert caught.value.exit_code is ExitCode.BAD_INPUT


def test_a_byte_order_mark_is_no_obstacle() -> None:
    text = "\ufeff" + render(Report(command="c", title="t", headline="h"), "json")
    assert parse(text.encode(), "r.json").headline == "h"


def test_what_json_cannot_hold_becomes_null_and_stays_so() -> None:
    nan, inf = float("nan"), float("inf")
    report = Report(
        command="c",
        title="t",
        headline="h",
        parameters={"a": inf},
        measures=(Measure(name="m", value=nan, low=-inf, high=inf),),
        tables=(
            Table(name="t", title="t", columns=(Column(name="c", label="c"),), rows=((nan,),)),
        ),
        series=(Series(name="s", title="s", x_label="x", y_label="y", x=(0.0, 1.0), y=(nan, 2.0)),),
    )
    text = render(report, "json")
    again = parse(text, "r.json")
    assert again.measures[0].value is None
    assert again.parameters == {"a": None}
    assert again.series[0].y == (None, 2.0)
    assert render(again, "json") == text


def test_numpy_numbers_are_numbers() -> None:
    counted = Measure(name="m", value=np.float64(0.5), n=np.int64(3))  # type: ignore[arg-type]
    (measure,) = parse(
        render(Report(command="c", title="t", headline="h", measures=(counted,)), "json"), "r.json"
    ).measures
    assert (measure.value, measure.n) == (0.5, 3)


def test_the_schema_describes_every_part() -> None:
    published = schema()
    assert published["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert next(iter(SAMPLE)) == "schema"
    # What came after the sample was frozen is left out while it holds nothing.
    assert set(published["properties"]) == {*SAMPLE, "timelines"}  # type: ignore[call-overload]
    for part in published["$defs"].values():  # type: ignore[attr-defined]
        assert part["description"]
        assert part.get("additionalProperties") is not False
