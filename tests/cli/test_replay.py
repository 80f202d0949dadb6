"""``llmops replay`` as a user runs it, against a provider on the loopback."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from runpy import run_path
from subprocess import CompletedProcess
from typing import Any

import pytest

SERVER = run_path(str(Path(__file__).parents[1] / "live" / "streaming_provider.py"))
streaming, Fault, HEALTHY = SERVER["streaming"], SERVER["Fault"], SERVER["HEALTHY"]

COLLECTOR = run_path(str(Path(__file__).parents[1] / "live" / "collector.py"))
collecting = COLLECTOR["collecting"]

Book = SERVER["Book"]
Run = Callable[..., CompletedProcess[str]]
KEYS = {"ANTHROPIC_API_KEY": "sk-test-0123456789", "OPENAI_API_KEY": "sk-test-0123456789"}
HAIKU = "anthropic/claude-haiku-4-5"
MINI = "openai/gpt-4.1-mini"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Six prompts of two task classes, one of which cannot move to another API."""
    lines = []
    for at in range(6):
        content: Any = f"secret question {at}"
        if at == 5:
            content = [{"type": "document", "source": {"type": "text", "data": "x"}}]
        lines.append(
            {
                "timestamp": f"2026-09-01T08:00:0{at}Z",
                "task": "easy" if at % 2 else "hard",
                "request": {
                    "model": "claude-sonnet-4-5",
                    "max_tokens": 16,
                    "system": "Be brief.",
                    "messages": [{"role": "user", "content": content}],
                },
                "response": {
                    "id": f"msg_{at}",
                    "type": "message",
                    "model": "claude-sonnet-4-5",
                    "content": [{"type": "text", "text": "yes"}],
                    "stop_reason": "end_turn",
                    "usage": {"input_tokens": 10, "output_tokens": 2},
                },
            }
        )
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def ask(here: Run, log: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)

    def run(*options: object, book: Any = None, env: Any = KEYS) -> CompletedProcess[str]:  # noqa: ANN401
        urls = []
        for provider in () if book is None else ("anthropic", "openai"):
            urls += ["--base-url", f"{provider}={book.url(provider)}"]
        return here("replay", log, *options, *urls, env=env)

    return run


@pytest.fixture
def healthy() -> Iterator[Any]:
    with streaming() as book:
        yield book


def spans(path: Path) -> list[dict[str, Any]]:
    exports = [json.loads(line) for line in path.read_text().splitlines()]
    return [s for e in exports for r in e["resourceSpans"] for c in r["scopeSpans"]
            for s in c["spans"]]  # fmt: skip


def test_every_prompt_is_answered_once_and_recorded(
    ask: Run, healthy: Book, llmops: Run, tmp_path: Path
) -> None:
    done = ask("--model", HAIKU, "-o", "shadow.jsonl", book=healthy)
    assert done.returncode == 0, done.stderr
    assert "6 of 6 prompts have an answer" in done.stdout
    assert len(healthy.asked) == 6
    assert all(body["system"][0]["text"] == "Be brief." for body in healthy.bodies)
    assert "secret question" not in (tmp_path / "shadow.jsonl").read_text()
    audited = llmops("audit-traces", "shadow.jsonl", "-f", "json=audit.json", "--exit-zero")
    assert audited.returncode == 0, audited.stderr
    found = json.loads((tmp_path / "audit.json").read_text())["findings"]
    assert [item for item in found if item["severity"] != "note"] == []


def test_what_was_written_is_read_back_as_the_same_calls(
    ask: Run, healthy: Book, llmops: Run, tmp_path: Path
) -> None:
    assert ask("--model", HAIKU, "-o", "shadow.jsonl", book=healthy).returncode == 0
    done = llmops("describe", "shadow.jsonl", "-f", "json=calls.json")
    assert done.returncode == 0, done.stderr
    assert llmops("ingest", "shadow.jsonl", "-o", "calls.parquet").returncode == 0
    import pandas as pd  # noqa: PLC0415 - this test only

    (path,) = list(tmp_path.glob("calls.parquet/**/*.parquet")) or [tmp_path / "calls.parquet"]
    calls = pd.read_parquet(path)
    assert len(calls) == 6
    assert set(calls["request_model"]) == {"claude-haiku-4-5"}
    assert calls["input_tokens"].tolist() == [20] * 6
    assert calls["output_tokens"].tolist() == [60] * 6
    assert calls["ttft_s"].notna().all()


