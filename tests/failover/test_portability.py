"""Whose words a log is in does not matter: every reader's prompts are audited as what was sent."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.failover.portability import WORDS, Portability, api_of, moved, portability
from llmops_cli.failover.portability_tables import portability_findings, portability_tables
from llmops_cli.failover.translation import ANTHROPIC, OPENAI
from llmops_cli.failover.wording import logged_of
from llmops_cli.traffic import Options, read_traffic

Json = dict[str, Any]
Audit = Callable[..., tuple[Portability, ...]]

FIXTURES = Path(__file__).parents[1] / "fixtures"
TRUTH: Json = json.loads((FIXTURES / "truth.json").read_text("utf-8"))
TYPICAL: dict[str, list[Json]] = json.loads((FIXTURES / "typical_lines.json").read_bytes())
RECORDED = sorted(name for name, item in TRUTH["recordings"].items() if item["content"])
NOT_SAID = {
    # System texts are joined without a space between them.
    "anthropic-openllmetry-0.40-content": {"cache-write"},
    # An input item's own id in place of the call's.
    "openai-openllmetry-content": {"responses-tool-result"},
    # Of calls of Responses there are none.
    "openai-openllmetry-0.40-content": {"responses-tool-result"},
    # Tools are left out.
    "openai-v2-content": {"chat-tool-call", "chat-tool-result"},
}
"""Calls that an instrumentation tells otherwise than they were made, and how."""


def sent(call: Json) -> str:
    """A call that was made, as the reader of its API's own log keeps it."""
    request = call["request"]
    tools = request.get("tools", [])
    if call["api"] == "messages":
        system = request.get("system", [])
        apart = [system] if isinstance(system, str) else system
        kept = {"tools": tools, "system": apart, "messages": request["messages"]}
    elif call["api"] == "responses":
        kept = {"tools": tools, "system": [request["instructions"]], "messages": request["input"]}
    else:
        kept = {"tools": tools, "messages": request["messages"]}
    return json.dumps(kept)


def there(content: str, api: str) -> str:
    """What the other API would be sent, and what is said of it."""
    logged = logged_of(content, api)
    assert logged is not None
    found = moved(logged, api)
    return json.dumps([found.body, [item.slug for item in found.problems]], sort_keys=True)


@pytest.mark.parametrize("name", RECORDED)
def test_an_instrumented_prompt_moves_as_the_request_that_was_sent(name: str) -> None:
    """Seventeen SDK calls in six dialects: the same body for the other API, or a difference known
    and none that says less than the truth in silence."""
    recording = TRUTH["recordings"][name]
    folder = "litellm" if name == "litellm" else "otlp"
    calls = read_traffic(
        [FIXTURES / folder / f"{name}.jsonl"], Options(keep_content=True)
    ).calls.dropna(subset=["content"])
    found = {
        there(content, api_of(provider))
        for provider, content in zip(calls["provider_name"], calls["content"], strict=True)
    }
    sdks = [recording["sdk"]] if recording["sdk"] in TRUTH["calls"] else list(TRUTH["calls"])
    expected: dict[str, set[str]] = {}
    for sdk in sdks:
        for call in recording["calls"]:
            made = TRUTH["calls"][sdk].get(call.split("/")[-1])
            if made is not None and made["api"] != "embeddings":
                expected.setdefault(there(sent(made), sdk), set()).add(call.split("/")[-1])
    known = NOT_SAID.get(name, set())
    assert all(names & known for body, names in expected.items() if body not in found)
    assert len(found - expected.keys()) <= len(known)


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    """Lines of a log read as a user's are, and audited."""

    def run(*lines: Json) -> tuple[Portability, ...]:
        path = tmp_path / "log.jsonl"
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return portability(read_traffic([path], Options(keep_content=True)).calls)

    return run


KINDS = {
    # format: API, prompts, as they are, changed, not at all, not logged
    "anthropic-messages": (ANTHROPIC, 2, 2, 0, 0, 0),
    "openai-chat": (OPENAI, 1, 1, 0, 0, 0),
    "openai-responses": (OPENAI, 1, 0, 1, 0, 0),
    "otlp-json": (OPENAI, 3, 3, 0, 0, 0),
    "langfuse": (OPENAI, 1, 1, 0, 0, 0),
    "litellm": (OPENAI, 1, 1, 0, 0, 1),
    "anthropic-batch": (ANTHROPIC, 1, 1, 0, 0, 1),
    "openai-batch": (OPENAI, 1, 1, 0, 0, 1),
    "bedrock-invocation": (ANTHROPIC, 2, 2, 0, 0, 0),
}


@pytest.mark.parametrize("name", TYPICAL)
def test_every_format_is_audited_or_says_that_it_holds_no_prompt(name: str, audit: Audit) -> None:
    if name == "claude-code":
        with pytest.raises(LlmopsError) as caught:
            audit(*TYPICAL[name])
        assert caught.value.slug == "failover-no-content"
        return
    (found,) = audit(*TYPICAL[name])
    counts = (found.requests, found.unchanged, found.flagged, found.refused, found.missing)
    assert (found.api, *counts) == KINDS[name]


