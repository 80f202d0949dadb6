"""Whatever a log holds, reading it ends in calls, in named bad rows, or in one refusal."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llmops_cli.calls import arrow_schema, block_trace, from_arrow, validate
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import Options, Reading
from llmops_cli.traffic.decisions import read_decisions
from llmops_cli.views import FORMATS as VIEWS
from llmops_cli.views import render
from llmops_cli.views.json import parse

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
TYPICAL: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "typical_lines.json").read_bytes()
)
ANTHROPIC = TYPICAL["anthropic-messages"][0]
HEADER = "id,cluster,judge,gold,weak_cost_usd"
REPORT = json.loads((Path(__file__).parents[1] / "golden" / "report-1.json").read_bytes())


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """The path of every value inside a JSON value."""
    found = [path] if path else []
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(inner, (*path, key))
    return found


def changed(line: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    copy: Any = json.loads(json.dumps(line))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


def rows_present(line: object) -> int:
    """How many rows a line of JSON holds: of an OTLP export every span, of others the line."""
    if not isinstance(line, dict) or "resourceSpans" not in line:
        return 1
    resources = line["resourceSpans"]
    return sum(
        len(scope["spans"]) for resource in resources for scope in resource.get("scopeSpans", [])
    )


class Outcome:
    """What became of a log: the calls and whatever else was said of its rows."""

    def __init__(self, data: bytes, **options: Any) -> None:  # noqa: ANN401
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log.jsonl"
            path.write_bytes(data)
            reading = Reading([path], Options(**options))
            self.refused = False
            try:
                calls = from_arrow(pa.concat_tables([EMPTY, *reading.tables(required=False)]))
            except LlmopsError:
                self.refused, self.calls, self.bad, self.told = True, 0, 0, 0
                return
        validate(calls)
        block_trace(calls)
        self.calls, self.bad = len(calls), len(reading.quarantine.rows)
        # Calls before any join, rows that are rightly none, and bad rows: that is all there is.
        self.told = reading.formats.total() + reading.skipped.total() + self.bad


EMPTY = arrow_schema().empty_table()
thorough = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def drawn_change(data: st.DataObject, line: dict[str, Any]) -> dict[str, Any]:
    """The line with one to three of its values gone, renamed, or of another kind."""
    for _ in range(data.draw(st.integers(1, 3))):
        found = places(line)
        if not found:
            return line
        path = data.draw(st.sampled_from(found))
        line = json.loads(json.dumps(line))
        inner: Any = line
        for key in path[:-1]:
            inner = inner[key]
        action = data.draw(st.sampled_from(["value", "value", "drop", "rename"]))
        if action == "value":
            inner[path[-1]] = data.draw(values)
        elif action == "drop" or not isinstance(inner, dict):
            del inner[path[-1]]
        else:
            inner[data.draw(st.text(max_size=6))] = inner.pop(path[-1])
    return line


@pytest.mark.parametrize("name", [name for name in TYPICAL if name != "otlp-json"])
@thorough
@given(data=st.data(), auto=st.booleans())
def test_a_changed_line_is_told_of_once(name: str, data: st.DataObject, *, auto: bool) -> None:
    odd = drawn_change(data, data.draw(st.sampled_from(TYPICAL[name])))
    found = Outcome(json.dumps(odd).encode() + b"\n", format="auto" if auto else name)
    several_scores = name == "langfuse" and found.told == 2
    assert found.told == 1 or several_scores


@thorough
@given(data=st.data(), auto=st.booleans(), spans=st.booleans())
def test_every_span_of_a_changed_export_is_told_of(
    data: st.DataObject, *, auto: bool, spans: bool
) -> None:
    export = TYPICAL["otlp-json"][0]
    scope = export["resourceSpans"][0]["scopeSpans"][0]
    odd = [drawn_change(data, span) for span in scope["spans"]]
    changed_export = changed(export, ("resourceSpans", 0, "scopeSpans", 0, "spans"), odd)
    found = Outcome(
        json.dumps(changed_export).encode() + b"\n", format="auto" if auto else "otlp-json",
        spans=spans,
    )  # fmt: skip
    assert found.told >= rows_present(changed_export)


@thorough
@given(data=st.data())
def test_a_changed_export_is_read_or_named(data: st.DataObject) -> None:
    odd = drawn_change(data, data.draw(st.sampled_from(TYPICAL["otlp-json"])))
    found = Outcome(json.dumps([odd])[1:-1].encode() + b"\n" + json.dumps(ANTHROPIC).encode())
    assert found.calls >= 1


@pytest.mark.parametrize("name", list(TYPICAL))
@thorough
@given(data=st.data(), value=values)
def test_any_value_in_any_place_leaves_the_other_lines_alone(
    name: str, data: st.DataObject, value: object
) -> None:
    line = data.draw(st.sampled_from(TYPICAL[name]))
    odd = changed(line, data.draw(st.sampled_from(places(line))), value)
    found = Outcome(b"\n".join(json.dumps(each).encode() for each in (ANTHROPIC, odd, ANTHROPIC)))
    assert not found.refused
    assert found.calls >= 2
    assert found.told >= 2 + (rows_present(line) > 0 and name != "otlp-json")


@pytest.mark.parametrize("name", list(TYPICAL))
@thorough
@given(raw=st.binary(max_size=60), cut=st.floats(0, 1))
def test_a_line_cut_off_or_overwritten_is_told_of(name: str, raw: bytes, cut: float) -> None:
    whole = json.dumps(TYPICAL[name][0]).encode()
    at = int(cut * len(whole))
    for odd in (whole[:at] + raw.replace(b"\n", b""), whole[:at] + raw + whole[at + len(raw) :]):
        rows = [row for row in odd.split(b"\n") if row.strip()]
        found = Outcome(b"%b\n%b\n" % (json.dumps(ANTHROPIC).encode(), odd))
        assert found.refused or found.told >= 1 + len(rows)


@thorough
@given(st.binary(max_size=60))
@example(b"[" * 20_000)
@example(b'{"request":' * 5_000)
@example(b"\x00" * 10)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    rows = [row for row in data.split(b"\n") if row.strip()]
    found = Outcome(json.dumps(ANTHROPIC).encode() + b"\n" + data)
    assert found.told == 1 + len(rows)


@pytest.mark.parametrize("name", ["log.jsonl.gz", "log.jsonl.zst", "log.pb", "log.parquet"])
@thorough
@given(data=st.binary(max_size=200), begin=st.booleans())
@example(data=b"", begin=True)
def test_any_bytes_under_any_name_are_read_or_refused(
    name: str, data: bytes, *, begin: bool
) -> None:
    magic = {"gz": b"\x1f\x8b\x08", "zst": b"\x28\xb5\x2f\xfd", "pb": b"\x0a", "parquet": b"PAR1"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(magic[name.rpartition(".")[2]] * begin + data)
        reading = Reading([path], Options(spans=True))
        with suppress(LlmopsError):
            list(reading.tables())


@pytest.mark.parametrize("counter", [2**31, 2**63, 2**64, 10**30])
def test_counters_beyond_reason_are_bad_rows(counter: int) -> None:
    odd = changed(ANTHROPIC, ("response", "usage", "input_tokens"), counter)
    found = Outcome(f"{json.dumps(ANTHROPIC)}\n{json.dumps(odd)}\n".encode())
    assert (found.calls, found.bad) == (1, 1)


@pytest.mark.parametrize("moment", [1e300, -1, 10**25, "0000-00-00", "9999-12-31T23:59:59-23:59"])
def test_times_beyond_reason_are_bad_rows(moment: object) -> None:
    odd = changed(ANTHROPIC, ("timestamp",), moment)
    found = Outcome(f"{json.dumps(ANTHROPIC)}\n{json.dumps(odd)}\n".encode())
    assert (found.calls, found.bad) == (1, 1)


def decided(name: str, data: bytes) -> tuple[int, int]:
    """Decisions and bad rows; -1 for a refusal."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            found = read_decisions([path])
        except LlmopsError:
            return -1, -1
        return len(found.frame), len(found.bad_rows)


