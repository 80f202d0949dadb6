"""Langfuse observations are read field by field, in either spelling, whoever counted."""

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmops_cli import read_calls
from llmops_cli.calls import COLUMNS, TOKEN_CLASSES, to_arrow, validate
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import Options, Reading, Traffic

Json = dict[str, Any]
PROMPT = "the launch code is swordfish"
START = datetime(2026, 1, 15, 9, 14, 22, 341_000, tzinfo=UTC)
MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": PROMPT}]


def generation(**changes: Any) -> Json:  # noqa: ANN401 - JSON
    """A generation as the API's observations give it."""
    return {
        "id": "obs-1",
        "traceId": "trace-1",
        "type": "GENERATION",
        "name": "ChatOpenAI",
        "startTime": "2026-01-15T09:14:22.341Z",
        "endTime": "2026-01-15T09:14:24.091Z",
        "completionStartTime": "2026-01-15T09:14:22.591Z",
        "model": "claude-sonnet-4-6",
        "modelParameters": {"temperature": 0.2, "maxTokens": "inf"},
        "input": MESSAGES,
        "version": None,
        "metadata": {"ls_provider": "anthropic"},
        "output": {"role": "assistant", "content": PROMPT},
        "level": "DEFAULT",
        "statusMessage": None,
        "parentObservationId": None,
        "promptId": None,
        "promptName": "triage",
        "promptVersion": 3,
        "usageDetails": {"input": 612, "output": 248, "total": 860},
        "costDetails": {"input": 0.001836, "output": 0.00372, "total": 0.005556},
        "usage": {"unit": "TOKENS", "input": 612, "output": 248, "total": 860},
        "environment": "default",
        "latency": 1.75,
        "timeToFirstToken": 0.25,
        "projectId": "p",
        **changes,
    }


def enriched(**changes: Any) -> Json:  # noqa: ANN401 - JSON
    """The same in the files that the export to blob storage writes."""
    return {
        "id": "obs-1",
        "trace_id": "trace-1",
        "project_id": "p",
        "environment": "default",
        "type": "GENERATION",
        "parent_observation_id": "",
        "start_time": "2026-01-15 09:14:22.341000",
        "end_time": "2026-01-15 09:14:24.091000",
        "name": "ChatOpenAI",
        "level": "DEFAULT",
        "status_message": "",
        "completion_start_time": "2026-01-15 09:14:22.591000",
        "prompt_name": "triage",
        "provided_model_name": "claude-sonnet-4-6",
        "model_parameters": '{"temperature":0.2}',
        "usage_details": {"input": 612, "output": 248, "total": 860},
        "cost_details": {"input": 0.001836, "output": 0.00372, "total": 0.005556},
        "input": json.dumps(MESSAGES),
        "output": json.dumps({"role": "assistant", "content": PROMPT}),
        "metadata": {"ls_provider": "anthropic"},
        "user_id": "ada",
        "session_id": "chat-5",
        "trace_name": "triage",
        "tags": [],
        "release": "",
        "latency": 1.75,
        "time_to_first_token": 0.25,
        **changes,
    }


def span(kind: str, name: str, **changes: Any) -> Json:  # noqa: ANN401 - JSON
    """An observation that is no call."""
    return {
        "id": f"span-{name}",
        "traceId": "trace-1",
        "type": kind,
        "name": name,
        "startTime": "2026-01-15T09:14:20Z",
        "endTime": "2026-01-15T09:14:30Z",
        "input": PROMPT,
        "parentObservationId": None,
        **changes,
    }


def score(**changes: Any) -> Json:  # noqa: ANN401 - JSON
    """A row of the export's file of scores."""
    return {
        "id": "score-1",
        "timestamp": "2026-01-15 09:15:00.000000",
        "project_id": "p",
        "trace_id": "trace-1",
        "observation_id": "obs-1",
        "session_id": None,
        "name": "quality",
        "value": 0.75,
        "string_value": None,
        "data_type": "NUMERIC",
        "source": "EVAL",
        "comment": PROMPT,
        **changes,
    }


def trace(**changes: Any) -> Json:  # noqa: ANN401 - JSON
    """A row of the export's file of traces."""
    return {
        "id": "trace-1",
        "timestamp": "2026-01-15 09:14:20.000000",
        "name": "triage",
        "environment": "default",
        "project_id": "p",
        "metadata": {},
        "user_id": "ada",
        "session_id": "chat-5",
        "release": None,
        "version": None,
        "public": False,
        "bookmarked": False,
        "tags": [],
        "input": PROMPT,
        "output": PROMPT,
        **changes,
    }


def read(path: Path, *rows: object, raw: str = "", **options: Any) -> Traffic:  # noqa: ANN401
    log = path / "langfuse.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows) + raw)
    return read_calls([log], **options)


def rows_of(traffic: Traffic) -> list[Json]:
    validate(traffic.calls)
    return to_arrow(traffic.calls).to_pylist()


