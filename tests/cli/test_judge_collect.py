"""``llmops judge-collect`` as a user runs it, against a provider on the loopback."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from subprocess import CompletedProcess
from typing import Any

import pytest

PROVIDER = run_path(str(Path(__file__).parents[1] / "live" / "provider.py"))
serving, Act, KEY = PROVIDER["serving"], PROVIDER["Act"], PROVIDER["KEY"]

Run = Callable[..., CompletedProcess[str]]

ROWS = "id,question,answer,gold,cluster\n" + "".join(
    f"r{i},secret question {i},secret answer {i},{'reject' if i % 4 == 0 else 'accept'},c{i // 2}\n"
    for i in range(12)
)
ENV = {"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY, "ANTHROPIC_LOG": "", "OPENAI_LOG": ""}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def arguments(server: Any, *more: str, provider: str = "openai") -> list[str]:  # noqa: ANN401 - of run_path
    given = ["judge-collect", "rows.csv", "--judge-model", "judge-x", "--price-as", "gpt-4.1"]
    return [
        *given, "--provider", provider, "--base-url", server.url(provider), "-o", "d.jsonl", *more,
    ]  # fmt: skip


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def quotes_nothing(done: CompletedProcess[str], folder: Path) -> bool:
    """Whether neither a prompt nor the key is in anything that was written."""
    written = [path.read_text("utf-8") for path in folder.glob("*.jsonl")]
    return not any(
        word in text for text in (done.stdout, done.stderr, *written) for word in ("secret", KEY)
    )


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_verdicts_are_collected_and_judge_eval_reads_them(
    provider: str, here: Run, rows: Path, tmp_path: Path
) -> None:
    def script(prompt: str, before: int) -> Any:  # noqa: ANN401 - of run_path
        if "question 5" in prompt and before == 0:
            return Act(status=429, headers={"retry-after": "0.05"}, error="rate_limit_error")
        return Act(verdict="reject" if "question 4" in prompt else "accept")

    assert rows.exists()
    with serving(script) as server:
        done = here(*arguments(server, "-f", "json", provider=provider), env=ENV)
    assert done.returncode == 0, done.stderr
    assert quotes_nothing(done, tmp_path)
    report = json.loads(done.stdout)
    measures = {item["name"]: item["value"] for item in report["measures"]}
    assert (measures["rows_judged"], measures["requests"]) == (12, 13)
    assert measures["spent_usd"] > 0
    made = {row["id"]: row for row in lines(tmp_path / "d.jsonl")}
    assert set(made) == {f"r{i}" for i in range(12)}
    assert made["r4"]["judge"] == "reject"
    assert (made["r4"]["gold"], made["r4"]["cluster"]) == ("reject", "c2")
    assert made["r4"]["length"] == len("secret answer 4")
    assert sum(row["judge_cost_usd"] for row in made.values()) == pytest.approx(
        measures["spent_usd"]
    )
    for name in ("d.jsonl", "d.spans.jsonl"):
        judged = here("judge-eval", name, "-f", "json", "--exit-zero")
        found = {item["name"]: item["value"] for item in json.loads(judged.stdout)["measures"]}
        assert found["accuracy"] == pytest.approx(10 / 12), judged.stderr


def test_the_help_loads_no_client() -> None:
    code = (
        "import sys\n"
        "from llmops_cli.cli.app import main\n"
        "sys.argv = ['llmops', 'judge-collect', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--judge-model" in done.stdout
    heavy = {"anthropic", "openai", "httpx", "httpx2", "msgspec", "opentelemetry", "numpy", "rich"}
    assert heavy.isdisjoint(done.stderr.split())


def test_judge_eval_collect_is_the_same_command(here: Run) -> None:
    assert "--judge-model" in here("judge-eval", "collect", "--help").stdout


def test_a_dry_run_says_what_it_would_cost_and_sends_nothing(
    here: Run, rows: Path, tmp_path: Path
) -> None:
    assert rows.exists()
    with serving() as server:
        done = here(*arguments(server, "--dry-run", "-f", "json"), env={"OPENAI_API_KEY": ""})
        assert server.served == []
    assert done.returncode == 0, done.stderr
    measures = {item["name"]: item["value"] for item in json.loads(done.stdout)["measures"]}
    assert measures["calls"] == 12
    dollars = (measures["input_tokens"] * 2 + 12 * 30 * 8) / 1e6  # GPT-4.1 at $2 and $8 a million
    assert measures["cost_usd"] == pytest.approx(dollars)
    assert not (tmp_path / "d.jsonl").exists()


def test_the_cap_ends_the_run_with_4_and_a_higher_one_goes_on(
    here: Run, rows: Path, tmp_path: Path
) -> None:
    assert rows.exists()
    small = ("--max-output-tokens", "100", "--concurrency", "2")
    with serving() as server:
        done = here(*arguments(server, *small, "--max-usd", "0.006"), env=ENV)
        spent = sum((2 * one.input_tokens + 8 * one.output_tokens) / 1e6 for one in server.served)
        first = len(server.served)
        more = here(*arguments(server, *small, "--resume"), env=ENV)
    assert done.returncode == 4, done.stderr
    assert 0 < spent <= 0.006
    assert 0 < first < 12
    assert "INCONCLUSIVE" in done.stdout
    assert "a higher --max-usd, with --resume" in " ".join(done.stdout.split())
    assert (more.returncode, len(server.served)) == (0, 12)
    assert len(lines(tmp_path / "d.jsonl")) == 12


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ({"status": 401, "error": "authentication_error"}, "the key is not accepted"),
        ({"status": 500}, "--resume asks again"),
    ],
)
def test_a_provider_that_fails_ends_the_run_with_5(
    act: dict[str, Any], said: str, here: Run, rows: Path, tmp_path: Path
) -> None:
    assert rows.exists()
    with serving(lambda _prompt, _before: Act(**act)) as server:
        done = here(*arguments(server, "--max-attempts", "1"), env=ENV)
    assert (done.returncode, done.stdout) == (5, "")
    assert f"error[provider-failed]: {''}" in done.stderr
    assert f"HTTP {act['status']}" in done.stderr
    assert said in done.stderr
    assert quotes_nothing(done, tmp_path)


def test_a_killed_run_asks_again_only_what_was_in_flight(
    here: Run, rows: Path, tmp_path: Path
) -> None:
    rows.write_text(
        "id,question,answer_a,answer_b\n" + "".join(f"r{i},q{i}.,a{i},b{i}\n" for i in range(40))
    )
    flight = 4
    with serving(lambda _prompt, _before: Act(verdict="A", wait_s=0.02)) as server:
        command = [sys.executable, "-m", "llmops_cli", *arguments(server, "--concurrency", "4")]
        killed = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **ENV})
        deadline = time.monotonic() + 60
        while len(server.served) < 30 and time.monotonic() < deadline:
            time.sleep(0.005)
        killed.send_signal(signal.SIGKILL)
        killed.wait(30)
        spans = (tmp_path / "d.spans.jsonl").read_bytes()
        recorded = spans[: spans.rfind(b"\n") + 1].count(b"llmops.judge.verdict")
        before = len(server.served)
        again = here(*arguments(server, "--concurrency", "4", "--resume"), env=ENV)
    assert killed.returncode == -signal.SIGKILL
    assert again.returncode == 0, again.stderr
    assert before - recorded <= flight
    times = Counter(one.prompt for one in server.served)
    assert len(times) == 80
    assert set(times.values()) <= {1, 2}
    assert sum(count == 2 for count in times.values()) == before - recorded
    # What was in flight is a span too, and counts against the cap.
    asked = (tmp_path / "d.spans.jsonl").read_text().count('"chat judge-x"')
    assert len(server.served) <= asked <= len(server.served) + flight
    assert f"{asked - 80} calls in flight" in " ".join(again.stdout.split())
    assert not (tmp_path / "d.spans.jsonl.inflight").exists()
    assert sorted(row["id"] for row in lines(tmp_path / "d.jsonl")) == sorted(
        f"r{i}" for i in range(40)
    )


@pytest.mark.parametrize(
    ("more", "code", "slug"),
    [
        (["--provider", "mistral"], 2, "provider-unknown"),
        (["--verdicts", "a,b"], 2, "verdicts-without-prompt"),
        (["--prompt", "tiers.txt", "--verdicts", "small"], 2, "verdicts-bad"),
        (["--prompt", "pairs.txt"], 2, "prompt-missing-column"),
        (["--prompt", "gold.txt"], 2, "prompt-shows-gold"),
        (["--prompt", "absent.txt"], 2, "prompt-unreadable"),
        (["--id", "nr"], 2, "collect-missing-column"),
        (["--price-as", "no-such-model"], 3, "price-unknown-model"),
        (["-o", "rows.csv"], 2, "output-is-input"),
        (["--spans", "decisions.jsonl", "-o", "decisions.jsonl"], 2, "output-twice"),
        (["-o", "-"], 2, "collect-to-stdout"),
        (["-o", "old.jsonl"], 2, "collect-output-exists"),
        (["-o", "absent/d.jsonl"], 2, "output-unwritable"),
        (["--base-url", "localhost"], 2, "provider-bad-url"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sent(
    more: list[str], code: int, slug: str, here: Run, rows: Path
) -> None:
    folder = rows.parent
    (folder / "tiers.txt").write_text("{question}: small, medium or large?")
    (folder / "pairs.txt").write_text("{question} {answer_a} {answer_b}")
    (folder / "gold.txt").write_text("{question} {answer} {gold}")
    (folder / "old.jsonl").write_text('{"id": "r1"}\n')
    with serving() as server:
        done = here(*arguments(server), *more, env=ENV)
        assert server.served == []
    assert f"error[{slug}]" in done.stderr
    assert done.returncode == code
    assert "secret" not in done.stderr


def test_a_key_that_is_not_set_is_named(here: Run, rows: Path) -> None:
    assert rows.exists()
    with serving() as server:
        done = here(*arguments(server), env={"OPENAI_API_KEY": ""})
    assert done.returncode == 2
    assert "OPENAI_API_KEY is not set" in done.stderr


def test_without_a_price_spend_is_not_counted_unless_a_cap_is_asked_for(
    here: Run, rows: Path
) -> None:
    assert rows.exists()
    with serving() as server:
        given = [item for item in arguments(server) if item not in {"--price-as", "gpt-4.1"}]
        capped = here(*given, "--max-usd", "1", env=ENV)
        assert server.served == []
        done = here(*given, "-f", "json", env=ENV)
    assert (capped.returncode, "price-unknown-model" in capped.stderr) == (3, True)
    report = json.loads(done.stdout)
    assert [item["slug"] for item in report["findings"]] == ["price-unknown"]
    assert {m["name"]: m["value"] for m in report["measures"]}["spent_usd"] is None


def test_tiers_are_verdicts_too(here: Run, rows: Path, tmp_path: Path) -> None:
    assert rows.exists()
    (tmp_path / "tiers.txt").write_text("{question}: small, medium or large?")
    with serving(lambda _prompt, _before: Act(verdict="medium")) as server:
        more = ("--prompt", "tiers.txt", "--verdicts", "small,medium,large", "--max-rows", "3")
        done = here(*arguments(server, *more), env=ENV)
    assert done.returncode == 0, done.stderr
    assert [row["judge"] for row in lines(tmp_path / "d.jsonl")] == ["medium"] * 3


def test_rows_that_cannot_be_judged_are_named_and_left_out(here: Run, tmp_path: Path) -> None:
    table = [
        {"id": 1, "question": "secret q", "answer": "secret a"},
        {"id": 1, "question": "secret q", "answer": "secret b"},
        {"id": 2, "question": "", "answer": "secret c"},
        {"id": 3, "question": {"role": "user"}, "answer": 4.5},
    ]
    (tmp_path / "rows.csv").write_text("")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table))
    with serving() as server:
        given = [item.replace("rows.csv", "rows.jsonl") for item in arguments(server, "-f", "json")]
        done = here(*given, env=ENV)
    assert done.returncode == 0, done.stderr
    found = {item["slug"]: item["line"] for item in json.loads(done.stdout)["findings"]}
    assert found == {"collect-duplicate-id": 2, "collect-empty-field": 3}
    assert sorted(row["id"] for row in lines(tmp_path / "d.jsonl")) == ["1", "3"]
    assert any('{"role":"user"}' in one.prompt and "4.5" in one.prompt for one in server.served)
    assert "secret" not in done.stdout + done.stderr


def test_without_an_output_nothing_is_asked(here: Run, rows: Path) -> None:
    assert rows.exists()
    done = here("judge-collect", "rows.csv", "--judge-model", "gpt-4.1", env=ENV)
    assert (done.returncode, "error[collect-no-output]" in done.stderr) == (2, True)


def test_a_dry_run_counts_only_what_is_left(here: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,question,answer_a,answer_b\nr1,q,a,b\nr2,q,a,b\n")
    with serving(lambda _prompt, _before: Act(verdict="tie")) as server:
        assert here(*arguments(server, "--max-rows", "1"), env=ENV).returncode == 0
        done = here(*arguments(server, "--dry-run", "--resume", "-f", "json"), env=ENV)
    measures = {item["name"]: item["value"] for item in json.loads(done.stdout)["measures"]}
    assert (measures["rows"], measures["calls"]) == (1, 2)  # a pair is asked in both orders
    (made,) = lines(tmp_path / "d.jsonl")
    assert (made["judge"], made["judge_swapped"], made["length_b"]) == ("tie", "tie", 1)


def test_a_table_without_rows_is_bad_input(here: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,question,answer\n")
    with serving() as server:
        done = here(*arguments(server), env=ENV)
    assert (done.returncode, "error[collect-no-rows]" in done.stderr) == (3, True)


def test_verdicts_are_played_from_a_cassette_as_they_were_recorded(
    here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.csv").write_text(
        "id,question,answer_a,answer_b\n" + "".join(f"r{i},secret q{i}.,a,b\n" for i in range(4))
    )

    def script(prompt: str, before: int) -> Any:  # noqa: ANN401 - of run_path
        if "q1." in prompt and before == 0:
            return Act(status=429, headers={"retry-after": "0"}, error="rate_limit_error")
        return Act(verdict="A")

    tape = ("--cassette", "c.jsonl", "-f", "json", "--concurrency", "1")
    with serving(script) as server:
        done = here(*arguments(server, *tape, "--record-mode", "once"), env=ENV)
        assert done.returncode == 0, done.stderr
        asked = len(server.served)
        monkeypatch.delenv("OPENAI_API_KEY")
        monkeypatch.delenv("ANTHROPIC_API_KEY")
        given = [item if item != "d.jsonl" else "e.jsonl" for item in arguments(server, *tape)]
        played = here(*given)
        assert played.returncode == 0, played.stderr
        dry = here(*given, "--dry-run")
        assert len(server.served) == asked
    for ending in ("jsonl", "spans.jsonl"):
        first, second = tmp_path / f"d.{ending}", tmp_path / f"e.{ending}"
        assert first.read_bytes() == second.read_bytes()
    measures = {m["name"]: m["value"] for m in json.loads(played.stdout)["measures"]}
    assert (measures["played"], measures["requests"], measures["spent_usd"]) == (8, 0, 0)
    assert {m["name"]: m["value"] for m in json.loads(dry.stdout)["measures"]}["rows"] == 0
    text = (tmp_path / "c.jsonl").read_text()
    assert not any(word in text for word in ("secret", KEY))
    with (tmp_path / "rows.csv").open("a") as file:
        file.write("r4,secret q4.,a,b\n")
    other = here(*[item if item != "e.jsonl" else "f.jsonl" for item in given])
    assert other.returncode == 3
    assert "the request of 'r4/first' is not on the cassette" in other.stderr
    assert not (tmp_path / "f.jsonl").exists()
    with serving(script) as server:
        more = here(*arguments(server, *tape, "--record-mode", "new_episodes", "--resume",
                               "--otlp-endpoint", "http://127.0.0.1:1"), env=ENV)  # fmt: skip
        # Another server is another judge: its verdicts do not go into the same files.
        assert (more.returncode, "collect-other-settings" in more.stderr) == (2, True)
        given = [item if item != "d.jsonl" else "g.jsonl" for item in arguments(server, *tape)]
        more = here(*given, "--record-mode", "new_episodes", env=ENV)
        assert more.returncode == 0, more.stderr
        assert len(server.served) == 2


COLLECTOR = run_path(str(Path(__file__).parents[1] / "live" / "collector.py"))


def test_spans_go_to_a_collector_as_well(here: Run, rows: Path, tmp_path: Path) -> None:
    assert rows.exists()
    with serving() as server, COLLECTOR["collecting"]() as collected:
        more = ("--otlp-endpoint", collected.url)
        done = here(*arguments(server, *more), env=ENV)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "d.spans.jsonl").read_text()
    assert len(collected.spans) == written.count('"spanId"') == 24
    assert all(span.span_id.hex() in written for span in collected.spans)
