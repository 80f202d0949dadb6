"""``llmops cache-estimate`` as a user runs it: raw Anthropic logs in, verdict and code out."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from jsonschema import Draft202012Validator

Run = Callable[..., CompletedProcess[str]]

SYSTEM = "You sort tickets by the rules that follow. " * 400


def line(second: int, conversation: str, messages: list[dict[str, Any]], **request: object) -> str:
    tokens = 2000 + 40 * len(messages)
    stamp = f"2026-09-01T{8 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000Z"
    return json.dumps(
        {
            "timestamp": stamp,
            "conversation_id": conversation,
            "workspace": "support",
            "ttft_s": 0.8,
            "request": {
                "model": "claude-opus-5",
                "system": SYSTEM,
                "messages": messages,
                **request,
            },
            "response": {
                "type": "message",
                "id": f"msg_{conversation}_{second}",
                "model": "claude-opus-5",
                "usage": {"input_tokens": tokens, "output_tokens": 30},
            },
        }
    )


def chats(path: Path, count: int, singles: int = 0, **request: object) -> Path:
    """``count`` chats of five turns, and single questions that nothing repeats."""
    lines: list[str] = []
    for chat in range(count):
        messages: list[dict[str, Any]] = []
        for turn in range(5):
            messages = [*messages, {"role": "user", "content": f"chat {chat} turn {turn} " * 9}]
            lines.append(line(300 * chat + 50 * turn, f"chat-{chat}", messages, **request))
            messages = [*messages, {"role": "assistant", "content": f"answer {turn}"}]
    for single in range(singles):
        alone = {"system": f"case {single}: {SYSTEM}", **request}
        lines.append(
            line(9000 + single, f"single-{single}", [{"role": "user", "content": "?"}], **alone)
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("bound", "code", "word"), [("0.2", 0, "PASS"), ("0.9", 1, "FAIL"), ("0.5", 4, "INCONCLUSIVE")]
)
def test_the_exit_code_is_the_verdict(
    llmops: Run, tmp_path: Path, bound: str, code: int, word: str
) -> None:
    log = chats(tmp_path / "log.jsonl", 8, singles=7)
    done = llmops("cache-estimate", log, "--min-saving", bound)
    assert (done.returncode, done.stderr) == (code, "")
    assert word in done.stdout
    assert "Automatic caching with 5-minute entries would cut input spend by" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_first_screen_names_the_prompts_that_lose_most_and_the_change(
    llmops: Run, tmp_path: Path
) -> None:
    done = llmops("cache-estimate", chats(tmp_path / "log.jsonl", 8, singles=7))
    lines = done.stdout.splitlines()
    assert "Prompts by what they lose, and the one change to make" in lines
    assert "First change, worth up to $" in " ".join(lines)
    assert len(lines) <= 60


def test_json_is_valid_and_the_same_twice_and_with_two_workers(llmops: Run, tmp_path: Path) -> None:
    log = chats(tmp_path / "log.jsonl", 3)
    asked = ("cache-estimate", log.name, "-f", "json", "--min-saving", "0.1")
    first, second = llmops(*asked), llmops(*asked, "--jobs", "2")
    assert first.returncode == 0
    assert first.stdout == second.stdout
    report = json.loads(first.stdout)
    Draft202012Validator(json.loads(llmops("schema", "report").stdout)).validate(report)
    assert report["command"] == "cache-estimate"
    assert report["inputs"] == ["log.jsonl"]
    assert "You sort tickets" not in first.stdout


def test_explain_shows_formulas_numbers_and_rules(llmops: Run, tmp_path: Path) -> None:
    done = llmops("cache-estimate", chats(tmp_path / "log.jsonl", 3), "--explain")
    for said in ("read = A", "(R6)", "cache read = 0.5", "p > (w - 1) / (w - r)", "Davison"):
        assert said in done.stdout


def test_markers_in_the_log_are_replayed(llmops: Run, tmp_path: Path) -> None:
    log = chats(tmp_path / "log.jsonl", 4, cache_control={"type": "ephemeral"})
    done = llmops("cache-estimate", log, "--policy", "as-logged", "-f", "json")
    report = json.loads(done.stdout)
    spend = {
        row[0]: row for row in next(t for t in report["tables"] if t["name"] == "spend")["rows"]
    }
    assert spend["logged markers"][1:] == spend["automatic, 5 min"][1:]
    assert spend["logged markers"][2] > 0


@pytest.mark.parametrize(
    ("content", "arguments", "code", "slug"),
    [
        ("", [], 3, "traffic-empty"),
        ("not json\n", [], 3, "traffic-no-calls"),
        (None, ["--policy", "automatic"], 2, "cache-unknown-policy"),
        (None, ["--min-saving", "30"], 2, "cache-bad-gate"),
        (None, ["--refresh", "never"], 2, "cache-unknown-refresh"),
        (None, ["--price-as", "claude-opus-99"], 3, "price-unknown-model"),
        (None, ["--price-as", "gpt-5.1"], 3, "cache-not-anthropic"),
        (None, ["-f", "json=missing/report.json"], 2, "output-unwritable"),
    ],
)
def test_refusals(
    llmops: Run, tmp_path: Path, content: str | None, arguments: list[str], code: int, slug: str
) -> None:
    log = tmp_path / "log.jsonl"
    if content is None:
        chats(log, 1)
    else:
        log.write_text(content)
    done = llmops("cache-estimate", log.name, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert f"error[{slug}]: " in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"log.jsonl"}


def test_an_unknown_model_is_refused_by_name_with_a_way_out(llmops: Run, tmp_path: Path) -> None:
    log = chats(tmp_path / "log.jsonl", 1)
    log.write_text(log.read_text().replace("claude-opus-5", "claude-opus-5x"))
    done = llmops("cache-estimate", log)
    assert done.returncode == 3
    assert "'claude-opus-5x'" in done.stderr
    assert "--price-as" in done.stderr
    assert llmops("cache-estimate", log, "--price-as", "claude-opus-5").returncode == 0


def test_a_log_of_another_provider_is_refused_and_can_be_asked_about(
    llmops: Run, tmp_path: Path
) -> None:
    usage = {"prompt_tokens": 3000, "completion_tokens": 9}
    chat = {"model": "gpt-5.1", "messages": [{"role": "user", "content": SYSTEM}]}
    rows = [
        {
            "timestamp": f"2026-09-01T08:0{minute}:00Z",
            "request": chat,
            "response": {"object": "chat.completion", "model": "gpt-5.1", "usage": usage},
        }
        for minute in range(3)
    ]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = llmops("cache-estimate", log)
    assert done.returncode == 3
    assert "error[cache-nothing-to-replay]" in done.stderr
    done = llmops("cache-estimate", log, "--price-as", "claude-opus-5")
    assert done.returncode == 0
    assert "token counts stay those of the model" in " ".join(done.stdout.split())


def test_bad_rows_are_left_out_and_said(llmops: Run, tmp_path: Path) -> None:
    log = chats(tmp_path / "log.jsonl", 2)
    with log.open("a") as file:
        file.write('{"truncated": ')
    done = llmops("cache-estimate", log, "-f", "json")
    assert done.returncode == 0
    assert "1 row could not be read" in done.stderr
    assert any(item["line"] == 11 for item in json.loads(done.stdout)["findings"])


def test_the_same_traffic_at_other_providers(llmops: Run, tmp_path: Path) -> None:
    log = chats(tmp_path / "log.jsonl", 3)
    asked = ("--provider", "openai-explicit=gpt-6-sol", "--provider", "vllm", "--kv-tokens", "9000")
    done = llmops("cache-estimate", log, *asked, "-f", "json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = next(t for t in json.loads(done.stdout)["tables"] if t["name"] == "providers")["rows"]
    assert [row[:2] for row in rows] == [["OpenAI 5.6+, explicit", "gpt-6-sol"], ["vLLM", None]]
    assert rows[0][3] > 0
    assert rows[0][6] > 0
    assert rows[1][6] is None


def test_all_providers_at_once(llmops: Run, tmp_path: Path) -> None:
    log = chats(tmp_path / "log.jsonl", 2)
    done = llmops("cache-estimate", log, "--provider", "all", "-v", "--on", "2026-11-01")
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("Amazon Bedrock", "DeepSeek", "Gemini, explicit", "SGLang"):
        assert name in done.stdout


@pytest.mark.parametrize(
    ("arguments", "slug"),
    [
        (("--provider", "openai"), "cache-unknown-provider"),
        (("--provider", "all=gpt-5.1"), "cache-unknown-provider"),
        (("--provider", "openai-implicit=gpt-5.1"), "cache-other-rules"),
        (("--provider", "vllm=gpt-5.1"), "cache-other-rules"),
        (("--provider", "vllm", "--kv-tokens", "0"), "cache-bad-capacity"),
        (("--policy", "best-4"), "cache-unknown-policy"),
    ],
)
def test_questions_about_unknown_rules(
    llmops: Run, tmp_path: Path, arguments: tuple[str, ...], slug: str
) -> None:
    done = llmops("cache-estimate", chats(tmp_path / "log.jsonl", 1), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert slug in done.stderr


def test_a_report_is_the_baseline_of_the_next(llmops: Run, tmp_path: Path) -> None:
    log = chats(tmp_path / "log.jsonl", 8)
    before = tmp_path / "previous.json"
    assert llmops("cache-estimate", log, "-f", f"json={before}").returncode == 0
    gate = ("--baseline", before, "--max-regression", "0.05", "--min-hit-rate", "0.3")
    done = llmops("cache-estimate", log, *gate, "-f", "json")
    assert (done.returncode, done.stderr) == (0, "")
    names = {check["name"] for check in json.loads(done.stdout)["checks"]}
    assert names == {"max_regression", "min_hit_rate"}


def test_a_baseline_that_is_absent_is_a_usage_error(llmops: Run, tmp_path: Path) -> None:
    log = chats(tmp_path / "log.jsonl", 1)
    done = llmops("cache-estimate", log, "--baseline", "gone.json", "--max-regression", "0.05")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cache-bad-baseline" in done.stderr
    assert "gone.json" in done.stderr


def test_an_undocumented_behaviour_is_a_knob_and_explain_states_it(
    llmops: Run, tmp_path: Path
) -> None:
    log = chats(tmp_path / "log.jsonl", 3)
    asked = ("cache-estimate", log, "--provider", "gemini-implicit", "--explain")
    stated, given = (
        " ".join(llmops(*asked, *more).stdout.split())
        for more in ((), ("--assume", "miss_rate=0.5"))
    )
    assert "miss_rate = 0: hits are not guaranteed" in stated
    assert "miss_rate = 0.5 (given): hits are not guaranteed" in given
    assert "Gemini, implicit assumes miss_rate = 0.5" in given
    refused = llmops("cache-estimate", "gone.jsonl", "--assume", "miss_rate=0.5")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--provider gemini-implicit" in refused.stderr


def test_the_first_other_character_is_named_where_prompts_may_be_kept(
    llmops: Run, tmp_path: Path
) -> None:
    log = chats(tmp_path / "log.jsonl", 4)
    lines = log.read_text("utf-8").splitlines()
    varied = [each.replace("You sort", f"At {n:02} you sort", 1) for n, each in enumerate(lines)]
    log.write_text("\n".join(varied) + "\n", "utf-8")
    llmops("ingest", log, "-o", "calls.parquet", "--keep-content")
    for source in (log, "calls.parquet"):
        done = llmops("cache-estimate", source, "--keep-content", "-f", "json", "-v")
        assert (done.returncode, done.stderr) == (0, "")
        leaks = next(t for t in json.loads(done.stdout)["tables"] if t["name"] == "leaks")["rows"]
        assert leaks[0][0] == "system prompt changed (R1)"
        # "At 00" and "At 01" part at their fifth character.
        assert leaks[0][4] == "block 1, system, character 5"
        assert "sort tickets" not in done.stdout
    plain = llmops("cache-estimate", log, "-f", "json")
    assert '"block 1, system"' in plain.stdout