NOTHING: Json = dict.fromkeys(column.name for column in COLUMNS)
PLAIN: Json = NOTHING | {
    "call_id": "obs-1",
    "start_time": START,
    "trace_id": "trace-1",
    "span_id": "obs-1",
    "task": "triage",
    "operation_name": "chat",
    "request_model": "claude-sonnet-4-6",
    "input_tokens": 612,
    "cache_read_tokens": 0,
    "cache_write_5m_tokens": 0,
    "cache_write_1h_tokens": 0,
    "output_tokens": 248,
    "tokens_estimated": False,
    "duration_s": 1.75,
    "ttft_s": 0.25,
    "attempts": 1,
    "automatic_cache": 0,
    "source_line": 1,
}
UNCOUNTED = dict.fromkeys(
    ("cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens")
)
OWNER = {"user_id": "ada", "conversation_id": "chat-5"}
CASES: dict[str, tuple[Json, Json]] = {
    "of the API": (generation(), {}),
    "of the API's second version": (
        {name: value for name, value in generation().items() if name not in {"model", "usage"}}
        | {"providedModelName": "claude-sonnet-4-6", "sessionId": "chat-5", "userId": "ada"},
        OWNER,
    ),
    "of the blob export": (enriched(), OWNER),
    "of the blob export's old files": (
        {
            name: value
            for name, value in enriched().items()
            if name not in {"user_id", "session_id", "latency", "tags", "trace_name"}
        },
        {},
    ),
    "with counters that ClickHouse quoted": (
        enriched(usage_details={"input": "612", "output": "248", "total": "860"}),
        OWNER,
    ),
    "that failed": (
        generation(level="ERROR", statusMessage=PROMPT, usageDetails={}, usage=None),
        UNCOUNTED | {"error_type": "error", "input_tokens": None},
    ),
    "that is an embedding": (
        generation(type="EMBEDDING", usageDetails={"input": 612, "total": 612}),
        {"operation_name": "embeddings", "output_tokens": 0},
    ),
    "that was not streamed": (generation(completionStartTime=None), {"ttft_s": None}),
    "that has not ended": (generation(endTime=None), {"duration_s": None}),
    "without times": (
        generation(startTime=None, endTime=None, completionStartTime=None),
        {"start_time": None, "duration_s": None, "ttft_s": None},
    ),
    "without a model": (generation(model=None), {"request_model": None}),
    "without a prompt's name": (generation(promptName=None), {"task": None}),
    "counted the old way": (generation(usageDetails=None), {}),
    "counted the way of the table of the user interface": (
        generation(usageDetails=None, usage=None, promptTokens=612, completionTokens=248),
        {},
    ),
    "counted in characters": (
        generation(usageDetails={}, usage={"unit": "CHARACTERS", "input": 9, "output": 9}),
        UNCOUNTED | {"input_tokens": 9, "tokens_estimated": True},
    ),
    "of which only the output was counted": (
        generation(usageDetails={"output": 248}),
        UNCOUNTED | {"input_tokens": 9, "output_tokens": 248, "tokens_estimated": True},
    ),
}


@pytest.mark.parametrize(("row", "expected"), CASES.values(), ids=CASES)
def test_every_column_of_a_call(tmp_path: Path, row: Json, expected: Json) -> None:
    traffic = read(tmp_path, row)
    (found,) = rows_of(traffic)
    blocks = {name: found[name] for name in found if name.startswith("block_")}
    assert found == PLAIN | expected | blocks | {"source_file": str(tmp_path / "langfuse.jsonl")}
    assert traffic.formats == {"langfuse": 1}
    assert traffic.joins == {}