def test_prompts_and_answers_that_are_kept_can_be_replayed_again(
    ask: Run, healthy: Book, llmops: Run, log: Path
) -> None:
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:5]))
    kept = ask("--model", HAIKU, "-o", "shadow.jsonl", "--keep-content", book=healthy)
    assert kept.returncode == 0, kept.stderr
    url = f"openai={healthy.url('openai')}"
    again = llmops("replay", "shadow.jsonl", "--model", MINI, "-o", "again.jsonl",
                   "--base-url", url, env=KEYS)  # fmt: skip
    assert again.returncode == 0, again.stderr
    asked = [json.dumps(body["messages"]) for body in healthy.bodies[5:]]
    assert len(asked) == 5
    assert all("Be brief." in text and "secret question" in text for text in asked)


def test_a_run_that_ended_early_goes_on_and_pays_nothing_twice(ask: Run, tmp_path: Path) -> None:
    # One answer costs 20 input and 60 output tokens; the cap holds at the most it could.
    with streaming() as book:
        first = ask("--model", HAIKU, "-o", "s.jsonl", "--max-usd", "0.0068",
                    "--concurrency", "1", book=book)  # fmt: skip
        assert first.returncode == 4, first.stdout + first.stderr
        before = len(book.asked)
        assert 0 < before < 6
        other = ask("--model", HAIKU, "-o", "s.jsonl", book=book)
        assert other.returncode == 2
        assert "collect-output-exists" in other.stderr
        again = ask("--model", HAIKU, "-o", "s.jsonl", "--resume", book=book)
        assert again.returncode == 0, again.stderr
        assert len(book.asked) == 6
    ids = [a["value"]["stringValue"] for s in spans(tmp_path / "s.jsonl") if s["parentSpanId"]
           for a in s["attributes"] if a["key"] == "llmops.replay.call_id"]  # fmt: skip
    assert sorted(ids) == sorted(set(ids))
    assert len(ids) == 6


def test_another_target_into_the_same_file_is_refused(ask: Run, healthy: Book) -> None:
    assert ask("--model", HAIKU, "-o", "s.jsonl", book=healthy).returncode == 0
    done = ask("--model", MINI, "-o", "s.jsonl", "--resume", book=healthy)
    assert done.returncode == 2
    assert "replay-other-settings" in done.stderr


def test_a_fallback_answers_and_is_recorded_as_such(ask: Run, tmp_path: Path) -> None:
    def broken(body: dict[str, Any], _before: int) -> Any:  # noqa: ANN401 - a Fault
        return Fault(503) if body["model"].startswith("gpt") else HEALTHY

    with streaming(broken) as book:
        done = ask("--model", MINI, "--model", HAIKU, "-o", "s.jsonl", "--max-attempts", "1",
                   "--concurrency", "1", book=book)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "answered by a fallback" in done.stdout
    first = [s for s in spans(tmp_path / "s.jsonl") if s["parentSpanId"]][:2]
    assert [span["name"] for span in first] == ["chat gpt-4.1-mini", "chat claude-haiku-4-5"]
    assert first[1]["links"][0]["spanId"] == first[0]["spanId"]