@thorough
@given(st.lists(st.tuples(values, values, values, values, values), min_size=1, max_size=4))
def test_decisions_of_any_values_are_read_or_named(rows: list[tuple[object, ...]]) -> None:
    names = HEADER.split(",")
    lines = [dict(zip(names, ("", "c", 1, 0, 0.5), strict=True))]
    lines += [dict(zip(names, row, strict=True)) for row in rows]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    good, bad = decided("a.jsonl", text.encode())
    assert good + bad in {len(lines), -2}


@thorough
@given(st.binary(max_size=80))
@example(b'"' * 9)
@example(b"1,c,1,0,0.5\x00\n")
def test_any_bytes_below_a_header_of_decisions(data: bytes) -> None:
    good, bad = decided("a.csv", HEADER.encode() + b"\n1,c,1,0,0.5\n" + data)
    assert good >= 1 or (good, bad) == (-1, -1)


@thorough
@given(data=st.data())
def test_a_changed_report_is_shown_or_refused(data: st.DataObject) -> None:
    odd = drawn_change(data, REPORT)
    try:
        report = parse(json.dumps(odd), "report.json")
    except LlmopsError as error:
        assert error.file == "report.json"  # noqa: PT017 - most are refused, some are not
        return
    for name in VIEWS:
        assert render(report, name)