BASE = {"timestamp": "2026-09-01T08:00:00Z", "duration_s": 1.5}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "ok"}
FLAT = {"type": "function", "name": "f", "parameters": {"type": "object"}}
USER = {"role": "user", "content": "hi"}


def responses(given: Any, **request: Any) -> Json:  # noqa: ANN401 - JSON
    return {
        **BASE,
        "request": {"model": "gpt-5.1", "input": given, **request},
        "response": {"object": "response", "id": "r", "model": "gpt-5.1", "status": "completed"},
    }


@pytest.mark.parametrize(
    ("given", "slugs"),
    [
        ("hi", []),
        ([{"type": "message", "role": "user", "status": "completed", "content": "hi"}], []),
        ([{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}], []),
        ([{"role": "user", "content": [{"type": "input_image", "image_url": "https://x/a"}]}], []),
        ([{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}],
         ["file-of-provider"]),
        ([{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}], ["document"]),
        ([USER, CALL, OUTPUT], []),
        ([USER, CALL, {**CALL, "call_id": "d"}, OUTPUT, {**OUTPUT, "call_id": "d"}], []),
        ([USER, CALL], ["prefill", "tool-call-without-result"]),
        ([USER, {"type": "reasoning", "encrypted_content": "x"}, CALL, OUTPUT],
         ["thinking-dropped"]),
        ([USER, {"type": "item_reference", "id": "i"}], ["state-of-provider"]),
        ([USER, {"type": "web_search_call", "id": "i"}], ["server-tool"]),
        ([USER, {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"},
          {"type": "custom_tool_call_output", "call_id": "c", "output": "y"}], ["server-tool"]),
        ([USER, {"type": "odd"}], ["content-unreadable"]),
    ],
)  # fmt: skip
def test_items_of_responses(audit: Audit, given: Any, slugs: list[str]) -> None:  # noqa: ANN401
    (found,) = audit(responses(given, tools=[FLAT]))
    assert sorted(item.slug for item, _ in found.reasons) == slugs


def test_calls_of_one_turn_are_one_message() -> None:
    items = [USER, CALL, {**CALL, "call_id": "d"}, OUTPUT, {**OUTPUT, "call_id": "d"}]
    logged = logged_of(json.dumps({"messages": items}), OPENAI)
    assert logged is not None
    assert [item["role"] for item in logged.messages] == ["user", "assistant", "tool", "tool"]
    body = moved(logged, OPENAI).body
    assert [item["role"] for item in body["messages"]] == ["user", "assistant", "user"]


def test_a_prompt_that_begins_at_the_provider_is_not_in_the_log(audit: Audit) -> None:
    (found,) = audit(responses("hi"), responses("and?", previous_response_id="r0"))
    assert (found.requests, found.missing) == (1, 1)
    assert [item.slug for item in portability_findings([found])] == ["failover-prompts-missing"]


def litellm(model: str, provider: str, *messages: Json, **more: Any) -> Json:  # noqa: ANN401
    return {**TYPICAL["litellm"][0], "id": model, "model": model,
            "custom_llm_provider": provider, "messages": list(messages), **more}  # fmt: skip


def test_a_gateway_logs_both_apis_in_the_words_of_one(audit: Audit) -> None:
    """LiteLLM: what Anthropic was sent in OpenAI's words moves to OpenAI as it is."""
    use = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turn = (
        {"role": "system", "content": "s"},
        USER,
        {"role": "assistant", "content": None, "tool_calls": [use]},
        {"role": "tool", "tool_call_id": "c", "content": "ok"},
    )
    (found,) = audit(litellm("claude-sonnet-4-6", "anthropic", *turn))
    assert (found.api, found.target) == (ANTHROPIC, OPENAI)
    # The tools of a LiteLLM log are in none of its fields.
    assert [item.slug for item, _ in found.reasons] == ["tools-not-logged"]
    logged = logged_of(json.dumps({"messages": turn}), ANTHROPIC)
    assert logged is not None
    assert moved(logged, ANTHROPIC).body["messages"] == list(turn)


CONVERSE = {
    "schemaType": "ModelInvocationLog", "schemaVersion": "1.0",
    "timestamp": "2026-09-01T08:00:00Z", "region": "us-east-1", "requestId": "r",
    "operation": "Converse", "modelId": "anthropic.claude-sonnet-4-6-v1:0",
}  # fmt: skip
TOOL_USE = {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}}


