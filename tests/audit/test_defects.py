"""Each rule finds the defect planted for it, and nothing else; a clean log has no finding."""

import json
from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from llmops_cli import audit_traces
from llmops_cli.audit.rules import rules
from llmops_cli.report import Report
from llmops_cli.traffic import Options, read_telemetry

TELEMETRY = run_path(str(Path(__file__).with_name("telemetry.py")))
SECOND = TELEMETRY["SECOND"]
clean_traces, as_lines, clean_calls = (
    TELEMETRY[name] for name in ("clean_traces", "as_lines", "clean_calls")
)

Traces = list[dict[str, Any]]


def audited(path: Path, text: str) -> Report:
    path.write_text(text)
    traffic = read_telemetry([path], Options(max_bad_rows=1000))
    return audit_traces(traffic.calls, traffic.spans, joins=traffic.joins, formats=traffic.formats)


def broken(report: Report) -> dict[str, int]:
    return {finding.slug: finding.count for finding in report.findings}


def score(report: Report) -> float | None:
    return report.measures[0].value


def without(span: str, *names: str) -> Callable[[Traces], None]:
    def spoil(traces: Traces) -> None:
        for name in names:
            del traces[1][span]["attributes"][name]

    return spoil


def having(span: str, **names: object) -> Callable[[Traces], None]:
    def spoil(traces: Traces) -> None:
        traces[1][span]["attributes"] |= {k.replace("__", "."): v for k, v in names.items()}

    return spoil


def being(span: str, **fields: object) -> Callable[[Traces], None]:
    def spoil(traces: Traces) -> None:
        traces[1][span] |= fields

    return spoil


def renamed(span: str, old: str, new: str) -> Callable[[Traces], None]:
    def spoil(traces: Traces) -> None:
        attributes = traces[1][span]["attributes"]
        attributes[new] = attributes.pop(old)

    return spoil


def early(traces: Traces) -> None:
    for name in ("start", "end"):
        traces[1]["tool"][name] -= 10 * SECOND


def ends_first(traces: Traces) -> None:
    traces[1]["tool"]["end"] = traces[1]["tool"]["start"] - SECOND


def nested(traces: Traces) -> None:
    traces[1]["stream"]["parent"] = traces[1]["chat"]["id"]


def twice(traces: Traces) -> None:
    traces[1]["again"] = dict(traces[1]["tool"])


def named_apart(traces: Traces) -> None:
    for number, trace in enumerate(traces):
        trace["tool"]["name"] = f"execute_tool order-{number}"


def old_event(traces: Traces) -> None:
    traces[1]["stream"]["events"] = [{"name": "gen_ai.user.message", "attributes": {}}]


SECRET = "sk-ant-" + 8 * "a1B2"  # of the shape of a key, and none
MESSAGES = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "hello"}]}])

