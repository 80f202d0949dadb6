"""``llmops describe`` and ``llmops ingest`` as a user runs them."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from llmops_cli import read_calls

Run = Callable[..., CompletedProcess[str]]

LINE = json.dumps(
    {
        "timestamp": "2026-09-01T08:00:00Z",
        "request": {
            "model": "claude-sonnet-4-6",
            "messages": [{"role": "user", "content": "a very secret question"}],
        },
        "response": {"type": "message", "id": "m1", "usage": {"input_tokens": 9}},
    }
)


def test_describe_counts_what_is_there(llmops: Run, datasets: Path) -> None:
    done = llmops("describe", datasets / "chat.jsonl.gz", "-f", "json")
    report = json.loads(done.stdout)
    measures = {item["name"]: item["value"] for item in report["measures"]}
    assert (measures["calls"], measures["conversations"], measures["users"]) == (160, 0, 48)
    assert report["parameters"] == {"format.openai-chat": 160}


def test_ingest_writes_a_table_without_prompts(llmops: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(LINE + "\n{broken\n")
    done = llmops("ingest", "a.jsonl", "-o", "calls.parquet")
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 call written to calls.parquet; 1 row could not be read" in done.stderr
    assert b"secret" not in (tmp_path / "calls.parquet").read_bytes()
    assert read_calls([tmp_path / "calls.parquet"]).calls["call_id"].tolist() == ["m1"]
    assert "1 call to 1 model" in llmops("describe", "calls.parquet").stdout


def test_ingest_twice_gives_the_same_bytes(llmops: Run, datasets: Path, tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        llmops("ingest", datasets / "rag.jsonl.gz", "-o", name)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_ingest_reads_stdin_and_keys_its_hashes(llmops: Run, tmp_path: Path) -> None:
    for name, key in (("plain", ""), ("one", "k1"), ("again", "k1"), ("two", "k2")):
        env = {"LLMOPS_HASH_KEY": key}
        assert llmops("ingest", "-", "-o", f"{name}.parquet", stdin=LINE, env=env).returncode == 0
    hashes = {
        path.stem: read_calls([path]).calls["block_hashes"][0][0]
        for path in tmp_path.glob("*.parquet")
    }
    assert hashes["one"] == hashes["again"]
    assert len(set(hashes.values())) == 3


def test_a_dash_is_stdout(llmops: Run, tmp_path: Path, datasets: Path) -> None:
    log = datasets / "rag.jsonl.gz"
    assert llmops("ingest", log, "-o", "calls.parquet").returncode == 0
    command = [sys.executable, "-m", "llmops_cli", "ingest", str(log), "-o", "-"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == (tmp_path / "calls.parquet").read_bytes()
    assert b"260 calls written to stdout" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"calls.parquet"}


@pytest.mark.parametrize(
    ("content", "slug"),
    [
        ("", "traffic-empty"),
        ("{broken\n", "traffic-no-calls"),
        ('{"other": 1}\n', "traffic-no-calls"),
    ],
)
def test_a_log_that_cannot_be_read_leaves_nothing_behind(
    llmops: Run, tmp_path: Path, content: str, slug: str
) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    done = llmops("ingest", "a.jsonl", "-o", "calls.parquet")
    assert done.returncode == 3
    assert f"error[{slug}]: a.jsonl" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl"}


def test_an_unwritable_output_is_refused_before_the_work(llmops: Run, tmp_path: Path) -> None:
    done = llmops("ingest", "absent.jsonl", "-o", "missing/calls.parquet")
    assert done.returncode == 2
    assert "error[output-unwritable]" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_closed_stdin_is_said(tmp_path: Path) -> None:
    # Only a shell closes a descriptor.
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m llmops_cli describe - <&-"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "error[traffic-stdin-closed]" in done.stderr


def test_bad_rows_are_said_and_kept_in_the_report(llmops: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f"{LINE}\n{LINE[:40]}")
    done = llmops("describe", "a.jsonl", "-f", "json")
    assert done.returncode == 0
    assert "warning[traffic-truncated-line]: 1 row could not be read" in done.stderr
    findings = json.loads(done.stdout)["findings"]
    assert [(item["slug"], item["line"]) for item in findings] == [("traffic-truncated-line", 2)]
    strict = llmops("describe", "a.jsonl", "--max-bad-rows", "0")
    assert strict.returncode == 3
    assert "secret" not in done.stdout + done.stderr + strict.stderr


def test_raw_logs_beside_parquet_are_refused(llmops: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(LINE)
    llmops("ingest", "a.jsonl", "-o", "calls.parquet")
    done = llmops("describe", ".")
    assert done.returncode == 3
    assert "error[traffic-mixed-formats]" in done.stderr
