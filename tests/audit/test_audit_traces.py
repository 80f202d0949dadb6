"""What the report says around the rules: scores by writer, answers, renames, before and after."""

import json
from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from llmops_cli import audit_traces
from llmops_cli.audit import AuditParameters
from llmops_cli.calls import arrow_schema, from_arrow
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Report, Table, Verdict
from llmops_cli.traffic import Options, Traffic, read_telemetry

TELEMETRY = run_path(str(Path(__file__).with_name("telemetry.py")))
clean_traces, as_lines, clean_calls = (
    TELEMETRY[name] for name in ("clean_traces", "as_lines", "clean_calls")
)

Rows = list[dict[str, Any]]


def read(path: Path, text: str) -> Traffic:
    path.write_text(text)
    return read_telemetry([path], Options(max_bad_rows=1000))


def audited(
    path: Path,
    text: str,
    parameters: AuditParameters | None = None,
    baseline: Report | None = None,
) -> Report:
    traffic = read(path, text)
    return audit_traces(
        traffic.calls,
        traffic.spans,
        parameters,
        joins=traffic.joins,
        formats=traffic.formats,
        baseline=baseline,
    )


def table(report: Report, name: str) -> list[dict[str, Any]]:
    found: Table = next(item for item in report.tables if item.name == name)
    names = [column.name for column in found.columns]
    return [dict(zip(names, row, strict=True)) for row in found.rows]


def spoilt(traces: int = 4) -> Rows:
    """Half of the traffic is of a service that logs no usage under old names."""
    found = clean_traces(traces)
    for trace in found[::2]:
        for item in trace.values():
            item |= {"service": "legacy", "library": "acme.old"}
            attributes = item["attributes"]
            attributes.pop("gen_ai.usage.input_tokens", None)
            if "gen_ai.provider.name" in attributes:
                attributes["gen_ai.system"] = attributes.pop("gen_ai.provider.name")
    return found


def test_each_service_and_library_has_a_score_of_its_own(tmp_path: Path) -> None:
    report = audited(tmp_path / "t.jsonl", as_lines(spoilt()))
    scores = {(row["of"], row["name"]): row for row in table(report, "scores")}
    assert scores["service", "shop"]["score"] == scores["library", "acme.genai"]["score"] == 100
    assert scores["service", "legacy"]["score"] <= 40
    assert scores["service", "legacy"]["violations"] == 2
    whole = report.measures[0].value or 0
    assert scores["service", "legacy"]["score"] < whole < 100
    breaks = {(row["name"], row["rule"]) for row in table(report, "writers")}
    assert ("legacy", "input-tokens-absent") in breaks
    assert not any(name == "shop" for name, _ in breaks)


def test_the_headline_names_the_most_valuable_fix(tmp_path: Path) -> None:
    report = audited(tmp_path / "t.jsonl", as_lines(spoilt()))
    assert "First log the response's usage" in report.headline
    first, *rest = report.findings
    assert first.slug == "input-tokens-absent"
    order = ["error", "warning", "note"]
    severities = [order.index(item.severity) for item in (first, *rest)]
    assert severities == sorted(severities)


def test_the_migration_view_has_each_old_name_its_heir_and_its_writer(tmp_path: Path) -> None:
    traces = spoilt()
    attributes = traces[1]["chat"]["attributes"]
    attributes["gen_ai.provider.name"] = "OpenAI"
    attributes["llm.usage.total_tokens"] = 150
    traces[1]["stream"]["events"] = [{"name": "gen_ai.choice", "attributes": {}}]
    report = audited(tmp_path / "t.jsonl", as_lines(traces))
    rows = {row["old"]: row for row in table(report, "migration")}
    assert rows["gen_ai.system"]["new"] == "gen_ai.provider.name"
    assert rows["gen_ai.system"]["spans"] == 10
    assert rows["gen_ai.system"]["where"] == "legacy / acme.old"
    assert rows["gen_ai.choice"]["new"] == "gen_ai.output.messages"
    assert rows["gen_ai.choice"]["what"] == "event"
    assert rows["llm.usage.total_tokens"]["new"] == "(drop it)"
    assert (rows["OpenAI"]["new"], rows["OpenAI"]["what"]) == ("openai", "value")