DEFECTS: dict[str, Callable[[Traces], None]] = {
    "operation-name-absent": without("chat", "gen_ai.operation.name"),
    "provider-name-absent": without("agent", "gen_ai.provider.name"),
    "request-model-absent": without("chat", "gen_ai.request.model"),
    "error-type-absent": without("failed", "error.type"),
    "request-stream-absent": without("stream", "gen_ai.request.stream"),
    "conversation-id-absent": without("chat", "gen_ai.conversation.id"),
    "tool-name-absent": without("tool", "gen_ai.tool.name"),
    "agent-name-absent": without("agent", "gen_ai.agent.name"),
    "workflow-name-absent": without("workflow", "gen_ai.workflow.name"),
    "data-source-absent": without("retrieval", "gen_ai.data_source.id"),
    "server-port-absent": without("chat", "server.port"),
    "server-address-absent": without("chat", "server.address", "server.port"),
    "response-id-absent": without("chat", "gen_ai.response.id"),
    "response-model-absent": without("embeddings", "gen_ai.response.model"),
    "finish-reasons-absent": without("chat", "gen_ai.response.finish_reasons"),
    "input-tokens-absent": without("chat", "gen_ai.usage.input_tokens"),
    "output-tokens-absent": without("chat", "gen_ai.usage.output_tokens"),
    "cache-read-tokens-absent": without("chat", "gen_ai.usage.cache_read.input_tokens"),
    "cache-creation-tokens-absent": without("chat", "gen_ai.usage.cache_creation.input_tokens"),
    "time-to-first-chunk-absent": without("stream", "gen_ai.response.time_to_first_chunk"),
    "embedding-dimensions-absent": without("embeddings", "gen_ai.embeddings.dimension.count"),
    "tool-call-id-absent": without("tool", "gen_ai.tool.call.id"),
    "evaluation-name-absent": without("log", "gen_ai.evaluation.name"),
    "evaluation-score-absent": without("log", "gen_ai.evaluation.score.value"),
    "evaluation-unlinked": without("log", "gen_ai.response.id"),
    "evaluation-without-call": having("log", gen_ai__response__id="msg_of_nobody"),
    "deprecated-attribute": renamed("chat", "gen_ai.provider.name", "gen_ai.system"),
    "deprecated-event": old_event,
    "deprecated-provider": having("embeddings", gen_ai__provider__name="az.ai.openai"),
    "other-dialect": renamed("chat", "gen_ai.response.model", "llm.response.model"),
    "unknown-attribute": having("chat", gen_ai__mood="sunny"),
    "attribute-without-namespace": having("chat", tenant="north"),
    "wrong-type": having("chat", gen_ai__usage__input_tokens="120"),
    "operation-undefined": having("chat", gen_ai__operation__name="chit_chat"),
    "provider-undefined": having("embeddings", gen_ai__provider__name="acme"),
    "output-type-undefined": having("chat", gen_ai__output__type="hologram"),
    "schema-url-absent": being("chat", schema=""),
    "schema-url-contradicted": being("chat", schema="https://opentelemetry.io/schemas/1.36.0"),
    "input-tokens-zero": having("embeddings", gen_ai__usage__input_tokens=0),
    "cached-tokens-outside": having("chat", gen_ai__usage__cache_read__input_tokens=500),
    "total-tokens-inconsistent": having("chat", gen_ai__usage__total_tokens=999),
    "reasoning-tokens-outside": having("chat", gen_ai__usage__reasoning__output_tokens=31),
    "usage-repeated-by-parent": nested,
    "user-id-absent": without("chat", "user.id"),
    "service-name-absent": being("chat", service=""),
    "start-time-absent": being("tool", start=0),
    "duration-absent": being("tool", end=0),
    "duration-negative": ends_first,
    "parent-missing": being("tool", parent="f" * 16),
    "second-root": being("tool", parent=""),
    "clock-skew": early,
    "span-id-duplicate": twice,
    "span-name-unbounded": named_apart,
    "span-kind-unexpected": being("chat", kind=2),
    "content-captured": having("chat", gen_ai__input__messages=MESSAGES),
    "secret-in-log": having("agent", gen_ai__agent__description=f"uses {SECRET}"),
    "personal-data-in-log": having("agent", gen_ai__agent__description="ask jo@example.com"),
}
MANY = {"span-name-unbounded": 25}


def test_a_clean_log_has_no_finding_and_scores_100(tmp_path: Path) -> None:
    report = audited(tmp_path / "t.jsonl", as_lines(clean_traces()))
    assert broken(report) == {}
    assert score(report) == 100
    applied = {row[0] for row in next(t for t in report.tables if t.name == "rules").rows}
    of_spans = {rule.id for rule in rules() if rule.of != "calls"}
    unseen = {"total-tokens-inconsistent", "reasoning-tokens-outside", "output-type-undefined"}
    assert of_spans - applied == unseen, "a rule that never applies cannot be kept"


