"""Every format of a plan of speculation: valid, the same bytes twice, and shown again alike."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from xml.etree import ElementTree as ET

import jsonschema
import numpy as np
import pytest
import yaml

Run = Callable[..., CompletedProcess[str]]

FORMATS = ("json", "html", "markdown", "junit", "github", "sarif", "text")
ASKED = (
    "--target", "Llama-3.1-8B", "--gpu", "H100", "--load", "1:0.3,32:0.5,128:0.2",
    "--min-speedup", "1.1", "--gpu-usd-per-hour", "3", "--nodes", "2", "--hop-ms", "5",
)  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    rows = [
        {"task": ("code", "chat")[at % 2], "temperature": at % 3 / 2, "drafted": 4,
         "accepted": np.minimum(draw.geometric(0.3, 30) - 1, 4).tolist()}
        for at in range(30)
    ]  # fmt: skip
    path = tmp_path / "a log.jsonl"
    path.write_text("\ufeff" + "\r\n".join(map(json.dumps, rows)) + "\r\n", encoding="utf-8")
    return path


def written(llmops: Run, log: Path, tmp_path: Path, name: str) -> Path:
    """Everything a run writes, in a folder."""
    folder = tmp_path / name
    folder.mkdir()
    made = [text for item in FORMATS for text in ("-f", f"{item}={folder / item}")]
    done = llmops(
        "plan-speculation", *ASKED, *made, "-o", folder / "plan.yaml",
        "--export", f"vllm={folder / 'vllm.yaml'}", "--export", f"sglang={folder / 'sglang.yaml'}",
        "--draft", f"<b>small</b> model=Llama-3.2-1B log='{log}'",
        "--draft", f"ngram log='{log}'",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_what_is_written_is_valid_repeatable_and_safe(
    llmops: Run, log: Path, tmp_path: Path
) -> None:
    one, two = (written(llmops, log, tmp_path, name) for name in ("one", "two"))
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted([*FORMATS, "plan.yaml", "vllm.yaml", "sglang.yaml"])
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    report = json.loads((one / "json").read_text())
    jsonschema.validate(report, json.loads(llmops("schema", "report").stdout))
    plan = yaml.safe_load((one / "plan.yaml").read_text())
    jsonschema.validate(plan, json.loads(llmops("schema", "speculation-plan").stdout))
    assert ET.parse(one / "junit").getroot().get("failures") == "0"  # noqa: S314 - our own file
    assert json.loads((one / "sarif").read_text())["version"] == "2.1.0"
    page = (one / "html").read_text()
    assert "<b>small</b>" not in page
    assert "Share of decoding time by batch" in page
    assert page.count("<svg") >= 2
    assert "NaN" not in (one / "json").read_text()


@pytest.mark.parametrize("name", ["html", "markdown", "junit"])
def test_a_kept_report_is_shown_again_alike(
    llmops: Run, log: Path, tmp_path: Path, name: str
) -> None:
    folder = written(llmops, log, tmp_path, "one")
    again = llmops("show", folder / "json", "-f", name)
    assert again.stdout == (folder / name).read_text()


def test_the_plan_is_alone_on_stdout_when_quiet(llmops: Run, log: Path) -> None:
    done = llmops("plan-speculation", log, *ASKED, "--draft", "ngram", "-o", "-", "-q")
    assert yaml.safe_load(done.stdout)["draft"] == "ngram"
    assert done.stderr == ""


def test_two_drafts_cannot_both_read_stdin(llmops: Run) -> None:
    done = llmops("plan-speculation", "-", *ASKED, "--draft", "ngram", "--draft", "pld")
    assert (done.returncode, "error[draft-one-stdin]" in done.stderr) == (2, True)


def test_without_a_load_the_log_says_when_requests_ran(llmops: Run, tmp_path: Path) -> None:
    times = [("2026-01-01T00:00:00Z", "2026-01-01T00:00:03Z"),
             ("2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z")]  # fmt: skip
    rows = [{"accepted": [1, 2], "drafted": 3, "started": a, "ended": b} for a, b in times]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = llmops("plan-speculation", "log.jsonl", "--target", "Llama-3.1-8B", "--gpu", "H100",
                  "--draft", "ngram", "-f", "json")  # fmt: skip
    load = next(item for item in json.loads(done.stdout)["series"] if item["name"] == "load")
    assert load["x"] == [1, 2]
    assert load["y"] == pytest.approx([2 / 3, 1 / 3])
