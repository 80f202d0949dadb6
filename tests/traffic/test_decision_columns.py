"""Which columns and labels are meant: named, documented, or an error that lists what could be."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.decisions import Decisions, read_decisions


def write(folder: Path, text: str, name: str = "d.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path, **options: object) -> LlmopsError:
    with pytest.raises(LlmopsError) as caught:
        read_decisions([path], **options)  # type: ignore[arg-type]
    assert caught.value.exit_code == 3
    return caught.value


@pytest.mark.parametrize(
    ("header", "field", "named"),
    [
        ("judge,verdict,gold", "judge", "judge or verdict"),
        ("judge,gold,human", "gold", "gold or human"),
        ("judge,gold,cluster,conversation_id", "cluster", "cluster or conversation_id"),
    ],
)
def test_two_columns_that_could_be_meant_are_listed(
    tmp_path: Path, header: str, field: str, named: str
) -> None:
    error = refusal(write(tmp_path, f"{header}\n" + ",".join("1" * len(header.split(","))) + "\n"))
    assert (error.slug, error.field) == ("decisions-ambiguous-column", field)
    assert named in error.message
    assert error.hint.startswith(f"say which: --{field} ")


def test_naming_one_settles_it(tmp_path: Path) -> None:
    path = write(tmp_path, "judge,verdict,gold\n1,0,1\n")
    assert read_decisions([path], names={"judge": "verdict"}).frame["judge"].tolist() == [0]


def test_a_wide_table_of_outcomes_is_read_by_its_models(tmp_path: Path) -> None:
    text = "prompt,mixtral,gpt-4,mixtral|total_cost,gpt-4|total_cost\nq,True,False,0.1,1.5\n"
    names = {"weak_correct": "mixtral", "strong_correct": "gpt-4"}
    row = read_decisions([write(tmp_path, text)], names=names).frame.iloc[0]
    assert (row["weak_correct"], row["strong_correct"]) == (1, 0)
    assert (row["weak_cost_usd"], row["strong_cost_usd"]) == (0.1, 1.5)
    error = refusal(write(tmp_path, text))
    assert "--weak and --strong" in error.hint
    assert "mixtral" in error.hint


def labelled(folder: Path, pairs: list[tuple[object, object]], **options: object) -> Decisions:
    text = "judge,gold\n" + "".join(f"{judge},{gold}\n" for judge, gold in pairs)
    return read_decisions([write(folder, text)], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pairs", "names", "codes"),
    [
        ([("large", "small"), ("Small", "large")], ("small", "large"), [1, 0]),
        ([(3, 1), (1, 3), (2, "")], ("1", "2", "3"), [2, 0, 1]),
        ([("2.0", 2), ("3.0", 3)], ("2", "3"), [0, 1]),
        (
            [("high", "low"), ("low", "high"), ("medium", "low")],
            ("low", "medium", "high"),
            [2, 0, 1],
        ),
    ],
)
def test_tiers_are_told_from_their_labels(
    tmp_path: Path, pairs: list[tuple[object, object]], names: tuple[str, ...], codes: list[int]
) -> None:
    found = labelled(tmp_path, pairs)
    assert (found.labels.kind, found.labels.names) == ("tiers", names)
    assert found.frame["judge"].tolist() == codes


def test_the_order_that_is_given_counts(tmp_path: Path) -> None:
    found = labelled(tmp_path, [("x", "y"), ("y", "x"), ("", "z")], tiers=("z", "y", "x"))
    assert found.frame["judge"].tolist() == [2, 1, 3]
    assert found.frame["gold"].tolist() == [1, 2, 0]
    error = refusal(tmp_path / "d.csv")
    assert (error.slug, error.field) == ("decisions-unordered-tiers", "judge")


def test_one_misspelt_verdict_makes_no_tiers(tmp_path: Path) -> None:
    found = labelled(tmp_path, [(1, 1), (0, 0), (7, 1), (1, 0)])
    assert found.labels.kind == "binary"
    assert len(found.unparsable) == 1


def test_pairs_are_told_from_their_labels(tmp_path: Path) -> None:
    text = "judge,judge_swapped,gold\nA>B,B,a\ntie,model_b,B\n,A=B,A\n"
    found = read_decisions([write(tmp_path, text)])
    assert found.labels.kind == "pairwise"
    assert found.frame["judge"].tolist() == [0, 2, 3]
    assert found.frame["judge_swapped"].tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("value", "slug"),
    [
        ("1.5", "decisions-bad-confidence"),
        ("-0.1", "decisions-bad-confidence"),
        ("inf", "decisions-bad-confidence"),
    ],
)
def test_a_confidence_is_a_probability(tmp_path: Path, value: str, slug: str) -> None:
    text = f"judge,gold,confidence\n1,1,0.5\n1,1,nan\n1,1,{value}\n"
    found = read_decisions([write(tmp_path, text)])
    assert found.frame["confidence"].notna().tolist() == [True, False]
    assert [(row.line, row.slug) for row in found.bad_rows] == [(4, slug)]


def test_times_are_seconds_whatever_their_form(tmp_path: Path) -> None:
    text = "judge,gold,timestamp\n1,1,1970-01-02T00:00:00Z\n1,1,86400\n1,1,\n1,1,soon\n"
    found = read_decisions([write(tmp_path, text)])
    assert found.frame["timestamp"].tolist()[:2] == [86_400.0, 86_400.0]
    assert [row.slug for row in found.bad_rows] == ["calls-bad-time"]


def test_a_column_that_repeats_the_truth_is_named(tmp_path: Path) -> None:
    text = "judge,gold,expected,hint\n1,1,yes,1\n0,1,TRUE,0\n1,0,no,0\n1,,,1\n"
    assert read_decisions([write(tmp_path, text)]).copies == ("expected",)


def test_a_truth_that_is_not_in_the_first_json_row_is_found(tmp_path: Path) -> None:
    rows = [{"judge": 1}, {"judge": 0, "gold": 1}]
    path = write(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "d.jsonl")
    assert read_decisions([path]).frame["gold"].tolist() == [2, 1]


def event(name: str, **score: object) -> dict[str, object]:
    kinds = {str: "stringValue", float: "doubleValue"}
    facts = {"gen_ai.evaluation.name": name}
    facts |= {f"gen_ai.evaluation.score.{key}": value for key, value in score.items()}  # type: ignore[misc]
    return {
        "name": "gen_ai.evaluation.result",
        "attributes": [{"key": k, "value": {kinds[type(v)]: v}} for k, v in facts.items()],
    }


def span(number: int, *events: dict[str, object]) -> dict[str, object]:
    return {
        "traceId": f"{1:032x}", "spanId": f"{number:016x}", "name": "chat",
        "startTimeUnixNano": "1", "endTimeUnixNano": "2",
        "attributes": [{"key": "gen_ai.conversation.id", "value": {"stringValue": f"c{number}"}}],
        "events": list(events),
    }  # fmt: skip


def telemetry() -> list[dict[str, object]]:
    spans = [
        span(1, event("router", label="pass"), event("human", value=0.0)),
        span(2, event("router", label="fail")),
        span(3),
    ]
    record = {
        "spanId": f"{2:016x}", "eventName": "gen_ai.evaluation.result", "timeUnixNano": "2",
        "attributes": event("human", label="fail")["attributes"],
    }  # fmt: skip
    return [
        {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]},
    ]


def in_base64(value: object) -> object:
    """Ids as protobuf's own JSON mapping wants them."""
    if isinstance(value, list):
        return [in_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(item)).decode()
        if key in {"traceId", "spanId"}
        else in_base64(item)
        for key, item in value.items()
    }