def test_a_prompt_that_only_a_part_of_the_chain_can_take_is_sent_to_that_part(
    ask: Run, healthy: Book, log: Path
) -> None:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines[3]["response"]["usage"]["input_tokens"] = 5000
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = ask("--model", MINI, "--model", HAIKU, "--context-window", f"{MINI}=6000",
               "-o", "s.jsonl", "-f", "json", "--concurrency", "1", book=healthy)  # fmt: skip
    assert done.returncode == 0, done.stderr
    # The document cannot move to OpenAI's API, and 5,000 + 1,024 tokens do not fit its window.
    mini, haiku = "gpt-4.1-mini", "claude-haiku-4-5"
    assert [name for name, _ in healthy.asked] == [mini, mini, mini, haiku, mini, haiku]
    report = json.loads(done.stdout)
    assert {item["slug"]: item["count"] for item in report["findings"]} == {
        "replay-context-window-for-some": 1,
        "replay-document-for-some": 1,
    }
    measures = {item["name"]: item["value"] for item in report["measures"]}
    assert (measures["shortened"], measures["answered"], measures["moved"]) == (2, 6, 0)
    (told,) = [e for e in report["explanations"] if e["of"] == "who can take a prompt"]
    assert dict(told["numbers"])[f"context window of {MINI}"] == 6000


def test_a_prompt_that_nobody_can_take_costs_nothing(ask: Run, healthy: Book, log: Path) -> None:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines[0]["response"]["usage"]["input_tokens"] = 199_000
    log.write_text("".join(json.dumps(line) + "\n" for line in lines[:2]))
    # Claude Haiku 4.5 takes 200,000 tokens, the answer included: the price book knows.
    dry = ask("--model", HAIKU, "--dry-run", "-f", "json")
    found = {item["slug"]: item["count"] for item in json.loads(dry.stdout)["findings"]}
    assert found == {"replay-context-window": 1}
    window = ("--context-window", f"{HAIKU}=200000")
    done = ask("--model", HAIKU, "-o", "s.jsonl", *window, book=healthy)
    assert done.returncode == 0, done.stderr
    assert len(healthy.asked) == 1
    assert "longer than the context window; the prompt is not sent" in " ".join(done.stdout.split())
    log.write_text(json.dumps(lines[0]) + "\n")
    none = ask("--model", HAIKU, "-o", "t.jsonl", *window, book=healthy)
    assert (none.returncode, len(healthy.asked)) == (3, 1)
    assert "none of 1 prompt can be sent: a prompt that with its answer" in none.stderr


POOL = """
schema: llmops.failover/1
deployments:
  - {name: main, provider: openai, model: own, price_as: gpt-4.1-mini}
  - {name: back, provider: anthropic, model: claude-haiku-4-5}
policies:
  - {name: both, deployments: [main, back], timeout_s: 300, backoff: {attempts: 1}, breaker: null}
outages:
  - {provider: openai, per_year: 300, median_minutes: 30, mean_minutes: 60}
"""


def test_what_was_planned_is_what_runs(
    ask: Run, healthy: Book, llmops: Run, tmp_path: Path
) -> None:
    (tmp_path / "pool.yaml").write_text(POOL)
    assert ask("--model", HAIKU, "-o", "timed.jsonl", book=healthy).returncode == 0
    planned = llmops("simulate-failover", "timed.jsonl", "--pool", "pool.yaml",
                     "--years", "1", "-o", "plan.yaml", "--exit-zero")  # fmt: skip
    assert planned.returncode == 0, planned.stderr

    def broken(body: dict[str, Any], _before: int) -> Any:  # noqa: ANN401 - a Fault
        return Fault(503) if body["model"] == "own" else HEALTHY

    with streaming(broken) as book:
        done = ask("--plan", "plan.yaml", "-o", "s.jsonl", "--concurrency", "1", book=book)
        assert done.returncode == 0, done.stderr
        # One attempt at the first of the chain, as the plan's policy says, then the second.
        asked = [name for name, _ in book.asked]
        assert asked == ["own", "claude-haiku-4-5"] * 5 + ["claude-haiku-4-5"]
        more = ask("--plan", "plan.yaml", "--max-attempts", "2", "-o", "t.jsonl",
                   "--concurrency", "1", book=book)  # fmt: skip
        assert more.returncode == 0, more.stderr
        assert [name for name, _ in book.asked[11:14]] == ["own", "own", "claude-haiku-4-5"]
    both = ask("--plan", "plan.yaml", "--model", HAIKU, "-o", "u.jsonl")
    assert (both.returncode, "replay-two-chains" in both.stderr) == (2, True)
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        plan.read_text().replace("provider: openai\n  model", "provider: azure\n  model")
    )
    other = ask("--plan", "plan.yaml", "-o", "u.jsonl")
    assert other.returncode == 2
    assert "deployment 1 of the plan is served by 'azure'" in other.stderr


