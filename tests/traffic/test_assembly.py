"""The joins through files: traces as they are logged, and the calls that they come to."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmops_cli.calls import from_arrow
from llmops_cli.traffic import (
    Options,
    Reading,
    Traffic,
    chunks,
    corrections,
    homes,
    parted,
    read_calls,
    table,
)

Json = dict[str, Any]
START, SECOND = 1_788_249_600 * 10**9, 10**9
PROMPT = [{"role": "user", "parts": [{"type": "text", "content": "plan a trip"}]}]
OTHER = [{"role": "user", "parts": [{"type": "text", "content": "cancel it"}]}]
ROUTER: Json = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "router"}
AGENT: Json = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}


def value(of: object) -> Json:
    if isinstance(of, int):
        return {"intValue": str(of)}
    return {"doubleValue": of} if isinstance(of, float) else {"stringValue": of}


def pairs(values: Json) -> list[Json]:
    return [{"key": key, "value": value(item)} for key, item in values.items()]


def span(number: int, attributes: Json, *, at: float | None = None, **more: Any) -> Json:  # noqa: ANN401 - JSON
    begun = START + int((number if at is None else at) * SECOND)
    parent = more.pop("parent", 0)
    return {
        "traceId": f"{more.pop('trace', 1):032x}",
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "startTimeUnixNano": str(begun),
        "endTimeUnixNano": str(begun + int(more.pop("lasts", 1) * SECOND)),
        "attributes": pairs(attributes),
        **more,
    }


def call(
    number: int,
    *,
    prompt: list[Json] | None = None,
    error: str = "",
    model: str = "m",
    tokens: int | None = 100,
    more: Json | None = None,
    **fields: Any,  # noqa: ANN401 - JSON
) -> Json:
    attributes: Json = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model}
    if prompt is not None:
        attributes["gen_ai.input.messages"] = json.dumps(prompt)
    if error:
        attributes["error.type"] = error
    elif tokens is not None:
        attributes["gen_ai.usage.input_tokens"] = tokens
    return span(number, attributes | (more or {}), **fields)


def evaluation(number: int, name: str, score: float, **more: Any) -> Json:  # noqa: ANN401 - JSON
    said = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": score}
    return {
        "eventName": "gen_ai.evaluation.result",
        "timeUnixNano": str(START + number * SECOND),
        "traceId": f"{1:032x}",
        "spanId": f"{number:016x}" if number else "",
        "attributes": pairs(said | more),
    }


def exported(*items: Json) -> list[Json]:
    """One span or record a line, so that lines tell them apart."""
    lines: list[Json] = []
    for item in items:
        if "eventName" in item:
            lines.append({"resourceLogs": [{"scopeLogs": [{"logRecords": [item]}]}]})
        else:
            scope = {"scope": {"name": item.pop("scope", "s")}, "spans": [item]}
            lines.append({"resourceSpans": [{"scopeSpans": [scope]}]})
    return lines


Read = Callable[..., Traffic]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def reading(*items: Json) -> Traffic:
        path = tmp_path / "log.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in exported(*items)))
        traffic = read_calls([path])
        assert traffic.bad_count == 0
        return traffic

    return reading


def numbers(traffic: Traffic) -> list[int]:
    return [int(span_id, 16) for span_id in traffic.calls["span_id"]]


# Calls that are one call made several times, and the number of attempts.
GROUPED: dict[str, list[Json]] = {
    "the same prompt": [
        call(1, prompt=PROMPT, error="timeout"),
        call(3, prompt=PROMPT),
    ],
    "the same prompt to another model": [
        call(1, prompt=PROMPT, error="timeout"),
        call(3, prompt=PROMPT, model="other"),
    ],
    "no prompt, the same model": [call(1, error="429"), call(3)],
    "under one parent": [call(1, error="429", parent=9), call(3, parent=9), span(9, AGENT, at=0)],
    "under a parent that is not there": [call(1, error="429", parent=9), call(3, parent=9)],
    "a refused request sent again as it was": [
        call(1, prompt=PROMPT, error="400"),
        call(3, prompt=PROMPT),
    ],
    "another model inside a router's call": [
        span(9, ROUTER, at=0, lasts=8),
        call(1, error="invalid_request_error", parent=9),
        call(3, parent=9, model="other"),
    ],
    "a parallel call with another prompt begins between them": [
        call(1, prompt=PROMPT, error="timeout"),
        call(2, prompt=OTHER, lasts=8),
        call(3, prompt=PROMPT),
    ],
}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("case", GROUPED)
def test_a_failed_request_and_its_repetition_are_one_call(
    read: Read, case: str, *, turned: bool
) -> None:
    items = [json.loads(json.dumps(item)) for item in GROUPED[case]]
    traffic = read(*(reversed(items) if turned else items))
    rows = traffic.calls.set_index("span_id")
    row = rows.loc[f"{3:016x}"]
    assert f"{1:016x}" not in rows.index
    assert (row["attempts"], row["start_time"].second, row["duration_s"]) == (2, 1, 3.0)
    assert traffic.joins["retries-grouped"] == 1


# Calls that look alike, and must stay what they are.
APART: dict[str, list[Json]] = {
    "different prompts": [call(1, prompt=PROMPT, error="timeout"), call(3, prompt=OTHER)],
    "different conversations": [
        call(1, error="429", more={"gen_ai.conversation.id": "a"}),
        call(3, more={"gen_ai.conversation.id": "b"}),
    ],
    "the same prompt in different conversations": [
        call(1, prompt=PROMPT, error="429", more={"gen_ai.conversation.id": "a"}),
        call(3, prompt=PROMPT, more={"gen_ai.conversation.id": "b"}),
    ],
    "different traces": [call(1, prompt=PROMPT, error="429"), call(3, prompt=PROMPT, trace=2)],
    "different parents": [
        call(1, prompt=PROMPT, error="429", parent=8),
        call(3, prompt=PROMPT, parent=9),
    ],
    "three minutes later": [
        call(1, prompt=PROMPT, error="429"),
        call(3, prompt=PROMPT, at=182.5),
    ],
    "no prompt, more than a minute later": [call(1, error="429"), call(3, at=63.0)],
    "no prompt, another model": [call(1, error="429"), call(3, model="other")],
    "no prompt, a request that was wrong": [call(1, error="BadRequestError"), call(3)],
    "no prompt, not allowed": [call(1, error="401"), call(3)],
    "one has a prompt, one has none": [call(1, prompt=PROMPT, error="429"), call(3)],
    "the other had begun before": [
        call(1, prompt=PROMPT, error="429", lasts=5),
        call(3, prompt=PROMPT),
    ],
    "the first went well": [call(1, prompt=PROMPT), call(3, prompt=PROMPT)],
    "different prompts inside a router's call": [
        span(9, ROUTER, at=0, lasts=8),
        call(1, prompt=PROMPT, error="429", parent=9),
        call(3, prompt=OTHER, parent=9),
    ],
    "embeddings after a chat": [
        call(1, error="429"),
        call(3, more={"gen_ai.operation.name": "embeddings"}),
    ],
    "the same tools, the messages unknown": [
        call(1, error="429", model="a", more={"gen_ai.tool.definitions": '[{"name":"t"}]'}),
        call(3, model="b", more={"gen_ai.tool.definitions": '[{"name":"t"}]'}),
    ],
}


@pytest.mark.parametrize("case", APART)
def test_calls_that_only_look_like_repetitions_stay_apart(read: Read, case: str) -> None:
    traffic = read(*(json.loads(json.dumps(item)) for item in APART[case]))
    assert sorted(numbers(traffic)) == [1, 3]
    assert traffic.calls["attempts"].tolist() == [1, 1]
    assert "retries-grouped" not in traffic.joins


def message_record(number: int, text: str) -> Json:
    return {
        "eventName": "gen_ai.user.message",
        "timeUnixNano": str(START + number * SECOND),
        "traceId": f"{1:032x}",
        "spanId": f"{number:016x}",
        "body": {"kvlistValue": {"values": pairs({"content": text})}},
    }


@pytest.mark.parametrize(("second", "calls"), [("plan a trip", 1), ("cancel it", 2)])
def test_prompts_logged_apart_tell_repetitions_from_other_calls(
    read: Read, second: str, calls: int
) -> None:
    traffic = read(
        message_record(1, "plan a trip"), message_record(3, second), call(1, error="429"), call(3)
    )
    assert len(traffic.calls) == calls
    assert all(len(blocks) == 1 for blocks in traffic.calls["block_hashes"])


def test_three_attempts_of_which_none_went_well_are_one_failed_call(read: Read) -> None:
    traffic = read(call(1, error="429"), call(3, error="429"), call(6, error="timeout"))
    (row,) = traffic.calls.to_dict("records")
    assert (row["attempts"], row["error_type"], row["duration_s"]) == (3, "timeout", 6.0)
    assert traffic.joins == {"retries-grouped": 2}


def test_the_first_token_is_counted_from_the_first_attempt(read: Read) -> None:
    late = {"gen_ai.response.time_to_first_chunk": 0.25}
    traffic = read(call(1, error="429"), call(3, more=late))
    assert traffic.calls["ttft_s"].tolist() == [2.25]


# Spans around spans, and the calls that are left.
NESTED: dict[str, tuple[list[Json], list[int], Json]] = {
    "a framework around a client": (
        [call(1, lasts=5), call(2, parent=1)],
        [2],
        {"repeated-by-parent": 1},
    ),
    "two wrappers, and a span that is no call between them": (
        [call(1), span(2, {}, parent=1), call(3, parent=2), call(4, parent=3)],
        [4],
        {"repeated-by-parent": 2},
    ),
    "a wrapper around two calls": (
        [call(1, tokens=200), call(2, parent=1), call(3, parent=1)],
        [2, 3],
        {"repeated-by-parent": 1},
    ),
    "only the wrapper was counted": (
        [call(1), call(2, parent=1, tokens=None)],
        [1],
        {"repeated-by-child": 1},
    ),
    "counted outside and inside of one that is not": (
        [call(1), call(2, parent=1, tokens=None), call(3, parent=2)],
        [3],
        {"repeated-by-parent": 2},
    ),
    "neither was counted": (
        [call(1, tokens=None), call(2, parent=1, tokens=None)],
        [2],
        {"repeated-by-parent": 1},
    ),
    "both failed": (
        [call(1, error="429"), call(2, parent=1, error="429")],
        [2],
        {"repeated-by-parent": 1},
    ),
    "an agent that adds up its calls": (
        [span(1, AGENT | {"gen_ai.usage.input_tokens": 900}), call(2, parent=1)],
        [2],
        {},
    ),
    "embeddings inside a chat": (
        [call(1), call(2, parent=1, more={"gen_ai.operation.name": "embeddings"})],
        [1, 2],
        {},
    ),
    "a cycle of parents": ([call(1, parent=2), call(2, parent=1)], [1, 2], {"parent-cycle": 2}),
    "its own parent": ([call(1, parent=1)], [1], {"parent-cycle": 1}),
    "a parent that is not there": ([call(1, parent=7)], [1], {"missing-parent": 1}),
    "a parent that begins later": (
        [span(9, AGENT, at=5), call(1, parent=9)],
        [1],
        {"clock-skew": 1},
    ),
    "the same span id in two traces": ([call(1), call(1, trace=2)], [1, 1], {}),
}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("case", NESTED)
def test_of_spans_around_each_other_the_calls_are_left(
    read: Read, case: str, *, turned: bool
) -> None:
    items, left, joins = NESTED[case]
    copied = [json.loads(json.dumps(item)) for item in items]
    traffic = read(*(reversed(copied) if turned else copied))
    assert sorted(numbers(traffic)) == left
    assert traffic.joins == joins


def test_failures_inside_a_call_that_went_well_are_its_attempts(read: Read) -> None:
    traffic = read(call(1, lasts=6), call(2, error="429", parent=1), call(4, error="429", parent=1))
    (row,) = traffic.calls.to_dict("records")
    assert (row["span_id"], row["attempts"], row["error_type"]) == (f"{1:016x}", 3, None)


def test_spans_around_a_call_say_what_it_does_not(read: Read) -> None:
    traffic = read(
        span(1, AGENT | {"gen_ai.conversation.id": "c", "user.id": "u"}, at=0),
        span(2, {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "maps"}, parent=1),
        span(3, {"gen_ai.prompt.name": "task"}, parent=2),
        call(4, parent=3, more={"user.id": "own"}),
    )
    (row,) = traffic.calls.to_dict("records")
    names = ("agent_name", "conversation_id", "tool_name", "task", "user_id")
    assert [row[name] for name in names] == ["planner", "c", "maps", "task", "own"]


def test_a_wrapper_that_is_dropped_still_says_whose_call_it_was(read: Read) -> None:
    traffic = read(call(1, more={"gen_ai.conversation.id": "c"}), call(2, parent=1))
    assert traffic.calls["conversation_id"].tolist() == ["c"]


def test_calls_of_one_run_of_an_agent_are_one_conversation(read: Read) -> None:
    traffic = read(span(1, AGENT, at=0), call(2, parent=1), call(3, trace=2))
    assert [c == f"{1:032x}" for c in traffic.calls["conversation_id"].fillna("")] == [True, False]


def test_the_nearest_agent_counts(read: Read) -> None:
    inner = AGENT | {"gen_ai.agent.name": "helper"}
    traffic = read(span(1, AGENT, at=0), span(2, inner, parent=1), call(3, parent=2))
    assert traffic.calls["agent_name"].tolist() == ["helper"]


# Where an evaluation points to, and whether it finds the call.
JUDGED: dict[str, tuple[list[Json], list[float | None], Json]] = {
    "by its span": ([call(1), evaluation(1, "a", 0.5)], [0.5], {}),
    "by the id of the response": (
        [
            call(1, more={"gen_ai.response.id": "r"}),
            evaluation(0, "a", 0.5, **{"gen_ai.response.id": "r"}),
        ],
        [0.5],
        {},
    ),
    "the response counts before the span": (
        [
            call(1, more={"gen_ai.response.id": "r"}),
            call(2),
            evaluation(2, "a", 0.5, **{"gen_ai.response.id": "r"}),
        ],
        [0.5, None],
        {},
    ),
    "by a wrapper that is dropped": (
        [call(1), call(2, parent=1), evaluation(1, "a", 0.5)],
        [0.5],
        {"repeated-by-parent": 1},
    ),
    "by an attempt that failed": (
        [call(1, error="429"), call(3), evaluation(1, "a", 0.5)],
        [0.5],
        {"retries-grouped": 1},
    ),
    "by an agent's span": (
        [span(1, AGENT), call(2, parent=1), evaluation(1, "a", 0.5)],
        [None],
        {"evaluation-without-call": 1},
    ),
    "by a span that is not there": (
        [call(1), evaluation(7, "a", 0.5)],
        [None],
        {"evaluation-without-call": 1},
    ),
    "the evaluator that judged most": (
        [
            call(1),
            call(2),
            evaluation(1, "rare", 0.1),
            evaluation(1, "usual", 0.5),
            evaluation(2, "usual", 0.6),
        ],
        [0.5, 0.6],
        {},
    ),
    "the last word of an evaluator": (
        [call(1), evaluation(1, "a", 0.5), evaluation(1, "a", 0.75)],
        [0.75],
        {},
    ),
    "a label without a score": (
        [
            call(1),
            {**evaluation(1, "a", 0.5), "attributes": pairs({"gen_ai.evaluation.name": "a"})},
        ],
        [None],
        {},
    ),
}


@pytest.mark.parametrize("case", JUDGED)
def test_evaluations_find_the_call_that_they_judge(read: Read, case: str) -> None:
    items, scores, joins = JUDGED[case]
    traffic = read(*(json.loads(json.dumps(item)) for item in items))
    found = traffic.calls.sort_values("start_time")["evaluation_score"]
    assert [
        None if score is None else score
        for score in found.astype(object).where(found.notna(), None)
    ] == scores
    assert traffic.joins == joins


def cached(number: int, given_tokens: int, read_tokens: int, **fields: Any) -> Json:  # noqa: ANN401
    provider = fields.pop("provider", "anthropic")
    more = {
        "gen_ai.usage.cache_read.input_tokens": read_tokens,
        "gen_ai.provider.name": provider,
    }
    return call(number, tokens=given_tokens, more=more, **fields)


def test_one_proof_decides_how_a_library_counts(read: Read) -> None:
    proof, doubtful = cached(1, 10, 90), cached(2, 100, 90)
    traffic = read(proof, doubtful)
    assert traffic.calls["input_tokens"].tolist() == [10, 100]
    assert traffic.joins == {"cached-tokens-outside": 2}


def test_without_a_proof_cached_tokens_are_inside_and_it_is_said(read: Read) -> None:
    traffic = read(cached(1, 100, 90), cached(2, 95, 90))
    assert traffic.calls["input_tokens"].tolist() == [10, 5]
    assert traffic.joins == {"cached-tokens-inside": 2}


@pytest.mark.parametrize("other", [{"scope": "another"}, {"provider": "openai"}])
def test_a_proof_speaks_for_its_library_and_provider_alone(read: Read, other: Json) -> None:
    traffic = read(cached(1, 10, 90), cached(2, 100, 90, **other))
    assert traffic.calls["input_tokens"].tolist() == [10, 10]
    assert traffic.joins == {"cached-tokens-inside": 1, "cached-tokens-outside": 1}


def test_of_a_span_exported_twice_the_fuller_counts(read: Read) -> None:
    begun = call(1, tokens=None, lasts=0)
    traffic = read(begun, call(1), call(1))
    assert traffic.calls["input_tokens"].tolist() == [100]
    assert traffic.calls["source_line"].tolist() == [2]
    assert traffic.joins == {"duplicate-span": 2}


# The same log, however it is cut and wherever its rows wait.

steps = st.lists(
    st.tuples(
        st.sampled_from(["call", "failed", "agent", "judged", "said"]),
        st.integers(1, 6),
        st.integers(0, 6),
        st.integers(1, 2),
        st.sampled_from([None, 0, 1]),
        st.sampled_from(["a", "", "conversation-of-another-length", "0123456789abcdef"]),
    ),
    min_size=1,
    max_size=20,
)


def random_log(drawn: list[tuple[str, int, int, int, int | None, str]]) -> Iterator[Json]:
    for kind, number, parent, trace, prompt, conversation in drawn:
        more = {"gen_ai.conversation.id": conversation} if conversation else {}
        asked = None if prompt is None else (PROMPT, OTHER)[prompt]
        fields: Json = {"parent": parent, "trace": trace, "more": more}
        if kind == "call":
            yield cached(number, 10 * number, 5 * parent, trace=trace, parent=parent)
        elif kind == "failed":
            yield call(number, prompt=asked, error="429", **fields)
        elif kind == "agent":
            yield span(number, AGENT | more, parent=parent, trace=trace)
        elif kind == "judged":
            yield evaluation(number, conversation, parent / 10)
        else:
            yield message_record(number, conversation)


def assembled(path: Path, spool: Path | None, jobs: int = 1) -> tuple[Any, ...]:
    reading = Reading([path], Options(), jobs=jobs, spool=spool)
    tables = list(reading.tables(required=False))
    frame = from_arrow(pa.concat_tables(tables)).to_dict("records") if tables else []
    return str(frame), reading.joins, dict(reading.skipped), reading.quarantine.rows


@pytest.mark.slow
@given(
    drawn=steps,
    rows=st.integers(1, 4),
    cut=st.integers(200, 2000),
    small=st.tuples(st.sampled_from([1, 3000]), st.integers(1, 6), st.sampled_from([1, 5])),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_calls_do_not_depend_on_how_the_log_was_cut(
    tmp_path: Path,
    drawn: list[tuple[str, int, int, int, int | None, str]],
    rows: int,
    cut: int,
    small: tuple[int, int, int],
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in exported(*random_log(drawn))))
    whole = assembled(path, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_BYTES", cut)
        patch.setattr(table, "BATCH_ROWS", rows)
        patch.setattr(table, "_SLICE_ROWS", rows)
        assert assembled(path, None) == whole
        assert assembled(path, tmp_path) == whole
        patch.setattr(parted, "WAITING_BYTES", small[0])
        patch.setattr(homes, "HOMES_BITS", small[1])
        patch.setattr(corrections, "STRETCH_ROWS", small[2])
        assert assembled(path, tmp_path) == whole
    assert assembled(path, tmp_path) == whole


def test_two_processes_give_the_same_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.jsonl"
    items = [
        item
        for n in range(40)
        for item in (
            span(100 * n + 1, AGENT, trace=n + 1),
            call(100 * n + 2, prompt=PROMPT, error="429", parent=100 * n + 1, trace=n + 1),
            cached(100 * n + 4, 10 + n, 30, parent=100 * n + 1, trace=n + 1),
            evaluation(100 * n + 4, "a", 0.5) | {"traceId": f"{n + 1:032x}"},
            message_record(100 * n + 4, f"message {n}") | {"traceId": f"{n + 1:032x}"},
        )
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in exported(*items)))
    alone = assembled(path, None)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 20_000)
    assert assembled(path, None, jobs=2) == alone
    assert assembled(path, tmp_path, jobs=2) == alone
    assert alone[1]["cached-tokens-outside"] > 0


def test_a_thousand_evaluations_of_a_thousand_calls(read: Read) -> None:
    items: list[Json] = [call(n, tokens=n) for n in range(1, 1001)]
    items += [evaluation(n, f"evaluator {n % 3}", n / 2000) for n in range(1, 1001)]
    scores = read(*items).calls["evaluation_score"]
    judged = [n / 2000 if n % 3 == 1 else None for n in range(1, 1001)]
    assert scores.astype(object).where(scores.notna(), None).tolist() == judged


def test_a_score_finds_its_answer_in_another_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [call(n, trace=n, more={"gen_ai.response.id": f"r{n % 40}"}) for n in range(1, 81)] + [
        evaluation(0, "a", n / 100, **{"gen_ai.response.id": f"r{n}"}) for n in range(40)
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in exported(*items)))
    alone = assembled(path, None)
    monkeypatch.setattr(parted, "WAITING_BYTES", 1)
    assert assembled(path, tmp_path) == alone
    scores = read_calls([path]).calls["evaluation_score"]
    # Of two calls with one id the first is meant.
    assert scores[:40].tolist() == [n % 40 / 100 for n in range(1, 41)]
    assert scores[40:].isna().all()


def test_batches_meet_their_requests_in_any_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "plan a trip"}]}
    used = {"prompt_tokens": 9, "completion_tokens": 1}
    body = {"object": "chat.completion", "model": "m-1", "usage": used}
    lines: list[Json] = [
        {"custom_id": f"{n}", "method": "POST", "url": "/v1/chat/completions", "body": asked}
        for n in range(60)
    ]
    lines += [
        {"id": f"b{n}", "custom_id": f"{n}", "error": None,
         "response": {"status_code": 200, "body": {**body, "id": f"c{n}"}}}
        for n in range(60)
    ]  # fmt: skip
    path = tmp_path / "batch.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    alone = assembled(path, None)
    monkeypatch.setattr(parted, "WAITING_BYTES", 1)
    assert assembled(path, tmp_path) == alone
    assert [len(blocks) for blocks in read_calls([path]).calls["block_hashes"]] == [1] * 60