def as_json(lines: list[dict[str, object]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def as_protobuf(lines: list[dict[str, object]]) -> bytes:
    kinds = (ExportTraceServiceRequest, ExportLogsServiceRequest)
    messages = [
        Parse(json.dumps(in_base64(line)), kind()).SerializeToString()
        for line, kind in zip(lines, kinds, strict=True)
    ]
    return b"".join(len(data).to_bytes(4, "big") + data for data in messages)


@pytest.mark.parametrize(
    ("name", "encode"), [("t.jsonl", as_json), ("t.pb", as_protobuf), ("t.otlp", as_protobuf)]
)
def test_evaluations_of_traces_become_columns(
    tmp_path: Path, name: str, encode: Callable[[list[dict[str, object]]], bytes]
) -> None:
    path = tmp_path / name
    path.write_bytes(encode(telemetry()))
    found = read_decisions([path], names={"judge": "router", "gold": "human"})
    assert found.frame["judge"].tolist() == [1, 0]
    assert found.frame["gold"].tolist() == [0, 0]
    assert found.frame["cluster"].tolist() == ["c1", "c2"]
    assert found.bad_rows == ()


def test_a_protobuf_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.pb"
    path.write_bytes(b"judge,gold\n1,1\n")
    assert refusal(path).slug in {"traffic-not-protobuf", "decisions-empty"}


@pytest.mark.parametrize(
    "header",
    [
        "small_correct,large_correct,small_cost_usd,large_cost_usd",
        "small,large,small|total_cost,large|total_cost",
    ],
)
def test_outcomes_and_costs_of_tiers_are_found(tmp_path: Path, header: str) -> None:
    text = f"judge,{header}\nsmall,True,0.5,0.1,2\nlarge,,1,0.1,2\nsmall,7,1,0.1,2\n"
    found = read_decisions([write(tmp_path, text)], tiers=("small", "large"))
    assert found.frame["tier_0_correct"].isna().tolist() == [False, True]
    assert found.frame["tier_1_correct"].tolist() == [0.5, 1.0]
    assert found.frame["tier_1_cost_usd"].tolist() == [2.0, 2.0]
    assert [(row.line, row.slug) for row in found.bad_rows] == [(4, "decisions-bad-outcome")]


def test_a_tier_without_outcomes_leaves_all_without(tmp_path: Path) -> None:
    text = "judge,gold,small_correct\nsmall,large,1\nlarge,large,1\n"
    found = read_decisions([write(tmp_path, text)], tiers=("small", "large"))
    assert set(found.columns) == {"judge", "gold"}