# Each names who counted; the five figures are fresh, read, 5m write, 1h write, output.
COUNTED: dict[str, tuple[Json, tuple[int, ...], int | None]] = {
    "langfuse 12306: OpenTelemetry's names, and Langfuse's sum of everything": (
        {
            "input": 130_213,
            "output": 7,
            "cache_read_tokens": 128_955,
            "cache_write_tokens": 1253,
            "total": 130_213 + 7 + 128_955 + 1253,
        },
        (5, 128_955, 1253, 0, 7),
        None,
    ),
    "langfuse 12306, with the details beside the sums": (
        {
            "input": 130_213,
            "output": 7,
            "details.input_tokens": 5,
            "details.cache_read_input_tokens": 128_955,
            "details.cache_creation_input_tokens": 1253,
            "details.output_tokens": 7,
        },
        (5, 128_955, 1253, 0, 7),
        None,
    ),
    "langfuse 12306, translated since": (
        {
            "input": 5,
            "output": 7,
            "input_cache_read": 128_955,
            "input_cache_creation": 1253,
            "total": 130_220,
        },
        (5, 128_955, 1253, 0, 7),
        None,
    ),
    "the conventions' newest names": (
        {
            "input": 100,
            "output": 20,
            "cache_read.input_tokens": 60,
            "cache_creation.input_tokens": 30,
            "reasoning.output_tokens": 5,
            "total": 215,
        },
        (10, 60, 30, 0, 20),
        5,
    ),
    "OpenInference's names": (
        {
            "input": 100,
            "output": 20,
            "total": 120,
            "prompt_details.cache_read": 60,
            "prompt_details.cache_write": 0,
            "completion_details.reasoning": 5,
        },
        (40, 60, 0, 0, 20),
        5,
    ),
    "langfuse 10592: OpenAI's wrapper for TypeScript leaves 17,817 in 17,903": (
        {"input": 17_903, "input_cached_tokens": 17_817, "output": 97, "total": 18_000},
        (86, 17_817, 0, 0, 97),
        None,
    ),
    "the same with reasoning left inside": (
        {
            "input": 100,
            "input_cached_tokens": 64,
            "output": 20,
            "output_reasoning_tokens": 5,
            "total": 120,
        },
        (36, 64, 0, 0, 20),
        5,
    ),
    "OpenAI's schema, all taken apart": (
        {
            "input": 36,
            "input_cached_tokens": 64,
            "input_audio_tokens": 0,
            "output": 15,
            "output_reasoning_tokens": 5,
            "output_audio_tokens": 0,
            "total": 120,
        },
        (36, 64, 0, 0, 20),
        5,
    ),
    "OpenAI's schema, spoken": (
        {
            "input": 30,
            "input_cached_tokens": 50,
            "input_audio_tokens": 20,
            "output": 4,
            "output_audio_tokens": 16,
            "total": 120,
        },
        (50, 50, 0, 0, 20),
        None,
    ),
    "OpenAI's schema, parts that overlap: Langfuse stops at zero": (
        {
            "input": 0,
            "input_cached_tokens": 64,
            "input_text_tokens": 100,
            "output": 20,
            "total": 120,
        },
        (36, 64, 0, 0, 20),
        None,
    ),
    "LangChain, with writes by lifetime": (
        {
            "input": 5,
            "input_cache_read": 128_955,
            "input_cache_creation": 0,
            "input_ephemeral_5m_input_tokens": 1200,
            "input_ephemeral_1h_input_tokens": 53,
            "output": 7,
            "total": 130_220,
        },
        (5, 128_955, 1200, 53, 7),
        None,
    ),
    "LangChain, which took the writes away twice": (
        {
            "input": 0,
            "input_cache_read": 128_955,
            "input_cache_creation": 1253,
            "input_ephemeral_5m_input_tokens": 1253,
            "output": 7,
            "total": 130_220,
        },
        (5, 128_955, 1253, 0, 7),
        None,
    ),
    "litellm 26919: LiteLLM leaves in what was written": (
        {
            "input": 1258,
            "cache_read_input_tokens": 128_955,
            "cache_creation_input_tokens": 1253,
            "output": 7,
            "total": 130_220,
        },
        (5, 128_955, 1253, 0, 7),
        None,
    ),
    "Anthropic's own counters, and Langfuse's sum": (
        {
            "input": 5,
            "cache_read_input_tokens": 128_955,
            "cache_creation_input_tokens": 1253,
            "output": 7,
            "total": 130_220,
        },
        (5, 128_955, 1253, 0, 7),
        None,
    ),
    "disjoint, with more fresh than cached": (
        {"input": 6000, "cache_read_input_tokens": 4000, "output": 200, "total": 10_200},
        (6000, 4000, 0, 0, 200),
        None,
    ),
    "disjoint, and Langfuse's sum over searches as well": (
        {
            "input": 6000,
            "cache_read_input_tokens": 4000,
            "output": 200,
            "web_search_requests": 2,
            "total": 10_202,
        },
        (6000, 4000, 0, 0, 200),
        None,
    ),
    "the plugin of Claude Code, lifetimes instead of their sum": (
        {
            "input": 2,
            "output": 260,
            "cache_read_input_tokens": 15_030,
            "input_cache_creation_1h": 8655,
            "total": 23_947,
        },
        (2, 15_030, 0, 8655, 260),
        None,
    ),
    "Vercel's, lifetimes beside what is left of their sum": (
        {
            "input": 7,
            "input_cached_tokens": 16_399,
            "input_cache_creation": 0,
            "input_cache_creation_5m": 2089,
            "input_cache_creation_1h": 0,
            "output": 445,
            "total": 18_940,
        },
        (7, 16_399, 2089, 0, 445),
        None,
    ),
    "Vercel's, with something left": (
        {
            "input": 7,
            "input_cached_tokens": 10,
            "input_cache_creation": 100,
            "input_cache_creation_5m": 2089,
            "output": 4,
            "total": 2210,
        },
        (7, 10, 2189, 0, 4),
        None,
    ),
    "Vercel's, with something left and no total": (
        {
            "input": 5000,
            "input_cache_creation": 100,
            "input_cache_creation_5m": 2089,
            "output": 4,
        },
        (2811, 0, 2189, 0, 4),
        None,
    ),
    "Vercel's, with more left than told apart": (
        {
            "input": 7,
            "input_cache_creation": 3000,
            "input_cache_creation_1h": 1000,
            "output": 4,
            "total": 4011,
        },
        (7, 0, 3000, 1000, 4),
        None,
    ),
    "Vercel's on Bedrock, two names for one count": (
        {
            "input": 7,
            "input_cache_read": 4482,
            "input_cache_write": 30,
            "input_cache_creation": 0,
            "output": 4,
            "total": 4523,
        },
        (7, 4482, 30, 0, 4),
        None,
    ),
    "lifetimes beside their sum": (
        {
            "input": 10,
            "output": 503,
            "cache_read_input_tokens": 1800,
            "cache_creation_input_tokens": 248,
            "cache_creation_5m_input_tokens": 148,
            "cache_creation_1h_input_tokens": 100,
            "total": 2561,
        },
        (10, 1800, 148, 100, 503),
        None,
    ),
    "Gemini's names, thoughts beside candidates": (
        {
            "prompt_token_count": 100,
            "candidates_token_count": 20,
            "thoughts_token_count": 5,
            "cached_content_token_count": 60,
            "total_token_count": 125,
            "total": 310,
        },
        (40, 60, 0, 0, 25),
        5,
    ),
    "no total: the conventions' reading": (
        {"input": 9844, "cache_read_input_tokens": 9842, "output": 5},
        (2, 9842, 0, 0, 5),
        None,
    ),
    "no total, and more cached than given": (
        {"input": 19, "cache_read_input_tokens": 39_000, "output": 5},
        (19, 39_000, 0, 0, 5),
        None,
    ),
    "no total, and more reasoning than output": (
        {"input": 19, "output": 5, "output_reasoning_tokens": 40},
        (19, 0, 0, 0, 45),
        40,
    ),
    "only what was cached": (
        {"cache_read_input_tokens": 9, "total": 9},
        (0, 9, 0, 0, 0),
        None,
    ),
    "nulls": (
        {"input": 9, "output": None, "cache_read_input_tokens": None, "total": None},
        (9, 0, 0, 0, 0),
        None,
    ),
    "whole numbers with a point": ({"input": 9.0, "output": 1.0}, (9, 0, 0, 0, 1), None),
}