@pytest.mark.parametrize(
    ("blocks", "slugs"),
    [
        ([{"text": "x"}, {"cachePoint": {"type": "default"}}], []),
        ([{"image": {"format": "png", "source": {"bytes": "AAAA"}}}], []),
        ([{"document": {"format": "pdf", "name": "d", "source": {"bytes": "AAAA"}}}], ["document"]),
        ([{"toolResult": {"toolUseId": "t", "content": [{"text": "ok"}]}}], []),
        ([{"toolResult": {"toolUseId": "t", "content": [{"json": {"a": 1}}]}}], []),
        ([{"toolResult": {"toolUseId": "t", "status": "error", "content": [{"text": "no"}]}}],
         ["tool-error-flag"]),
        ([{"video": {"format": "mp4", "source": {"bytes": "AAAA"}}}], ["content-unknown"]),
    ],
)  # fmt: skip
def test_blocks_of_converse(audit: Audit, blocks: list[Json], slugs: list[str]) -> None:
    first = [{"role": "user", "content": [{"text": "q"}]},
             {"role": "assistant", "content": [TOOL_USE]}]  # fmt: skip
    called = first if "toolResult" in blocks[0] else []
    spec = {"name": "f", "description": "d", "inputSchema": {"json": {"type": "object"}}}
    body = {
        "messages": [*called, {"role": "user", "content": blocks}],
        "system": [{"text": "s"}],
        "toolConfig": {"tools": [{"toolSpec": spec}]},
    }
    (found,) = audit({**CONVERSE, "input": {"inputBodyJson": body, "inputTokenCount": 5}})
    assert found.api == ANTHROPIC
    assert [item.slug for item, _ in found.reasons] == slugs


def parts(*given: Json, role: str = "user") -> Json:
    return {"role": role, "parts": list(given)}


@pytest.mark.parametrize(
    ("messages", "slugs"),
    [
        ([parts({"type": "blob", "modality": "image", "mime_type": "image/png",
                 "content": "AAAA"})], []),
        ([parts({"type": "uri", "modality": "image", "uri": "https://x/a.png"})], []),
        ([parts({"type": "file", "modality": "image", "file_id": "f"})], ["file-of-provider"]),
        ([parts({"type": "blob", "modality": "document", "content": "AAAA"})], ["document"]),
        ([parts({"type": "odd", "x": 1})], ["content-unknown"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("api", [ANTHROPIC, OPENAI])
def test_parts_of_opentelemetry(messages: list[Json], slugs: list[str], api: str) -> None:
    """Of either API: told again in its words, then moved to the other."""
    logged = logged_of(json.dumps({"messages": messages}), api)
    assert logged is not None
    found = {item.slug for item in moved(logged, api).problems}
    assert set(slugs) <= found <= {*slugs, "user-not-first"}


def test_who_is_answered_with_a_call_had_tools(audit: Audit) -> None:
    line = json.loads(json.dumps(TYPICAL["openai-chat"][0]))
    line["request"] = {"model": "gpt-5.1", "messages": [USER]}
    line["response"]["choices"][0]["finish_reason"] = "tool_calls"
    (found,) = audit(line)
    assert [item.slug for item, _ in found.reasons] == ["tools-not-logged"]
    assert found.unchanged == 0


def test_a_log_that_names_nobody_is_said_to_be_guessed(audit: Audit) -> None:
    nameless = json.loads(json.dumps(TYPICAL["langfuse"][0])) | {"id": "o9", "model": "house-7b"}
    (found,) = audit(nameless)
    assert (found.api, found.guessed) == (OPENAI, 1)
    assert [item.slug for item in portability_findings([found])] == ["failover-provider-unknown"]
    (claude,) = audit(nameless | {"model": "claude-sonnet-4-6"})
    assert (claude.api, claude.guessed) == (ANTHROPIC, 0)


@pytest.mark.parametrize(
    ("provider", "model", "api"),
    [
        ("anthropic", "", ANTHROPIC),
        ("aws.bedrock", "amazon.nova-pro-v1:0", ANTHROPIC),
        ("gcp.vertex_ai", "claude-sonnet-4@20250514", ANTHROPIC),
        ("gcp.vertex_ai", "gemini-2.5-pro", OPENAI),
        ("", "claude-haiku-4-5", ANTHROPIC),
        ("", "", OPENAI),
        ("openai", "claude-compatible-name", OPENAI),
    ],
)
def test_whose_api_a_request_was_sent_to(provider: str, model: str, api: str) -> None:
    assert api_of(provider, model) == api


def test_an_api_without_a_single_prompt_has_no_shares(audit: Audit) -> None:
    found = audit(
        responses("hi"),
        litellm("claude-sonnet-4-6", "anthropic", messages=None),
    )
    table = next(iter(portability_tables(found)))
    rows = {row[0]: row for row in table.rows}
    assert rows[OPENAI][2:] == (1, 1.0, 0.0, 0.0, 0)
    assert rows[ANTHROPIC][2:] == (0, None, None, None, 1)
    assert all(slug in WORDS for slug in ("state-of-provider", "tools-not-logged"))