@pytest.mark.parametrize(
    ("fault", "asked"),
    [(Fault(401, "authentication_error"), 1), (Fault(400, "invalid_request_error"), 6)],
)
def test_prompts_that_nobody_answers_end_with_5(
    ask: Run,
    fault: Any,  # noqa: ANN401 - a Fault
    asked: int,
) -> None:
    """Where the key is refused no other prompt is sent; a bad request says nothing of others."""
    with streaming(lambda _body, _before: fault) as book:
        done = ask("--model", HAIKU, "-o", "s.jsonl", "--concurrency", "1", book=book)
        assert len(book.asked) == asked
    assert (done.returncode, done.stdout) == (5, "")
    assert f"got no answer, the last with HTTP {fault.status}" in done.stderr
    assert "0 of 6 are answered" in done.stderr


def test_one_prompt_without_an_answer_is_not_passed_over(ask: Run) -> None:
    def refusing(body: dict[str, Any], _before: int) -> Any:  # noqa: ANN401 - a Fault
        text = str(body["messages"][0]["content"])
        return Fault(400, "content_policy_violation") if "question 3" in text else HEALTHY

    with streaming(refusing) as book:
        done = ask("--model", HAIKU, "-o", "s.jsonl", book=book)
        again = ask("--model", HAIKU, "-o", "s.jsonl", "--resume", book=book)
        assert len(book.asked) == 7
    for run in (done, again):
        assert run.returncode == 5
        assert "1 prompt got no answer" in run.stderr
        assert "5 of 6 are answered" in run.stderr


def test_another_system_prompt_into_the_same_file_is_refused(
    ask: Run, healthy: Book, tmp_path: Path
) -> None:
    assert ask("--model", HAIKU, "-o", "s.jsonl", book=healthy).returncode == 0
    (tmp_path / "new.txt").write_text("Be long.")
    done = ask("--model", HAIKU, "--system", "new.txt", "-o", "s.jsonl", "--resume", book=healthy)
    assert done.returncode == 2
    assert "replay-other-settings" in done.stderr