@pytest.mark.parametrize(("usage", "tokens", "reasoning"), COUNTED.values(), ids=COUNTED)
@pytest.mark.parametrize("spelling", [generation, enriched])
def test_counters_become_disjoint_classes(
    tmp_path: Path,
    spelling: Any,  # noqa: ANN401 - one of two functions
    usage: Json,
    tokens: tuple[int, ...],
    reasoning: int | None,
) -> None:
    name = "usageDetails" if spelling is generation else "usage_details"
    (row,) = rows_of(read(tmp_path, spelling(**{name: usage})))
    assert tuple(row[name] for name in TOKEN_CLASSES) == tokens
    assert row["reasoning_tokens"] == reasoning


truths = st.tuples(*[st.integers(0, 90) | st.integers(0, 10**8) for _ in range(4)])
# How an integration writes fresh, read, written and output, and what it calls the total.
INTEGRATIONS: dict[str, Any] = {
    "disjoint": lambda f, r, w, o: {
        "input": f,
        "input_cached_tokens": r,
        "input_cache_creation": w,
        "output": o,
    },
    "inclusive": lambda f, r, w, o: {
        "input": f + r + w,
        "input_cached_tokens": r,
        "input_cache_creation": w,
        "output": o,
    },
    "litellm": lambda f, r, w, o: {
        "input": f + w,
        "cache_read_input_tokens": r,
        "cache_creation_input_tokens": w,
        "output": o,
    },
    "conventions": lambda f, r, w, o: {
        "input": f + r + w,
        "cache_read.input_tokens": r,
        "cache_creation.input_tokens": w,
        "output": o,
    },
}


@pytest.mark.parametrize("integration", INTEGRATIONS)
@given(truths)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_total_tells_who_counted(
    tmp_path: Path, integration: str, truth: tuple[int, ...]
) -> None:
    usage = INTEGRATIONS[integration](*truth) | {"total": sum(truth)}
    (row,) = rows_of(read(tmp_path, generation(usageDetails=usage)))
    fresh, read_tokens, written, output = truth
    assert tuple(row[name] for name in TOKEN_CLASSES) == (fresh, read_tokens, written, 0, output)


def test_agents_and_tools_around_a_call_are_its_context(tmp_path: Path) -> None:
    rows = [
        span("AGENT", "planner", sessionId="chat-5", userId="ada"),
        span("TOOL", "search", parentObservationId="span-planner"),
        span("CHAIN", "steps", parentObservationId="span-search"),
        generation(parentObservationId="span-steps"),
    ]
    traffic = read(tmp_path, *rows)
    (row,) = rows_of(traffic)
    assert (row["agent_name"], row["tool_name"]) == ("planner", "search")
    assert (row["conversation_id"], row["user_id"]) == ("chat-5", "ada")
    assert traffic.skipped == {"rows joined to calls": 3}


def test_a_generation_around_another_tells_the_same_call(tmp_path: Path) -> None:
    inner = generation(id="inner", parentObservationId="obs-1")
    traffic = read(tmp_path, generation(), inner)
    assert traffic.calls["call_id"].tolist() == ["inner"]
    assert traffic.joins == {"repeated-by-parent": 1}


def test_a_retry_is_one_call_with_two_attempts(tmp_path: Path) -> None:
    failed = generation(id="first", level="ERROR", usageDetails={}, usage=None)
    again = generation(
        startTime="2026-01-15T09:14:25.091Z",
        endTime="2026-01-15T09:14:26.091Z",
        completionStartTime=None,
    )
    (row,) = rows_of(read(tmp_path, failed, again))
    assert (row["call_id"], row["attempts"], row["error_type"]) == ("obs-1", 2, None)
    assert (row["start_time"], row["duration_s"]) == (START, 3.75)


