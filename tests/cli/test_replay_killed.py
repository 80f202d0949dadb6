"""``llmops replay`` killed again and again, and gone on with, as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from runpy import run_path
from typing import Any

import pytest

SERVER = run_path(str(Path(__file__).parents[1] / "live" / "streaming_provider.py"))
streaming, Fault = SERVER["streaming"], SERVER["Fault"]

KEYS = {"ANTHROPIC_API_KEY": "sk-test-0123456789", "OPENAI_API_KEY": "sk-test-0123456789"}
PROMPTS = 320
KILLS = 50
FLIGHT = 4
CALL_ID = "llmops.replay.call_id"
MODELS = ("--model", "anthropic/claude-haiku-4-5", "--model", "openai/gpt-4.1-mini")


def write_log(path: Path) -> None:
    lines = [
        {
            "timestamp": f"2026-09-01T08:{at // 60:02}:{at % 60:02}Z",
            "request": {
                "model": "claude-sonnet-4-5",
                "max_tokens": 16,
                "messages": [{"role": "user", "content": f"question {at}"}],
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
        for at in range(PROMPTS)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


class Runs:
    """Processes of the command, one after another, into one file."""

    def __init__(self, server: "subprocess.Popen[str]", folder: Path, book: Any) -> None:  # noqa: ANN401
        self.server, self.folder, self.book = server, folder, book
        self.streams = [folder / name for name in ("stdin", "stdout", "stderr")]
        self.streams[0].touch()

    def start(self, output: str, cap_usd: float = 90) -> int:
        """Begin, or go on; returns the number of the process."""
        for path in self.streams[1:]:
            path.write_bytes(b"")
        urls = [f"--base-url={name}={self.book.url(name)}" for name in ("anthropic", "openai")]
        arguments = ["replay", "log.jsonl", *MODELS, *urls, "-o", output, "--resume",
                     "--concurrency", str(FLIGHT), "--max-usd", str(cap_usd)]  # fmt: skip
        request = {
            "arguments": arguments,
            "cwd": str(self.folder),
            "env": {**os.environ, **KEYS},
            "streams": [*map(str, self.streams)],
        }
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())

    def ended(self) -> int:
        """The exit code; a signal as a negative number."""
        return int(self.server.stdout.readline())

    def said(self) -> str:
        return self.streams[2].read_text()


@pytest.fixture
def processes() -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, str(Path(__file__).with_name("killable.py"))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        yield process
        process.stdin.close()


def whole_lines(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


def attempts(path: Path) -> Iterator[dict[str, Any]]:
    """Attributes of every attempt in a file."""
    for export in whole_lines(path):
        for span in export["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            if span["parentSpanId"]:
                yield {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}


def answers(path: Path) -> list[tuple[str, str, int]]:
    """Call, model and output tokens of every answer in a file."""
    return [
        (
            about[CALL_ID],
            about["gen_ai.response.model"],
            int(about["gen_ai.usage.output_tokens"]),
        )
        for about in attempts(path)
        if "gen_ai.response.id" in about
    ]


def prompts_of(bodies: list[dict[str, Any]]) -> list[str]:
    texts = [body["messages"][-1]["content"] for body in bodies]
    return [text if isinstance(text, str) else text[0]["text"] for text in texts]


def asked_of(found: list[tuple[str, str, int]]) -> set[str]:
    return {call_id.replace("msg_", "question ") for call_id, _, _ in found}


def broken_once() -> Callable[[dict[str, Any], int], Any]:
    """Every ninth question breaks off the first time it is asked."""
    seen: set[str] = set()

    def script(body: dict[str, Any], before: int) -> Any:  # noqa: ANN401 - a Fault
        (text,) = prompts_of([body])
        first, _ = text not in seen, seen.add(text)
        if first and int(text.split()[1]) % 9 == 0:
            return Fault(words=5)
        return Fault(wait_s=0.002 * (before % 5))

    return script


@pytest.mark.slow
def test_killed_at_fifty_points_a_run_ends_with_the_records_of_one_that_was_not(
    processes: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    luck = Random(50)  # noqa: S311 - moments to kill at, not secrets
    write_log(tmp_path / "log.jsonl")
    with streaming(broken_once()) as book:
        runs = Runs(processes, tmp_path, book)
        runs.start("clean.jsonl")
        assert runs.ended() == 0, runs.said()
        clean = answers(tmp_path / "clean.jsonl")
        assert len(clean) == PROMPTS
        path, repeated = tmp_path / "killed.jsonl", Counter[str]()
        for _ in range(KILLS):
            done = asked_of(answers(path))
            begin = len(book.bodies)
            process = runs.start("killed.jsonl")
            wait_for(book, begin + luck.randint(0, 6), seconds=luck.random() * 0.03)
            os.kill(process, signal.SIGKILL)
            assert runs.ended() == -signal.SIGKILL
            again = Counter(prompts_of(book.bodies[begin:]))
            assert done.isdisjoint(again)
            left = set(again) - asked_of(answers(path))
            assert len(left) <= FLIGHT
            repeated.update(left)
        done = asked_of(answers(path))
        begin = len(book.bodies)
        runs.start("killed.jsonl")
        assert runs.ended() == 0, runs.said()
        assert done.isdisjoint(prompts_of(book.bodies[begin:]))
    assert 0 < len(done) < PROMPTS
    assert repeated
    assert sorted(answers(path)) == sorted(clean)
    assert path.read_bytes().endswith(b"\n")


@pytest.mark.slow
def test_killed_again_and_again_all_runs_together_stay_under_one_cap(
    processes: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    """An answer costs $0.0003; a call in flight at a kill is held at twenty times that."""
    luck = Random(51)  # noqa: S311 - moments to kill at, not secrets
    write_log(tmp_path / "log.jsonl")
    path, cap, kills = tmp_path / "s.jsonl", 0.2, 0
    with streaming(lambda _body, before: Fault(wait_s=0.002 * (before % 5))) as book:
        runs = Runs(processes, tmp_path, book)
        while kills < 6:
            process = runs.start("s.jsonl", cap)
            wait_for(book, len(book.bodies) + luck.randint(1, 9), seconds=luck.random() * 0.03)
            os.kill(process, signal.SIGKILL)
            kills += runs.ended() == -signal.SIGKILL
        runs.start("s.jsonl", cap)
        assert runs.ended() == 4, runs.said()
        served = len(book.bodies)
    found = list(attempts(path))
    # Every request the server saw is in the file, and at most those in flight besides.
    assert served <= len(found) <= served + kills * FLIGHT
    lost = [about for about in found if about.get("error.type") == "interrupted"]
    assert 0 < len(lost) <= kills * FLIGHT
    held = sum(about["llmops.replay.charged_usd"] for about in found)
    assert served * (20 * 1 + 60 * 5) / 1e6 <= held <= cap
    assert f"{len(lost)} calls in flight" in " ".join(runs.streams[1].read_text().split())


def wait_for(book: Any, requests: int, *, seconds: float) -> None:  # noqa: ANN401 - a Book
    deadline = time.monotonic() + 60
    while len(book.bodies) < requests and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(seconds)