def test_a_log_event_per_message_is_to_be_moved_too(tmp_path: Path) -> None:
    traces = clean_traces(2)
    body = {"content": "hello"}
    traces[0]["log"] |= {"name": "gen_ai.user.message", "attributes": {}, "body": body}
    report = audited(tmp_path / "t.jsonl", as_lines(traces))
    slugs = {item.slug for item in report.findings}
    assert {"deprecated-event", "content-captured"} <= slugs
    assert [row["old"] for row in table(report, "migration")] == ["gen_ai.user.message"]


def test_older_conventions_forgive_what_they_did_not_ask_for(tmp_path: Path) -> None:
    traces = clean_traces(2)
    for trace in traces:
        for item in trace.values():
            attributes = item["attributes"]
            item["schema"] = "https://opentelemetry.io/schemas/1.36.0"
            if "gen_ai.provider.name" in attributes:
                attributes["gen_ai.system"] = attributes.pop("gen_ai.provider.name")
            for name in ("stream", "time_to_first_chunk"):
                for part in ("request", "response"):
                    attributes.pop(f"gen_ai.{part}.{name}", None)
            for name in ("cache_read", "cache_creation"):
                attributes.pop(f"gen_ai.usage.{name}.input_tokens", None)
        del trace["log"], trace["workflow"]["attributes"]["gen_ai.workflow.name"]
        trace["chat"]["events"] = []
    text = as_lines(traces)
    old = audited(tmp_path / "t.jsonl", text, AuditParameters(conventions="1.36"))
    assert [(item.slug, item.message) for item in old.findings] == []
    assert old.measures[0].value == 100
    new = audited(tmp_path / "t.jsonl", text)
    assert {"deprecated-attribute", "cache-read-tokens-absent"} <= {
        item.slug for item in new.findings
    }


def words(report: Report) -> dict[str, str]:
    return {row["command"]: row["answer"] for row in table(report, "questions")}


def less(*names: str) -> Callable[[Rows], None]:
    def take(calls: Rows) -> None:
        for call in calls:
            for name in names:
                call.pop(name, None)

    return take


@pytest.mark.parametrize(
    ("take", "expected"),
    [
        (
            less(),
            {
                "cache-estimate": "yes",
                "judge-eval": "no",
                "simulate-serving": "yes",
                "plan-speculation": "yes",
                "simulate-failover": "yes",
                "plan-rollout": "partly",
            },
        ),
        (less("timestamp"), {"cache-estimate": "no", "simulate-serving": "no"}),
        (less("conversation_id"), {"cache-estimate": "partly", "plan-rollout": "partly"}),
        (less("conversation_id", "user_id"), {"plan-rollout": "no"}),
        (less("ttft_s"), {"plan-speculation": "no", "simulate-serving": "partly"}),
    ],
)
def test_a_question_can_be_answered_where_calls_carry_what_it_needs(
    tmp_path: Path, take: Callable[[Rows], None], expected: dict[str, str]
) -> None:
    calls = clean_calls()
    take(calls)
    found = words(audited(tmp_path / "c.jsonl", "\n".join(map(json.dumps, calls))))
    assert {command: found[command] for command in expected} == expected


def test_a_question_is_partly_answered_where_some_calls_lack_what_it_needs(tmp_path: Path) -> None:
    calls = clean_calls(4)
    del calls[0]["timestamp"]
    report = audited(tmp_path / "c.jsonl", "\n".join(map(json.dumps, calls)))
    row = next(r for r in table(report, "questions") if r["command"] == "cache-estimate")
    assert (row["answer"], row["share"]) == ("partly", 0.75)
    assert "start_time 75 %" in row["missing"]
    blockers = [(r["command"], r["rule"], r["broken"]) for r in table(report, "blockers")]
    assert ("cache-estimate", "start-time-absent", 1) in blockers


def test_before_and_after_are_compared_rule_by_rule(tmp_path: Path) -> None:
    before = audited(tmp_path / "t.jsonl", as_lines(spoilt()))
    after = audited(tmp_path / "t.jsonl", as_lines(clean_traces(4)), baseline=before)
    rows = {row["what"]: row for row in table(after, "baseline")}
    assert rows["score"]["now"] == 100
    assert rows["score"]["change"] == pytest.approx(100 - (before.measures[0].value or 0))
    assert rows["score of service legacy"]["now"] is None
    assert (rows["input-tokens-absent"]["before"], rows["input-tokens-absent"]["now"]) == (6, 0)
    assert after.measures[1].name == "score_change"