@pytest.mark.parametrize(
    "scores",
    [
        [{"name": "quality", "value": 0.75}],
        [{"name": "quality", "value": 0.75}, {"name": "tone", "value": "warm"}, "an-id", None],
        {"quality": [0.75]},
        {"quality": 0.75, "tone": ["warm"]},
    ],
)
def test_scores_beside_an_observation_are_its_evaluation(tmp_path: Path, scores: object) -> None:
    (row,) = rows_of(read(tmp_path, generation(scores=scores)))
    assert row["evaluation_score"] == 0.75


@pytest.mark.parametrize("scores", [None, [], {}, ["an-id"], [{"name": "tone", "value": "warm"}]])
def test_without_a_number_there_is_no_evaluation(tmp_path: Path, scores: object) -> None:
    (row,) = rows_of(read(tmp_path, generation(scores=scores)))
    assert row["evaluation_score"] is None


def test_of_several_scores_the_one_that_judged_most_calls_is_taken(tmp_path: Path) -> None:
    both = [{"name": "tone", "value": 0.5}, {"name": "quality", "value": 0.75}]
    rows = [generation(scores=both), generation(id="2", scores=both[1:])]
    assert [row["evaluation_score"] for row in rows_of(read(tmp_path, *rows))] == [0.75, 0.75]


def export(folder: Path, observations: list[Json], scores: list[Json], traces: list[Json]) -> None:
    for name, rows in (("observations", observations), ("scores", scores), ("traces", traces)):
        (folder / name).mkdir()
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / name / "2026-01-15.jsonl").write_text(text)


def test_a_folder_of_an_export_is_read_whole(tmp_path: Path) -> None:
    scores = [
        score(),
        score(id="2", data_type="BOOLEAN", value=1, observation_id="obs-2"),
        score(id="3", data_type="CATEGORICAL", value=0, string_value="warm"),
        score(id="4", data_type="CATEGORICAL", value=None, string_value="warm"),
        score(id="5", observation_id=None),
    ]
    export(tmp_path, [enriched(), enriched(id="obs-2")], scores, [trace(), trace(id="t-2")])
    traffic = read_calls([tmp_path])
    assert traffic.bad_count == 0
    assert [row["evaluation_score"] for row in rows_of(traffic)] == [0.75, 1.0]
    assert traffic.skipped == {
        "rows joined to calls": 3,
        "scores that are no numbers": 2,
        "traces": 2,
    }
    assert traffic.joins["evaluation-without-call"] == 1


def test_scores_of_the_api_join_as_well(tmp_path: Path) -> None:
    api = {
        "id": "s",
        "timestamp": "2026-01-15T09:15:00Z",
        "traceId": "trace-1",
        "observationId": "obs-1",
        "name": "quality",
        "value": 0.5,
        "dataType": "NUMERIC",
        "source": "API",
    }
    (row,) = rows_of(read(tmp_path, generation(), api))
    assert row["evaluation_score"] == 0.5


def blocks_of(row: Json) -> tuple[list[bytes], list[int], list[int]]:
    return row["block_hashes"], row["block_kinds"], row["block_markers"]


def chat_blocks(path: Path, request: Json) -> tuple[list[bytes], list[int], list[int]]:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    response = {"object": "chat.completion", "usage": usage}
    return logged_blocks(path, {"request": {"model": "m", **request}, "response": response})


def anthropic_blocks(path: Path, request: Json) -> tuple[list[bytes], list[int], list[int]]:
    response = {"type": "message", "usage": {"input_tokens": 1}}
    return logged_blocks(path, {"request": {"model": "m", **request}, "response": response})


def logged_blocks(path: Path, line: Json) -> tuple[list[bytes], list[int], list[int]]:
    log = path / "api.jsonl"
    log.write_text(json.dumps(line) + "\n")
    return blocks_of(rows_of(read_calls([log]))[0])


