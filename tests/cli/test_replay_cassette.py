"""``llmops replay --cassette``: recorded once against a provider, played without any."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from runpy import run_path
from subprocess import CompletedProcess
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from llmops_cli.live.episodes import cassette_schema

SERVER = run_path(str(Path(__file__).parents[1] / "live" / "streaming_provider.py"))
streaming, Fault, HEALTHY = SERVER["streaming"], SERVER["Fault"], SERVER["HEALTHY"]

Run = Callable[..., CompletedProcess[str]]
KEY = "sk-test-0123456789"
KEYS = {"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY}
CHAIN = ("--model", "openai/gpt-4.1-mini", "--model", "anthropic/claude-haiku-4-5")
PROMPTS = 5


def line_of(at: int) -> str:
    line = {
        "timestamp": f"2026-09-01T08:00:0{at}Z",
        "request": {
            "model": "gpt-4.1",
            "messages": [{"role": "user", "content": f"secret question {at}"}],
        },
        "response": {
            "id": f"r{at}",
            "object": "chat.completion",
            "created": 1_790_000_000 + at,
            "model": "gpt-4.1",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"},
                         "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
        },
    }  # fmt: skip
    return json.dumps(line) + "\n"


def faulty(body: dict[str, Any], before: int) -> Any:  # noqa: ANN401 - a Fault
    """The first provider is busy, breaks off, refuses one prompt; the second answers."""
    text = str(body["messages"][-1]["content"])
    if "question 2" in text:
        return Fault(400, "content_policy_violation")
    if body["model"].startswith("gpt"):
        busy = Fault(429, "rate_limit_error", headers={"retry-after": "0.01"})
        return {0: busy, 1: Fault(words=9), 2: Fault(503)}.get(before, HEALTHY)
    return HEALTHY


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(map(line_of, range(PROMPTS))))
    return path


@pytest.fixture
def replay(here: Run, log: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)

    def run(*options: object, urls: list[str], env: Any = {}) -> CompletedProcess[str]:  # noqa: ANN401, B006
        for name in KEYS:
            monkeypatch.delenv(name, raising=False)
        return here("replay", log, *CHAIN, "--max-attempts", "2", *urls, *options, env=env)

    return run


def urls_of(book: Any) -> list[str]:  # noqa: ANN401 - a Book
    return [f"--base-url={name}={book.url(name)}" for name in ("anthropic", "openai")]


@pytest.fixture
def recorded(replay: Run) -> Iterator[list[str]]:
    """A cassette of a run through faults; the server is gone. Gives the options of the run."""
    with streaming(faulty) as book:
        urls = urls_of(book)
        done = replay("-o", "first.jsonl", "--cassette", "c.jsonl", "--record-mode", "once",
                      "--keep-content", urls=urls, env=KEYS)  # fmt: skip
        assert done.returncode == 5, done.stderr  # one prompt is refused everywhere
        assert len(book.bodies) > PROMPTS
    return urls


def measures(done: CompletedProcess[str]) -> dict[str, Any]:
    return {item["name"]: item["value"] for item in json.loads(done.stdout)["measures"]}


def test_what_is_played_are_the_spans_that_were_recorded_byte_for_byte(
    replay: Run, recorded: list[str], tmp_path: Path
) -> None:
    played = replay("-o", "second.jsonl", "--cassette", "c.jsonl", "--keep-content", urls=recorded)
    assert played.returncode == 5
    assert "1 prompt got no answer, the last with HTTP 400" in played.stderr
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    assert first.read_bytes() == second.read_bytes()
    assert b"interrupted" not in first.read_bytes()
    assert {b"rate_limit_error", b"cut_short"} <= set(first.read_bytes().split(b'"'))
    # Gone on with, it writes nothing twice.
    again = replay("-o", "second.jsonl", "--cassette", "c.jsonl", "--keep-content", "--resume",
                   urls=recorded)  # fmt: skip
    assert again.returncode == 5
    assert first.read_bytes() == second.read_bytes()


def test_a_cassette_holds_answers_for_its_owner_and_neither_prompts_nor_keys(
    recorded: list[str], tmp_path: Path
) -> None:
    assert recorded
    path = tmp_path / "c.jsonl"
    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "w1 w2 w3" in text
    assert '"retry_after_s":0.01' in text
    assert not any(word in text for word in ("secret", KEY, "authorization", "x-api-key"))
    validator = Draft202012Validator(cassette_schema())
    for line in text.splitlines():
        validator.validate(json.loads(line))


def test_played_nothing_is_spent_and_the_report_says_so(
    replay: Run, log: Path, tmp_path: Path
) -> None:
    with streaming() as book:
        urls = urls_of(book)
        done = replay("-o", "a.jsonl", "--cassette", "c.jsonl", "--record-mode", "once",
                      "-f", "json", urls=urls, env=KEYS)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert len(book.bodies) == PROMPTS
    cost = measures(done)["spent_usd"]
    log.write_text("".join(map(line_of, reversed(range(PROMPTS)))))  # an order of its own
    for mode in ("none", "once", "new_episodes"):
        env = KEYS if mode == "new_episodes" else {}
        played = replay("-o", f"{mode}.jsonl", "--cassette", "c.jsonl", "--record-mode", mode,
                        "--max-usd", "0", "-f", "json", urls=urls, env=env)  # fmt: skip
        assert played.returncode == 0, played.stderr
        assert "nothing was sent and nothing spent" in json.loads(played.stdout)["headline"]
        said = measures(played)
        assert (said["spent_usd"], said["requests"], said["played"]) == (0, 0, PROMPTS)
        assert said["answered"] == PROMPTS
        explained = {item["of"]: item for item in json.loads(played.stdout)["explanations"]}
        numbers = dict(explained["answers played from the cassette"]["numbers"])
        assert numbers["usd they cost when they were recorded"] == pytest.approx(cost)
        assert (tmp_path / f"{mode}.jsonl").read_bytes() == (tmp_path / "a.jsonl").read_bytes()


def test_playing_opens_no_connection_needs_no_key_and_loads_no_sdk(
    recorded: list[str], tmp_path: Path
) -> None:
    code = (
        "import sys\n"
        "def hook(event, args):\n"
        "    if event in {'socket.connect', 'socket.getaddrinfo', 'socket.sendto'}:\n"
        "        raise SystemExit(f'{event} {args}')\n"
        "sys.addaudithook(hook)\n"
        "from llmops_cli.cli.app import main\n"
        "try:\n    main()\nfinally:\n"
        "    print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    arguments = ["replay", "log.jsonl", *CHAIN, "--max-attempts", "2", *recorded, "-o", "p.jsonl",
                 "--keep-content", "--cassette", "c.jsonl"]  # fmt: skip
    env = {name: value for name, value in os.environ.items() if name not in KEYS}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, env=env, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    *_, modules = done.stderr.splitlines()
    assert {"anthropic", "openai"}.isdisjoint(modules.split())
    assert (tmp_path / "p.jsonl").read_bytes() == (tmp_path / "first.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "the request of 'r5' is not on the cassette; nothing was sent"),
        (
            ("--max-output-tokens", "9"),
            "as it is now, the request of 'r0' is not on the cassette, nor are those of 5 others",
        ),
    ],
)
def test_a_request_that_is_not_on_the_cassette_is_refused_by_its_row(
    more: tuple[str, ...], said: str, replay: Run, recorded: list[str], log: Path, tmp_path: Path
) -> None:
    with log.open("a") as file:
        file.write(line_of(5))
    done = replay("-o", "p.jsonl", "--cassette", "c.jsonl", *more, urls=recorded)
    assert done.returncode == 3
    assert f"error[cassette-without-request]: c.jsonl: {said}" in done.stderr
    assert not (tmp_path / "p.jsonl").exists()
    dry = replay("--cassette", "c.jsonl", "--dry-run", *more, urls=recorded)
    assert (dry.returncode, "cassette-without-request" in dry.stderr) == (3, True)


def test_new_episodes_asks_only_what_has_no_answer_yet(
    replay: Run, recorded: list[str], log: Path, tmp_path: Path
) -> None:
    assert recorded
    with log.open("a") as file:
        file.write(line_of(5))
    with streaming() as book:
        options = ("--cassette", "c.jsonl", "--record-mode", "new_episodes", "-f", "json")
        dry = replay("--dry-run", *options, urls=urls_of(book))
        assert measures(dry)["prompts"] == 2
        done = replay("-o", "p.jsonl", *options, urls=urls_of(book), env=KEYS)
        assert done.returncode == 0, done.stderr
        asked = sorted(body["messages"][-1]["content"][-1] for body in book.bodies)
    assert asked == ["2", "5"]  # the one that was refused, and the new one
    said = measures(done)
    assert (said["answered"], said["played"], said["requests"]) == (6, 4, 2)
    played = replay("-o", "q.jsonl", "--cassette", "c.jsonl", urls=urls_of(book))
    assert played.returncode == 0, played.stderr
    assert (tmp_path / "p.jsonl").read_bytes() == (tmp_path / "q.jsonl").read_bytes()


def test_a_line_that_cannot_be_read_is_bad_input_by_line_and_field(
    replay: Run, recorded: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(path.read_text().replace('"status":429', '"status":"429"'))
    done = replay("-o", "p.jsonl", "--cassette", "c.jsonl", urls=recorded)
    assert done.returncode == 3
    assert "error[cassette-unreadable]: c.jsonl:" in done.stderr
    assert ".failure.status: the line is not of 'llmops.cassette/1'" in done.stderr
    assert not (tmp_path / "p.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "code", "slug"),
    [
        (("--cassette", "none.jsonl"), 3, "cassette-not-found"),
        (("--cassette", "c.jsonl", "--record-mode", "all"), 2, "record-mode-unknown"),
        (("--record-mode", "once"), 2, "record-mode-without-cassette"),
        (("--cassette", "p.jsonl"), 2, "output-twice"),
    ],
)
def test_a_refusal_is_one_sentence(
    options: tuple[str, ...], code: int, slug: str, replay: Run
) -> None:
    done = replay("-o", "p.jsonl", *options, urls=[])
    assert done.returncode == code
    assert done.stderr.startswith(f"llmops: error[{slug}]"), done.stderr