def test_nothing_changes_against_itself(tmp_path: Path) -> None:
    text = as_lines(spoilt())
    before = audited(tmp_path / "t.jsonl", text)
    again = audited(tmp_path / "t.jsonl", text, baseline=before)
    assert {row["change"] for row in table(again, "baseline")} == {0.0}


def test_a_report_of_another_command_is_no_baseline(tmp_path: Path) -> None:
    other = Report(command="describe", title="", headline="")
    with pytest.raises(LlmopsError) as caught:
        audited(tmp_path / "t.jsonl", as_lines(clean_traces(1)), baseline=other)
    assert (caught.value.slug, caught.value.exit_code) == ("audit-bad-baseline", ExitCode.USAGE)


def test_gates_hold_the_score_and_what_is_forbidden(tmp_path: Path) -> None:
    text = as_lines(spoilt())
    given = AuditParameters(min_score=90, forbid=("deprecated", "secret-in-log"))
    report = audited(tmp_path / "t.jsonl", text, given)
    verdicts = {check.name: check.verdict for check in report.checks}
    assert verdicts == {
        "telemetry score": Verdict.FAIL,
        "no deprecated": Verdict.FAIL,
        "no secret-in-log": Verdict.PASS,
    }
    (count,) = [c.measure.value for c in report.checks if c.name == "no deprecated"]
    assert count == 10


def test_a_log_without_a_model_in_it_cannot_be_graded(tmp_path: Path) -> None:
    traces = clean_traces(1)
    lonely = {"tool": traces[0]["tool"] | {"attributes": {"http.request.method": "GET"}}}
    traffic = read(tmp_path / "t.jsonl", as_lines([lonely]))
    with pytest.raises(LlmopsError) as caught:
        audit_traces(traffic.calls, traffic.spans)
    assert caught.value.slug == "audit-nothing"
    with pytest.raises(LlmopsError):
        audit_traces(from_arrow(arrow_schema().empty_table()))


def test_what_the_joins_of_other_formats_found_is_counted(tmp_path: Path) -> None:
    traffic = read(tmp_path / "c.jsonl", "\n".join(map(json.dumps, clean_calls())))
    joins = {"duplicate-span": 2, "retries-grouped": 3, "repeated-message": 1}
    report = audit_traces(traffic.calls, traffic.spans, joins=joins)
    found = {item.slug: (item.severity, item.count) for item in report.findings}
    assert found == {
        "span-id-duplicate": ("error", 2),
        "repeated-message": ("note", 1),
        "retries-grouped": ("note", 3),
    }


def test_a_newer_name_than_the_rules_know_is_not_an_absence(tmp_path: Path) -> None:
    traces = clean_traces(1)
    for name in ("chat", "stream"):
        attributes = traces[0][name]["attributes"]
        old = attributes.pop("gen_ai.usage.cache_creation.input_tokens")
        attributes["gen_ai.usage.cache_write.input_tokens"] = old
    assert audited(tmp_path / "t.jsonl", as_lines(traces)).findings == ()


FIXTURES = Path(__file__).parents[1] / "fixtures" / "otlp"


@pytest.mark.parametrize(
    ("name", "renames"),
    [
        ("openai-opentelemetry.jsonl", set()),
        ("anthropic-opentelemetry.jsonl", set()),
        ("openai-v2-content.jsonl", {"deprecated-attribute", "deprecated-event"}),
        ("openai-openinference.jsonl", {"other-dialect"}),
        ("anthropic-openllmetry-0.40-content.jsonl", {"deprecated-attribute", "other-dialect"}),
    ],
)
def test_instrumentations_as_they_are_speak_their_own_dialect(name: str, renames: set[str]) -> None:
    traffic = read_telemetry([FIXTURES / name])
    report = audit_traces(traffic.calls, traffic.spans, joins=traffic.joins)
    slugs = {item.slug for item in report.findings}
    assert slugs & {"deprecated-attribute", "deprecated-event", "other-dialect"} == renames
    assert bool([t for t in report.tables if t.name == "migration"]) == bool(renames)
    # What was recorded lacks no name, type or time that the instrumentation always writes.
    never = {"wrong-type", "start-time-absent", "span-id-duplicate", "service-name-absent"}
    assert slugs.isdisjoint(never)
    assert 50 < (report.measures[0].value or 0) < 100