TOOL = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":1}'}}
    ],
}
SEEN = {"role": "tool", "tool_call_id": "c1", "content": "seen"}
TURN = [*MESSAGES, CALLED, SEEN, {"role": "assistant", "content": "it is there"}]
PICTURE = {
    "role": "user",
    "content": [
        {"type": "text", "text": PROMPT},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ],
}
LANGCHAIN_CALLED = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"name": "look", "args": {"at": 1}, "id": "c1", "type": "tool_call"}],
}
# What Langfuse holds, and the request that a log of OpenAI's chat API would hold.
SAME_AS_CHAT: dict[str, tuple[object, Json]] = {
    "messages": (MESSAGES, {"messages": MESSAGES}),
    "messages as text": (json.dumps(MESSAGES), {"messages": MESSAGES}),
    "messages as text that is indented": (
        "\n" + json.dumps(MESSAGES, indent=2),
        {"messages": MESSAGES},
    ),
    "a turn with a tool": (TURN, {"messages": TURN}),
    "typed parts and a picture": ([PICTURE], {"messages": [PICTURE]}),
    "a body with tools": (
        {"tools": [TOOL], "tool_choice": "auto", "messages": TURN},
        {"tools": [TOOL], "messages": TURN},
    ),
    "a body as text": (
        json.dumps({"messages": TURN, "tools": [TOOL]}),
        {"tools": [TOOL], "messages": TURN},
    ),
    "a body with functions": (
        {"functions": [TOOL["function"]], "messages": MESSAGES},
        {"tools": [TOOL], "messages": MESSAGES},
    ),
    "one text": (PROMPT, {"messages": MESSAGES[1:]}),
    "a text that begins like a list": (
        "[" + PROMPT,
        {"messages": [{"role": "user", "content": "[" + PROMPT}]},
    ),
    "LangChain's names of roles": (
        [
            {"role": "system", "content": "be brief"},
            {"role": "human", "content": PROMPT},
            {"role": "ai", "content": "it is there"},
        ],
        {"messages": [*MESSAGES, TURN[-1]]},
    ),
    "LangChain's tool calls, and its tools behind the messages": (
        [*MESSAGES, LANGCHAIN_CALLED, SEEN, {"role": "tool", "content": TOOL}],
        {"tools": [TOOL], "messages": TURN[:4]},
    ),
    "an answer of a tool that looks like a tool": (
        [*TURN[:3], SEEN | {"content": TOOL}],
        {"messages": [*TURN[:3], SEEN | {"content": TOOL}]},
    ),
    "LangChain's tool calls, once in the extras": (
        [
            *MESSAGES,
            {
                "role": "assistant",
                "content": "",
                "additional_kwargs": {"tool_calls": CALLED["tool_calls"]},
            },
        ],
        {"messages": TURN[:3]},
    ),
    "Gemini's contents": (
        [
            {"role": "user", "parts": [{"text": PROMPT}]},
            {"role": "model", "parts": [{"text": "it is there"}]},
        ],
        {"messages": [MESSAGES[1], TURN[-1]]},
    ),
    "OpenTelemetry's messages": (
        [
            {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
            {"role": "user", "parts": [{"type": "text", "content": PROMPT}]},
            {
                "role": "assistant",
                "parts": [
                    {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"at": 1}}
                ],
            },
        ],
        {"messages": TURN[:3]},
    ),
    "items of the Responses API": (
        {
            "instructions": "be brief",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": PROMPT}]},
                {
                    "type": "function_call",
                    "call_id": "c1",
                    "name": "look",
                    "arguments": '{"at":1}',
                },
                {"type": "function_call_output", "call_id": "c1", "output": "seen"},
            ],
            "tools": [{"type": "function", **TOOL["function"]}],
        },
        {"tools": [TOOL], "messages": TURN[:4]},
    ),
    "a text of the Responses API": (
        {"instructions": "be brief", "input": PROMPT},
        {"messages": MESSAGES},
    ),
}


@pytest.mark.parametrize(("held", "request_body"), SAME_AS_CHAT.values(), ids=SAME_AS_CHAT)
def test_a_prompt_has_the_blocks_of_a_chat_log(
    tmp_path: Path, held: object, request_body: Json
) -> None:
    (row,) = rows_of(read(tmp_path, generation(input=held)))
    assert blocks_of(row) == chat_blocks(tmp_path, request_body)
    assert row["block_hashes"]
    assert sum(row["block_tokens"]) == row["input_tokens"]


CACHED = {"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
ANTHROPIC_TURN = [
    {"role": "user", "content": PROMPT},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "let me look"},
            {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": 1}},
        ],
    },
    {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "c1",
                "content": "seen",
                "cache_control": {"type": "ephemeral"},
            }
        ],
    },
]
ANTHROPIC_TOOL = {
    "name": "look",
    "input_schema": {"type": "object", "properties": {}},
    "cache_control": {"type": "ephemeral"},
}


@pytest.mark.parametrize(
    ("held", "request_body"),
    [
        (ANTHROPIC_TURN, {"messages": ANTHROPIC_TURN}),
        (
            {"system": [CACHED], "tools": [ANTHROPIC_TOOL], "messages": ANTHROPIC_TURN},
            {"system": [CACHED], "tools": [ANTHROPIC_TOOL], "messages": ANTHROPIC_TURN},
        ),
        (
            {"system": "be brief", "messages": ANTHROPIC_TURN[:1]},
            {"system": "be brief", "messages": ANTHROPIC_TURN[:1]},
        ),
    ],
)
def test_a_prompt_has_the_blocks_and_markers_of_a_messages_log(
    tmp_path: Path, held: object, request_body: Json
) -> None:
    (row,) = rows_of(read(tmp_path, generation(input=held)))
    assert blocks_of(row) == anthropic_blocks(tmp_path, request_body)


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "assistant"]),
            "content": texts
            | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": texts}), max_size=2),
        }
    ),
    min_size=1,
    max_size=4,
)


