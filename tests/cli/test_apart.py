"""No command writes over what it reads, and none writes one file twice."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from llmops_cli.cli.apart import check_apart
from llmops_cli.errors import LlmopsError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two logs, a table, a plan, and another name of a log."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    for name in ("logs/a.jsonl", "logs/b.csv", "logs/a.html", "plan.yaml", "b.jsonl"):
        (tmp_path / name).write_text("{}\n")
    (tmp_path / "link.jsonl").symlink_to("b.jsonl")
    return tmp_path


@pytest.mark.parametrize(
    "values",
    [
        {"paths": ["b.jsonl"], "output": Path("b.jsonl")},
        {"paths": ["b.jsonl"], "output": Path("./logs/../b.jsonl")},
        {"paths": ["b.jsonl"], "format": ["json=b.jsonl"]},
        {"paths": ["-", "b.jsonl"], "format": ["text", "html=link.jsonl"]},
        {"paths": ["link.jsonl"], "events": Path("b.jsonl")},
        {"paths": ["b.*"], "export": ["argo=b.jsonl"]},
        {"paths": ["logs"], "output": Path("logs/a.jsonl")},
        {"paths": ["logs"], "output": Path("logs/b.csv")},
        {"paths": None, "plan": Path("plan.yaml"), "export": ["argo=plan.yaml"]},
        {"report": "b.jsonl", "format": ["html=b.jsonl"]},
        {"paths": ["b.jsonl"], "plan": Path("plan.yaml"), "state": Path("plan.yaml")},
    ],
)
def test_what_is_read_is_not_written_over(folder: Path, values: dict[str, object]) -> None:
    with pytest.raises(LlmopsError, match="would be written over") as caught:
        check_apart(values)
    assert (caught.value.slug, caught.value.exit_code) == ("output-is-input", 2)
    assert (folder / "b.jsonl").read_text() == "{}\n"


@pytest.mark.parametrize(
    "values",
    [
        {"format": ["json=new", "html=./new"]},
        {"output": Path("new"), "format": ["json=new"]},
        {"output": Path("plan.yaml"), "export": ["argo=plan.yaml"]},
        {"export": ["argo=new", "flagger=new"]},
        {"events": Path("new"), "perfetto": Path("new")},
    ],
)
def test_one_file_is_not_written_twice(folder: Path, values: dict[str, object]) -> None:
    assert folder.exists()
    with pytest.raises(LlmopsError, match="written to the same file") as caught:
        check_apart(values)
    assert (caught.value.slug, caught.value.exit_code) == ("output-twice", 2)


@pytest.mark.parametrize(
    "values",
    [
        {"paths": ["logs"], "format": ["html=logs/a.html"]},  # no folder of logs reads HTML
        {"paths": ["logs"], "output": Path("logs/new.jsonl")},
        {"paths": ["b.jsonl"], "output": Path("plan.yaml")},
        {"paths": ["b.jsonl"], "baseline": Path("plan.yaml"), "format": ["json=plan.yaml"]},
        {"paths": ["b.jsonl"], "output": Path("/dev/null"), "format": ["json=/dev/null"]},
        {"paths": ["logs"], "output": Path("logs")},  # a dataset is added to
        {"paths": ["-"], "output": Path("-"), "format": ["json=-"]},
        {"paths": ["s3://bucket/b.jsonl"], "output": Path("plan.yaml")},
        {"paths": ["b.jsonl"], "seed": 1, "output": Path("a" * 300)},
        {"paths": ["a" * 300], "output": Path("plan.yaml")},
    ],
)
def test_what_loses_nothing_is_left_to_the_command(folder: Path, values: dict[str, object]) -> None:
    assert folder.exists()
    check_apart(values)


def test_the_command_line_asks(
    llmops: Callable[..., CompletedProcess[str]], folder: Path, datasets: Path
) -> None:
    log = datasets / "chat.jsonl.gz"
    (folder / "log.jsonl.gz").write_bytes(log.read_bytes())
    done = llmops("ingest", "log.jsonl.gz", "-o", "log.jsonl.gz")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("llmops: error[output-is-input]: log.jsonl.gz is read")
    assert (folder / "log.jsonl.gz").read_bytes() == log.read_bytes()