@pytest.mark.parametrize("rule", sorted(DEFECTS))
def test_a_planted_defect_is_found_and_nothing_else(tmp_path: Path, rule: str) -> None:
    traces = clean_traces()
    DEFECTS[rule](traces)
    report = audited(tmp_path / "t.jsonl", as_lines(traces))
    assert broken(report) == {rule: MANY.get(rule, 1)}
    (finding,) = report.findings
    if rule not in MANY:
        # The second trace of nine lines; a copy is told at the place of the copy.
        assert 10 <= (finding.line or 0) <= 19
    assert finding.file.endswith("t.jsonl")
    assert finding.hint
    severity = next(item.severity for item in rules() if item.id == rule)
    if severity == "information":
        assert score(report) == 100
    else:
        assert (score(report) or 0) < 100


def test_every_rule_has_a_planted_defect() -> None:
    of_calls = {rule.id for rule in rules() if rule.of == "calls"}
    assert set(DEFECTS) | of_calls == {rule.id for rule in rules()}
    assert of_calls <= set(CALL_DEFECTS)


def dropped(*names: str) -> Callable[[Traces], None]:
    def spoil(calls: Traces) -> None:
        for name in names:
            del calls[1][name]

    return spoil


def dropped_inside(part: str, *names: str) -> Callable[[Traces], None]:
    def spoil(calls: Traces) -> None:
        for name in names:
            del calls[1][part][name]

    return spoil


def never_first(calls: Traces) -> None:
    for call in calls:
        del call["ttft_s"]


def zeroed(calls: Traces) -> None:
    calls[1]["response"]["usage"]["input_tokens"] = 0


CALL_DEFECTS: dict[str, Callable[[Traces], None]] = {
    "conversation-id-absent": dropped("conversation_id"),
    "user-id-absent": dropped("user_id"),
    "start-time-absent": dropped("timestamp"),
    "duration-absent": dropped("duration_s"),
    "response-id-absent": dropped_inside("response", "id"),
    "finish-reasons-absent": dropped_inside("response", "stop_reason"),
    "first-token-time-unknown": never_first,
    "input-tokens-zero": zeroed,
}


def as_log(calls: Traces) -> str:
    return "".join(f"{json.dumps(call)}\n" for call in calls)


def test_a_clean_log_of_calls_has_no_finding_and_scores_100(tmp_path: Path) -> None:
    report = audited(tmp_path / "c.jsonl", as_log(clean_calls()))
    assert broken(report) == {}
    assert score(report) == 100


@pytest.mark.parametrize("rule", sorted(CALL_DEFECTS))
def test_calls_that_are_no_spans_are_judged_by_the_same_rules(tmp_path: Path, rule: str) -> None:
    calls = clean_calls()
    CALL_DEFECTS[rule](calls)
    report = audited(tmp_path / "c.jsonl", as_log(calls))
    everywhere = rule == "first-token-time-unknown"
    assert broken(report) == {rule: len(calls) if everywhere else 1}
    assert report.findings[0].line == (1 if everywhere else 2)


def test_calls_without_usage_lack_both_counters_and_score_low(tmp_path: Path) -> None:
    calls = clean_calls()
    for call in calls:
        del call["response"]["usage"]
    report = audited(tmp_path / "c.jsonl", as_log(calls))
    assert broken(report) == {"input-tokens-absent": 5, "output-tokens-absent": 5}
    assert (score(report) or 100) <= 40


def test_spans_and_calls_of_other_logs_are_judged_side_by_side(tmp_path: Path) -> None:
    calls = clean_calls()
    del calls[0]["user_id"]
    traces = clean_traces(2)
    without("chat", "user.id")(traces)
    report = audited(tmp_path / "both.jsonl", as_lines(traces) + as_log(calls))
    assert broken(report) == {"user-id-absent": 2}
    scores = next(table for table in report.tables if table.name == "scores")
    counted = {(row[0], row[1]): row[2] for row in scores.rows}
    assert counted["library", "acme.genai"] == 20
    assert counted["library", "anthropic-messages, otlp-json"] == 5