@given(messages, st.booleans(), st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_messages_their_blocks_are_those_of_a_chat_log(
    tmp_path: Path,
    messages: list[Json],
    in_a_body: bool,  # noqa: FBT001 - drawn
    as_text: bool,  # noqa: FBT001 - drawn
) -> None:
    held: object = {"messages": messages} if in_a_body else messages
    row = generation(input=json.dumps(held) if as_text else held)
    (found,) = rows_of(read(tmp_path, row))
    assert blocks_of(found) == chat_blocks(tmp_path, {"messages": messages})


OWN_SHAPES: list[object] = [
    {"question": PROMPT, "context": [1, 2]},
    [1, 2, PROMPT],
    [{"role": "user", "content": {"question": PROMPT}}],
    [{"role": "user", "text": PROMPT}],
    [{"role": "critic", "content": PROMPT}],
    [{"role": ["user"], "content": PROMPT}],
    [{"content": PROMPT}],
    [{"role": "user", "parts": [7]}],
    [{"role": "critic", "parts": [{"type": "text", "content": PROMPT}]}],
    [{"role": "assistant", "content": "", "tool_calls": [7]}],
    [{"role": "assistant", "content": "", "tool_calls": "none"}],
    [{"type": "function_call"}],
    {"messages": PROMPT},
    {"messages": [{"role": "user"}]},
    {"input": PROMPT, "context": PROMPT},
    json.dumps({"question": PROMPT}),
    "{" + PROMPT,
]


@pytest.mark.parametrize("held", OWN_SHAPES, ids=lambda held: json.dumps(held)[:40])
def test_a_prompt_of_the_teams_own_shape_is_kept_as_a_block(tmp_path: Path, held: object) -> None:
    rows = [generation(input=held), generation(id="2", input=held), generation(id="3", input="x")]
    traffic = read(tmp_path, *rows)
    assert traffic.bad_count == 0
    one, same, other = (row["block_hashes"] for row in rows_of(traffic))
    assert one
    assert one == same
    assert one[-1] != other[-1]


@pytest.mark.parametrize("key", ["context", "question"])
def test_nothing_of_a_shape_of_the_teams_own_is_left_out(tmp_path: Path, key: str) -> None:
    rows = [generation(id=value, input={"input": PROMPT, key: value}) for value in "ab"]
    one, other = (row["block_hashes"] for row in rows_of(read(tmp_path, *rows)))
    assert one != other


@pytest.mark.parametrize("held", [None, "", [], {"messages": []}, 7, True, "[]", "null"])
def test_what_is_no_prompt(tmp_path: Path, held: object) -> None:
    (row,) = rows_of(read(tmp_path, generation(input=held)))
    assert row["block_hashes"] == [] or held == "null"


def test_a_growing_conversation_shares_its_prefix(tmp_path: Path) -> None:
    rows = [generation(id=str(end), input=TURN[:end]) for end in range(1, len(TURN) + 1)]
    found = [row["block_hashes"] for row in rows_of(read(tmp_path, *rows))]
    for shorter, longer in pairwise(found):
        assert longer[: len(shorter)] == shorter
        assert len(longer) > len(shorter)


BAD: dict[str, tuple[Json, str, str]] = {
    "a score in an object": (generation(scores={"a": {}}), "calls-bad-value", "scores[...]"),
    "a score beyond every number": (
        generation(scores={"a": 10**400}),
        "calls-bad-value",
        "scores[...]",
    ),
    "below zero": (
        generation(usageDetails={"input": -1}),
        "calls-bad-value",
        "usageDetails[...]",
    ),
    "2^63": (
        generation(usageDetails={"input": 2**63}),
        "calls-bad-value",
        "usageDetails[...]",
    ),
    "2^63 in text": (
        enriched(usage_details={"input": str(2**63)}),
        "calls-bad-value",
        "usage_details",
    ),
    "a prompt in place of a counter": (
        enriched(usage_details={"input": PROMPT}),
        "calls-bad-value",
        "usage_details",
    ),
    "a fraction": (generation(usageDetails={"input": 1.5}), "calls-bad-value", "usageDetails"),
    "beyond every number": (
        generation(usageDetails={"input": 1e300}),
        "calls-bad-value",
        "usageDetails",
    ),
    "a fraction counted the old way": (
        generation(usageDetails=None, usage={"input": 1.5}),
        "calls-bad-value",
        "usage",
    ),
    "below zero in the table of the user interface": (
        generation(promptTokens=-1),
        "calls-bad-value",
        "promptTokens",
    ),
    "usage that is a list": (generation(usageDetails=[1]), "calls-bad-value", "usageDetails"),
    "a model that is an object": (generation(model={}), "calls-bad-value", "model"),
    "an end before the start": (
        generation(endTime="2026-01-15T09:14:22Z"),
        "calls-negative-duration",
        "endTime",
    ),
    "an end before the start, exported": (
        enriched(end_time="2026-01-15 09:14:22"),
        "calls-negative-duration",
        "end_time",
    ),
    "a first token before the start": (
        generation(completionStartTime="2026-01-15T09:14:22Z"),
        "calls-negative-duration",
        "completionStartTime",
    ),
    "a time that is none": (generation(startTime=PROMPT), "calls-bad-time", "startTime"),
    "an end that is none": (enriched(end_time=PROMPT), "calls-bad-time", "end_time"),
    "a score's time that is none": (score(timestamp=PROMPT), "calls-bad-time", "timestamp"),
    "scores that are text": (generation(scores=PROMPT), "calls-bad-value", "scores"),
}


@pytest.mark.parametrize(("row", "slug", "field"), BAD.values(), ids=BAD)
def test_what_cannot_be_read_is_named(tmp_path: Path, row: Json, slug: str, field: str) -> None:
    traffic = read(tmp_path, generation(), row, span("SPAN", "step", id="other"))
    (bad,) = traffic.bad_rows
    assert (bad.slug, bad.field, bad.line) == (slug, field, 2)
    assert PROMPT not in bad.message
    assert (len(traffic.calls), sum(traffic.skipped.values())) == (1, 1)


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_a_counter_that_json_does_not_know_is_no_json(tmp_path: Path, number: str) -> None:
    line = json.dumps(generation(id="2")).replace('"output": 248', f'"output": {number}')
    (bad,) = read(tmp_path, generation(), raw=line + "\n").bad_rows
    assert (bad.slug, bad.line) == ("traffic-not-json", 2)


@pytest.mark.parametrize("factor", [1, 1e3, 1e6, 1e9])
def test_epochs_of_every_unit_are_told_apart(tmp_path: Path, factor: float) -> None:
    start = datetime(2026, 1, 15, tzinfo=UTC)
    row = generation(
        startTime=start.timestamp() * factor,
        endTime=(start.timestamp() + 2) * factor,
        completionStartTime=None,
    )
    (found,) = rows_of(read(tmp_path, row))
    assert (found["start_time"], found["duration_s"]) == (start, 2.0)


def test_a_row_of_nulls_but_for_its_model_is_a_call(tmp_path: Path) -> None:
    nulls = dict.fromkeys(generation()) | {
        "id": "obs-1",
        "traceId": "trace-1",
        "type": "GENERATION",
        "unknown": {"extra": [1]},
    }
    traffic = read(tmp_path, nulls | {"model": "gpt-4o"}, nulls | {"id": "obs-2"})
    (row,) = rows_of(traffic)
    known = {name: value for name, value in row.items() if value not in (None, [], False, 0)}
    assert known == {
        "call_id": "obs-1",
        "trace_id": "trace-1",
        "span_id": "obs-1",
        "operation_name": "chat",
        "request_model": "gpt-4o",
        "attempts": 1,
        "source_file": str(tmp_path / "langfuse.jsonl"),
        "source_line": 1,
    }
    assert [bad.slug for bad in traffic.bad_rows] == ["calls-missing-field"]


def test_a_named_format_refuses_what_is_no_line_of_an_export(tmp_path: Path) -> None:
    with pytest.raises(LlmopsError) as caught:
        read(tmp_path, {"input": PROMPT}, format="langfuse", max_bad_rows=0)
    assert (caught.value.slug, caught.value.field) == ("calls-missing-field", "type")


def test_no_prompt_reaches_the_table(tmp_path: Path) -> None:
    helds = [held for held, _ in SAME_AS_CHAT.values()] + OWN_SHAPES
    rows = [generation(id=str(at), input=held) for at, held in enumerate(helds)]
    failed = generation(id="failed", level="ERROR", statusMessage=PROMPT, metadata=PROMPT)
    traffic = read(tmp_path, *rows, failed, score(), span("SPAN", PROMPT))
    assert traffic.bad_count == 0
    assert len(traffic.calls) == len(helds) + 1
    assert "swordfish" not in repr(rows_of(traffic))


def test_a_prompt_that_is_kept_is_json_whatever_its_shape(tmp_path: Path) -> None:
    helds = [held for held, _ in SAME_AS_CHAT.values()] + OWN_SHAPES
    log = tmp_path / "langfuse.jsonl"
    rows = [generation(id=str(at), input=held) for at, held in enumerate(helds)]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tables = Reading([log], Options(keep_content=True)).tables()
    contents = [text for table in tables for text in table["content"].to_pylist()]
    assert len(contents) == len(helds)
    assert all(json.loads(text)["messages"] for text in contents)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
message_like = st.dictionaries(
    st.sampled_from(
        ["role", "content", "parts", "type", "tool_calls", "messages", "input", "system", "tools"]
    ),
    st.sampled_from(["user", "tool", "assistant", "text", "function_call", "human"]) | anything,
)
held = st.lists(message_like | anything, max_size=3) | message_like | anything
observations = st.one_of(
    st.builds(
        lambda make, name, value: (make, {name: value}),
        st.sampled_from([generation, enriched, score]),
        st.sampled_from(sorted({*generation(), *enriched(), *score()})),
        anything,
    ),
    st.builds(
        lambda value, as_text: (generation, {"input": json.dumps(value) if as_text else value}),
        held,
        st.booleans(),
    ),
)


@pytest.mark.slow
@given(st.lists(observations, min_size=1, max_size=4))
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_row_is_lost_and_nothing_breaks(tmp_path: Path, made: list[Any]) -> None:
    # Each in a trace of its own, so that nothing is joined.
    rows = [
        make(**{"id": f"{at}", "traceId": f"{at}", "trace_id": f"{at}"} | changes)
        for at, (make, changes) in enumerate(made)
    ]
    traffic = read(tmp_path, generation(), *rows, max_bad_rows=9)
    skipped = sum(traffic.skipped.values())
    assert len(traffic.calls) + skipped + traffic.bad_count == len(rows) + 1
    validate(traffic.calls)
