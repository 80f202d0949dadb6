"""``llmops ingest`` as a user runs it: datasets, keys, mapped logs, OTLP."""

import gzip
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from llmops_cli import read_calls
from llmops_cli.calls import TOKEN_CLASSES

Run = Callable[..., CompletedProcess[str]]


def line(name: str, question: str = "a very secret question") -> str:
    body = {
        "timestamp": "2026-09-01T08:00:00Z",
        "request": {
            "model": "claude-sonnet-4-6",
            "messages": [{"role": "user", "content": question}],
        },
        "response": {"type": "message", "id": name, "usage": {"input_tokens": 9}},
    }
    return json.dumps(body) + "\n"


def test_a_folder_is_a_dataset_that_is_added_to(llmops: Run, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.jsonl").write_text(line("m1") + line("m2") + "{broken\n")
    done = llmops("ingest", "logs", "-o", "calls")
    assert (done.returncode, done.stdout) == (0, "")
    assert "2 calls of 1 file added to calls; 1 row could not be read" in done.stderr
    (logs / "b.jsonl").write_text(line("m3"))
    done = llmops("ingest", "logs", "-o", "calls")
    assert "1 call of 2 files added to calls; 1 of them there already" in done.stderr
    assert sorted(read_calls([tmp_path / "calls"]).calls["call_id"]) == ["m1", "m2", "m3"]
    assert "3 calls to 1 model" in llmops("describe", "calls").stdout


def test_the_answer_is_the_same_from_log_and_dataset(
    llmops: Run, datasets: Path, tmp_path: Path
) -> None:
    log = datasets / "agent.jsonl.gz"
    assert llmops("ingest", log, "-o", "agent", "--jobs", "2").returncode == 0
    answers = [
        json.loads(llmops("cache-estimate", source, "-f", "json").stdout)
        for source in (log, tmp_path / "agent")
    ]
    assert answers[0]["measures"] == answers[1]["measures"]
    assert answers[0]["tables"] == answers[1]["tables"]


def test_the_key_comes_from_a_file_or_the_environment(llmops: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(line("m1"))
    (tmp_path / "key").write_text("k1\n")
    llmops("ingest", "a.jsonl", "-o", "file.parquet", "--hash-key", "key")
    llmops("ingest", "a.jsonl", "-o", "env.parquet", env={"LLMOPS_HASH_KEY": "k1"})
    llmops("ingest", "a.jsonl", "-o", "none.parquet")
    hashes = {
        name: read_calls([tmp_path / f"{name}.parquet"]).calls["block_hashes"][0][0]
        for name in ("file", "env", "none")
    }
    assert hashes["file"] == hashes["env"] != hashes["none"]


@pytest.mark.parametrize(
    ("arguments", "slug"),
    [
        (("--hash-key", "absent"), "hash-key-unreadable"),
        (("--hash-key", "empty"), "hash-key-empty"),
        (("--map", "input_tokens"), "map-not-a-pair"),
        (("--map", "=x"), "map-not-a-pair"),
        (("--input-format", "nothing"), "traffic-unknown-format"),
    ],
)
def test_usage_errors_end_with_2_and_write_nothing(
    llmops: Run, tmp_path: Path, arguments: tuple[str, ...], slug: str
) -> None:
    (tmp_path / "a.jsonl").write_text(line("m1"))
    (tmp_path / "empty").write_text("\n")
    for output in ("calls.parquet", "calls"):
        done = llmops("ingest", "a.jsonl", "-o", output, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"error[{slug}]" in done.stderr
        assert not (tmp_path / output).exists()


@pytest.mark.parametrize(
    ("output", "arguments"),
    [
        ("calls.csv", ()),
        ("calls.jsonl", ()),
        ("calls.parquet.gz", ()),
        ("calls.pb", ()),
        ("calls.parquet", ("--to-otlp",)),
        ("calls.jsonl.gz", ("--to-otlp",)),
    ],
)
def test_a_name_that_says_another_format_is_refused(
    llmops: Run, tmp_path: Path, output: str, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "a.jsonl").write_text(line("m1"))
    done = llmops("ingest", "a.jsonl", "-o", output, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error[ingest-wrong-ending]" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize("output", ["calls.parquet", "calls"])
@pytest.mark.parametrize("arguments", [(), ("--keep-content",)])
def test_prompts_go_where_they_are_asked_for_and_nowhere_else(
    llmops: Run, tmp_path: Path, output: str, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "a.jsonl").write_text(line("m1") + line("m2", "secret of another") + "{secret\n")
    done = llmops("ingest", "a.jsonl", "-o", output, "-v", *arguments)
    assert done.returncode == 0
    assert "secret" not in done.stdout + done.stderr
    written = tmp_path / output
    paths = [written] if written.is_file() else [p for p in written.rglob("*") if p.is_file()]
    assert any(b"secret" in path.read_bytes() for path in paths) == bool(arguments)


def test_a_log_of_ones_own_is_mapped(llmops: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(
        "when,llm,in,out\n2026-09-01T08:00:00Z,gpt-5.1,10,2\n2026-09-01T08:01:00Z,gpt-5.1,20,3\n"
    )
    mapped = ("start_time=when", "request_model=llm", "input_tokens=in", "output_tokens=out")
    options = [part for pair in mapped for part in ("--map", pair)]
    done = llmops("ingest", "mine.csv", "-o", "calls.parquet", *options)
    assert done.returncode == 0, done.stderr
    calls = read_calls([tmp_path / "calls.parquet"]).calls
    assert calls["input_tokens"].tolist() == [10, 20]
    assert "2 calls to 1 model" in llmops("describe", "mine.csv", *options).stdout


def test_telemetry_is_upgraded_to_the_current_conventions(
    llmops: Run, datasets: Path, tmp_path: Path
) -> None:
    log, new = datasets / "telemetry.jsonl.gz", tmp_path / "new.jsonl"
    done = llmops("ingest", log, "--to-otlp", "--keep-content", "-o", "new.jsonl")
    assert (done.returncode, done.stdout) == (0, "")
    text = new.read_text()
    assert '"gen_ai.system"' not in text
    assert '"http.request.method"' in text, "spans that are no calls stay"
    before, after = read_calls([log]).calls, read_calls([new]).calls
    columns = [*TOKEN_CLASSES, "call_id", "request_model", "attempts", "block_hashes"]
    for column in columns:
        assert after[column].tolist() == before[column].tolist(), column
    audits = [json.loads(llmops("audit-traces", path, "-f", "json").stdout) for path in (log, new)]
    rules = [{item["slug"] for item in audit["findings"]} for audit in audits]
    assert {"deprecated-attribute", "deprecated-event"} <= rules[0]
    assert not {"deprecated-attribute", "deprecated-event"} & rules[1]


@pytest.mark.parametrize("name", ["agent.jsonl.gz", "chat.jsonl.gz"])
def test_any_log_becomes_otlp_and_answers_the_same(
    llmops: Run, datasets: Path, tmp_path: Path, name: str
) -> None:
    done = llmops("ingest", datasets / name, "--to-otlp", "-o", "calls.jsonl")
    assert done.returncode == 0, done.stderr
    assert b"secret" not in (tmp_path / "calls.jsonl").read_bytes()
    again = llmops("describe", "calls.jsonl", "-f", "json")
    first = llmops("describe", datasets / name, "-f", "json")
    assert json.loads(again.stdout)["measures"] == json.loads(first.stdout)["measures"]


def test_otlp_from_standard_input_to_standard_output(llmops: Run, datasets: Path) -> None:
    log = gzip.decompress((datasets / "telemetry.jsonl.gz").read_bytes()).decode()
    done = llmops("ingest", "-", "--to-otlp", "-o", "-", stdin=log)
    assert done.returncode == 0, done.stderr
    assert all(json.loads(line)["resourceSpans"] for line in done.stdout.splitlines())


def test_an_interrupt_leaves_the_dataset_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(line(f"m{number}") for number in range(40_000)))
    program = (
        "import runpy, signal;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "runpy.run_module('llmops_cli', run_name='__main__')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "ingest", "a.jsonl", "-o", "calls"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("calls/.llmops/staging-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert not list(tmp_path.glob("calls/**/*.parquet"))
    assert not list(tmp_path.glob("calls/.llmops/*.json*commit*"))