def test_another_system_prompt_is_a_prompt_version(ask: Run, healthy: Book, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("Be long.")
    done = ask("--model", HAIKU, "--system", "new.txt", "-o", "s.jsonl", book=healthy)
    assert done.returncode == 0, done.stderr
    assert {body["system"] for body in healthy.bodies} == {"Be long."}


def test_a_sample_keeps_the_shares_of_the_task_classes(ask: Run, healthy: Book) -> None:
    done = ask("--model", HAIKU, "--sample", "4", "-o", "s.jsonl", book=healthy)
    assert done.returncode == 0, done.stderr
    assert len(healthy.asked) == 4
    texts = [str(body["messages"][0]["content"]) for body in healthy.bodies]
    odd = [text for text in texts if text[-1] in "13" or "document" in text]
    assert len(odd) == 2


def test_a_dry_run_sends_nothing_and_needs_no_key(ask: Run, healthy: Book) -> None:
    done = ask("--model", HAIKU, "--dry-run", book=healthy, env={})
    assert done.returncode == 0, done.stderr
    assert "nothing was sent" in done.stdout
    assert healthy.asked == []


@pytest.mark.parametrize(
    ("options", "slug"),
    [
        ((), "replay-no-model"),
        (("--model", "claude"), "replay-bad-model"),
        (("--model", "mistral/x"), "replay-bad-model"),
        (("--model", HAIKU, "--base-url", "http://x"), "replay-bad-url"),
        (("--model", HAIKU, "-o", "-"), "replay-to-stdout"),
        (("--model", HAIKU), "replay-no-output"),
        (("--model", "anthropic/claude-none", "-o", "s.jsonl"), "price-unknown-model"),
        (("--model", HAIKU, "--context-window", "2000"), "replay-bad-window"),
        (("--model", HAIKU, "--context-window", f"{MINI}=2000"), "replay-bad-window"),
        (("--model", HAIKU, "--context-window", f"{HAIKU}=0"), "replay-bad-window"),
        (("--plan", "none.yaml"), "plan-unreadable"),
        (("--model", HAIKU, "--system", "none.txt", "-o", "s.jsonl"), "prompt-unreadable"),
    ],
)
def test_a_refusal_is_one_sentence(ask: Run, options: tuple[str, ...], slug: str) -> None:
    done = ask(*options)
    assert done.returncode in {2, 3}
    assert done.stderr.startswith(f"llmops: error[{slug}]"), done.stderr


def test_a_log_of_which_nothing_can_be_sent_is_bad_input(
    ask: Run, healthy: Book, log: Path
) -> None:
    lines = log.read_text().splitlines(keepends=True)
    log.write_text(lines[5])
    done = ask("--model", MINI, "-o", "s.jsonl", book=healthy)
    assert (done.returncode, healthy.asked) == (3, [])
    assert "error[replay-nothing-moves]" in done.stderr
    assert "none of 1 prompt can be sent: a document" in done.stderr


def test_a_missing_key_is_named(ask: Run) -> None:
    done = ask("--model", HAIKU, "-o", "s.jsonl", env={})
    assert done.returncode == 2
    assert "ANTHROPIC_API_KEY" in done.stderr


def test_a_model_of_ones_own_is_priced_as_another(ask: Run, healthy: Book) -> None:
    done = ask("--model", "anthropic/own", "--price-as", "claude-haiku-4-5", "-o", "s.jsonl",
               book=healthy)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "for $0.0019" in done.stdout


def test_what_failed_and_moved_passes_the_audit_and_is_read_back_as_the_same_calls(
    ask: Run, llmops: Run, tmp_path: Path
) -> None:
    """Busy, broken off, down, refused for its content: six prompts, of which one has no answer."""

    def faulty(body: dict[str, Any], before: int) -> Any:  # noqa: ANN401 - a Fault
        if "question 2" in str(body["messages"]):
            return Fault(400, "content_policy_violation")
        if body["model"].startswith("claude"):
            return HEALTHY
        busy = Fault(429, "rate_limit_error", {"retry-after": "0.01"})
        return {0: busy, 2: Fault(words=9), 3: Fault(0), 4: Fault(503)}.get(before, HEALTHY)

    with streaming(faulty) as book:
        done = ask("--model", MINI, "--model", HAIKU, "--max-attempts", "2", "-o", "s.jsonl",
                   "--concurrency", "1", book=book)  # fmt: skip
    assert done.returncode == 5, done.stderr
    audited = llmops("audit-traces", "s.jsonl", "-f", "json=audit.json", "--exit-zero")
    assert audited.returncode == 0, audited.stderr
    found = json.loads((tmp_path / "audit.json").read_text())["findings"]
    assert [item for item in found if item["severity"] != "note"] == []
    assert llmops("ingest", "s.jsonl", "-o", "calls.parquet").returncode == 0
    import pandas as pd  # noqa: PLC0415 - this test and another only

    calls = pd.read_parquet(tmp_path / "calls.parquet")
    assert calls["attempts"].sum() == len(book.bodies) == 9
    mini, haiku = "gpt-4.1-mini", "claude-haiku-4-5"
    # A fallback is another model's call; what is tried again is the same one.
    read = zip(calls["conversation_id"], calls["request_model"], calls["attempts"], strict=True)
    assert list(read) == [("msg_0", mini, 2), ("msg_1", mini, 2), ("msg_1", haiku, 1),
                          ("msg_2", mini, 1), ("msg_3", mini, 1), ("msg_4", mini, 1),
                          ("msg_5", haiku, 1)]  # fmt: skip
    answered = calls[calls["error_type"].isna()]
    assert answered["conversation_id"].tolist() == [f"msg_{at}" for at in (0, 1, 3, 4, 5)]
    assert answered["response_model"].tolist() == [
        f"{name}-served" for name in answered["request_model"]
    ]
    assert set(answered["input_tokens"]) == {20}
    assert set(answered["output_tokens"]) == {60}
    assert answered["ttft_s"].notna().all()


HEADERS = {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%2Cb, tenant=t"}


def test_spans_go_to_a_collector_as_they_are_in_the_file(ask: Run, tmp_path: Path) -> None:
    def busy(_body: dict[str, Any], before: int) -> Any:  # noqa: ANN401 - a Fault
        return Fault(529, "overloaded_error", {"retry-after": "0"}) if before == 1 else HEALTHY

    with streaming(busy) as book, collecting() as collected:
        done = ask("--model", HAIKU, "-o", "s.jsonl", "--otlp-endpoint", collected.url,
                   book=book, env=KEYS | HEADERS)  # fmt: skip
    assert (done.returncode, done.stderr.count("warning")) == (0, 0), done.stderr
    written = {span["spanId"]: span for span in spans(tmp_path / "s.jsonl")}
    assert len(written) == 13  # six prompts, their six answers, one that was overloaded
    arrived = {span.span_id.hex(): span for span in collected.spans}
    assert arrived.keys() == written.keys()
    for name, span in arrived.items():
        known = {pair.key for pair in span.attributes}
        assert known == {pair["key"] for pair in written[name]["attributes"]}
        assert str(span.end_time_unix_nano) == written[name]["endTimeUnixNano"]
    path, headers = collected.requests[0]
    assert (path, headers["api-key"], headers["tenant"]) == ("/v1/traces", "a,b", "t")


def test_a_collector_that_refuses_is_said_and_the_file_has_all(
    ask: Run, healthy: Book, tmp_path: Path
) -> None:
    with collecting(lambda _: (401, {}, {})) as collected:
        done = ask("--model", HAIKU, "-o", "s.jsonl", "--otlp-endpoint", collected.url,
                   "-f", "json", book=healthy)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "6 of 6 lines of spans did not reach the OTLP endpoint" in done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["slug"], finding["count"]) == ("otlp-not-exported", 6)
    assert "the last with HTTP 401; the file has them all" in finding["message"]
    assert len(spans(tmp_path / "s.jsonl")) == 12


@pytest.mark.parametrize(
    ("url", "headers", "slug"),
    [
        ("localhost:4318", "", "otlp-bad-endpoint"),
        ("ftp://localhost", "", "otlp-bad-endpoint"),
        ("http://", "", "otlp-bad-endpoint"),
        ("http://me:sesame@localhost", "", "otlp-bad-endpoint"),
        ("http://localhost:99999", "", "otlp-bad-endpoint"),
        ("http://localhost", "sesame", "otlp-bad-headers"),
        ("http://localhost", "a b=sesame", "otlp-bad-headers"),
        ("http://localhost", "key=sesame%0D%0Aother", "otlp-bad-headers"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused_before_anything_is_sent(
    url: str, headers: str, slug: str, ask: Run, healthy: Book
) -> None:
    env = KEYS | {"OTEL_EXPORTER_OTLP_HEADERS": headers}
    done = ask("--model", HAIKU, "-o", "s.jsonl", "--otlp-endpoint", url, book=healthy, env=env)
    assert (done.returncode, healthy.asked) == (2, [])
    assert done.stderr.startswith(f"llmops: error[{slug}]"), done.stderr
    assert "sesame" not in done.stderr
