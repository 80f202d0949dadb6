"""Both SDKs against a real server: what is sent, what is read, and every way to fail."""

import asyncio
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.live import Completion, Failure, Request, Usage, open_client
from llmops_cli.live.prompts import verdict_schema

PROVIDER = run_path(str(Path(__file__).with_name("provider.py")))
serving, Act, KEY = PROVIDER["serving"], PROVIDER["Act"], PROVIDER["KEY"]

REQUEST = Request("judge-x", "a very secret prompt", verdict_schema(("accept", "reject")), 77)
BOTH = pytest.mark.parametrize("provider", ["anthropic", "openai"])


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    for name in ("ANTHROPIC_LOG", "OPENAI_LOG"):
        monkeypatch.delenv(name, raising=False)


def ask(server: Any, provider: str, request: Request = REQUEST, **how: Any) -> Completion:  # noqa: ANN401 - of run_path
    async def run() -> Completion:
        client = open_client(provider, base_url=server.url(provider), **how)
        try:
            return await client.complete(request)
        finally:
            await client.close()

    return asyncio.run(run())


@BOTH
def test_an_answer_is_read_whole(provider: str) -> None:
    with serving() as server:
        found = ask(server, provider)
    assert json.loads(found.text) == {"verdict": "accept", "confidence": 0.75}
    assert found.model == "judge-x-served"
    assert found.usage == Usage(len(REQUEST.prompt) // 4, 12)
    assert found.response_id in {"msg_1", "chatcmpl-1"}
    assert found.finish_reason in {"tool_use", "stop"}


@BOTH
def test_the_key_of_the_environment_and_the_schema_are_sent(provider: str) -> None:
    with serving() as server:
        ask(server, provider)
        (one,) = server.served
    assert KEY in one.key
    assert one.prompt == REQUEST.prompt
    schema = (
        one.body["tools"][0]["input_schema"]
        if provider == "anthropic"
        else one.body["response_format"]["json_schema"]["schema"]
    )
    assert schema == REQUEST.schema
    assert 77 in {one.body.get("max_tokens"), one.body.get("max_completion_tokens")}


@BOTH
def test_without_a_schema_text_is_asked_for(provider: str) -> None:
    with serving(lambda _prompt, _before: Act(text="some words")) as server:
        found = ask(server, provider, dataclasses.replace(REQUEST, schema=None))
        (one,) = server.served
    assert found.text == "some words"
    assert not {"tools", "tool_choice", "response_format"} & one.body.keys()


@pytest.mark.parametrize(
    ("provider", "usage", "expected"),
    [
        (
            "anthropic",
            {
                "input_tokens": 5,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 30,
                "cache_creation": {"ephemeral_1h_input_tokens": 20},
            },
            Usage(5, 12, 100, 10, 20),
        ),
        (
            "openai",
            {
                "prompt_tokens": 135,
                "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 30},
                "completion_tokens_details": {"reasoning_tokens": 9},
            },
            Usage(5, 12, 100, 30, 0, 9),
        ),
    ],
)
def test_cached_tokens_become_classes_that_do_not_overlap(
    provider: str, usage: dict[str, Any], expected: Usage
) -> None:
    with serving(lambda _prompt, _before: Act(usage=usage)) as server:
        assert ask(server, provider).usage == expected
    assert expected.prompt_tokens == 135


def failing(**act: object) -> Callable[[str, int], Any]:
    return lambda _prompt, _before: Act(**act)


@BOTH
@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (
            {"status": 429, "headers": {"retry-after": "3"}, "error": "rate_limit_error"},
            ("rate_limit_error", 429, True, False, 3.0, False),
        ),
        (
            {"status": 529, "error": "overloaded_error"},
            ("overloaded_error", 529, True, False, None, False),
        ),
        ({"status": 500}, ("api_error", 500, True, False, None, False)),
        (
            {"status": 401, "error": "authentication_error"},
            ("authentication_error", 401, False, True, None, False),
        ),
        (
            {"status": 400, "error": "invalid_request_error"},
            ("invalid_request_error", 400, False, False, None, False),
        ),
        ({"status": 0}, ("connection_error", None, True, False, None, True)),
        ({"body": b'{"id": "half an ans'}, ("malformed_response", 200, True, False, None, True)),
        ({"body": b"<html>"}, ("malformed_response", 200, True, False, None, True)),
        ({"body": b"[]"}, ("malformed_response", 200, True, False, None, True)),
        ({"body": b'{"id": "m"}'}, ("malformed_response", 200, True, False, None, True)),
    ],
)  # fmt: skip
def test_every_failure_is_told_apart_and_sent_once(
    provider: str, act: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    with serving(failing(**act)) as server, pytest.raises(Failure) as caught:
        ask(server, provider)
    it = caught.value
    assert expected == (
        it.kind, it.status, it.retryable, it.fatal, it.retry_after_s, it.perhaps_billed,
    )  # fmt: skip
    assert len(server.served) == 1  # the SDK repeats nothing by itself
    said = f"{it} {it!r} {it.words} {it.__cause__}"
    assert "secret" not in said
    assert KEY not in said


@BOTH
def test_a_stall_is_a_timeout_that_may_have_been_billed(provider: str) -> None:
    with serving(failing(wait_s=0.5)) as server, pytest.raises(Failure) as caught:
        ask(server, provider, timeout_s=0.1)
    assert (caught.value.kind, caught.value.perhaps_billed) == ("timeout", True)


@BOTH
@pytest.mark.parametrize(
    "usage",
    [{"input_tokens": -1, "prompt_tokens": -1}, {"input_tokens": "many", "prompt_tokens": None}],
)
def test_usage_that_cannot_be_is_no_answer(provider: str, usage: dict[str, Any]) -> None:
    with serving(failing(usage=usage)) as server, pytest.raises(Failure) as caught:
        ask(server, provider)
    assert caught.value.kind == "malformed_response"


@pytest.mark.parametrize(
    ("body", "message"),
    [(b'"choices": []', "none"), (b'"choices": [{"message": {"refusal": "I will not"}}]', "text")],
)
def test_an_answer_without_choices_or_with_a_refusal(body: bytes, message: str) -> None:
    usage = b'"usage": {"prompt_tokens": 1, "completion_tokens": 1}'
    whole = b'{"id": "c", "model": "m", ' + usage + b", " + body + b"}"
    with serving(failing(body=whole)) as server:
        if message == "text":
            assert ask(server, "openai").text == "I will not"
        else:
            with pytest.raises(Failure):
                ask(server, "openai")


@pytest.mark.parametrize(
    ("provider", "url", "key", "slug"),
    [
        ("mistral", None, KEY, "provider-unknown"),
        ("openai", None, "", "provider-no-key"),
        ("anthropic", None, " ", "provider-no-key"),
        ("openai", "localhost:8000", KEY, "provider-bad-url"),
    ],
)
def test_a_client_that_cannot_work_is_refused(
    provider: str, url: str | None, key: str, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, key)
    with pytest.raises(LlmopsError) as caught:
        open_client(provider, base_url=url)
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)
    assert KEY not in str(caught.value)


def test_the_server_of_a_base_url_has_its_port_or_the_usual_one() -> None:
    async def servers() -> list[tuple[str, int]]:
        urls = ("http://localhost:8000/v1", "https://gateway.example.com/v1", "http://gw.test")
        clients = [open_client("openai", base_url=url) for url in urls]
        for client in clients:
            await client.close()
        return [client.server for client in clients]

    assert asyncio.run(servers()) == [
        ("localhost", 8000), ("gateway.example.com", 443), ("gw.test", 80),
    ]  # fmt: skip
