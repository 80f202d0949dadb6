"""``llmops datasets`` as a user runs it."""

import gzip
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]


def test_list_names_every_set_and_conversion(llmops: Run) -> None:
    done = llmops("datasets", "list")
    assert done.returncode == 0
    for word in ("agent", "routing-few", "routellm-gsm8k", "Apache-2.0", "datasets convert"):
        assert word in done.stdout


def test_make_writes_the_committed_file(llmops: Run, datasets: Path, tmp_path: Path) -> None:
    done = llmops("datasets", "make", "routing-few")
    assert (done.returncode, done.stdout) == (0, "routing-few.csv\n")
    made = (tmp_path / "routing-few.csv").read_bytes()
    assert made == (datasets / "routing-few.csv").read_bytes()


def test_a_dash_is_stdout(llmops: Run, datasets: Path, tmp_path: Path) -> None:
    done = llmops("datasets", "make", "routing-few", "-o", "-")
    assert done.stdout == (datasets / "routing-few.csv").read_text()
    assert list(tmp_path.iterdir()) == []


def test_what_is_made_is_compressed_where_its_name_says_so(
    llmops: Run, datasets: Path, tmp_path: Path
) -> None:
    plain = gzip.decompress((datasets / "telemetry.jsonl.gz").read_bytes())
    assert llmops("datasets", "make", "telemetry", "-o", "-").stdout == plain.decode()
    assert llmops("datasets", "make", "telemetry", "-o", "t.jsonl").returncode == 0
    assert (tmp_path / "t.jsonl").read_bytes() == plain
    assert llmops("datasets", "make", "routing-few", "-o", "r.csv.gz").returncode == 0
    packed = (tmp_path / "r.csv.gz").read_bytes()
    assert gzip.decompress(packed) == (datasets / "routing-few.csv").read_bytes()


def test_convert_writes_to_stdout_or_a_file(llmops: Run, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('[{"traj": [{"role": "assistant", "content": "x"}]}]')
    assert llmops("datasets", "convert", "tau-bench", "t.json").stdout.startswith('{"timestamp"')
    done = llmops("datasets", "convert", "tau-bench", "t.json", "-o", "t.jsonl")
    assert (done.returncode, done.stdout) == (0, "t.jsonl: 1 lines\n")


@pytest.mark.parametrize(
    ("arguments", "code", "slug"),
    [
        (["make", "agents"], 2, "dataset-unknown"),
        (["convert", "tau", "x.json"], 2, "dataset-unknown"),
        (["make", "agent", "-o", "missing/a.gz"], 2, "output-unwritable"),
        (["convert", "tau-bench", "absent.json"], 3, "convert-not-found"),
    ],
)
def test_refusals(llmops: Run, tmp_path: Path, arguments: list[str], code: int, slug: str) -> None:
    done = llmops("datasets", *arguments)
    assert done.returncode == code
    assert f"error[{slug}]" in done.stderr
    assert list(tmp_path.iterdir()) == []
