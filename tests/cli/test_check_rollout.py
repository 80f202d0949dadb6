"""``llmops check-rollout`` as a user runs it: exit codes, its state file, and refusals."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml

Run = Callable[..., CompletedProcess[str]]


def sums(plan: Path, path: Path, *, part: float = 1.0, errors: float = 0.0) -> Path:
    """A CSV of the first stage in four windows, both versions alike but for some more errors."""
    known = yaml.safe_load(plan.read_text(encoding="utf-8"))
    stage, rows = known["stages"][0], ["window,variant,metric,requests,total"]
    for hour in range(4):
        for variant, n in (
            ("canary", stage["canary_requests"]),
            ("control", stage["requests"] - stage["canary_requests"]),
        ):
            requests = 1 + round(n * part / 4)
            for item in known["guardrails"]:
                share = item["baseline"]
                if (variant, item["name"]) == ("canary", "errors"):
                    share += errors
                cells = (f"2026-09-01T0{hour}:00", variant, item["name"], requests)
                rows.append(",".join(map(str, (*cells, round(requests * share, 3)))))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [((1.0, 0.0), 0, "PROMOTE"), ((0.3, 0.0), 4, "HOLD"), ((1.0, 0.06), 1, "ROLLBACK")],
)
def test_the_exit_code_is_the_decision(
    llmops: Run, plan: Path, tmp_path: Path, data: tuple[float, float], code: int, said: str
) -> None:
    seen = sums(plan, tmp_path / "sums.csv", part=data[0], errors=data[1])
    done = llmops("check-rollout", seen, "--plan", plan, "--stage", "5", "--explain")
    assert done.returncode == code, done.stderr
    assert said in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_same_data_twice_change_neither_state_nor_decision(
    llmops: Run, plan: Path, tmp_path: Path
) -> None:
    data = sums(plan, tmp_path / "sums.csv")
    states: list[bytes] = []
    for _ in range(2):
        asked = ("--plan", plan, "--stage", "5", "--state", "rollout.json")
        done = llmops("check-rollout", data, *asked)
        assert done.returncode == 0, done.stderr
        states.append((tmp_path / "rollout.json").read_bytes())
    assert states[0] == states[1]
    assert json.loads(states[0])["schema"] == "llmops.rollout-state/1"


def test_a_log_in_which_the_model_tells_the_version(
    llmops: Run, datasets: Path, plan: Path
) -> None:
    log = datasets / "classifier.jsonl.gz"
    asked = ("--plan", plan, "--stage", "5", "--canary", "request_model=none-of-them")
    done = llmops("check-rollout", log, *asked)
    assert done.returncode == 4, done.stderr
    assert "HOLD" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "slug", "code"),
    [
        (("--stage", "7"), "rollout-no-such-stage", 2),
        (("--stage", "5", "--canary", "model"), "rollout-bad-slice", 2),
        (("--stage", "5", "--state", "missing/state.json"), "output-unwritable", 2),
        (("--stage", "5", "--state", "plan.yaml"), "output-is-input", 2),
        (("--stage", "5", "--since", "2026-09-02", "--until", "2026-09-01"), "rollout-no-time", 2),
    ],
)
def test_refusals(
    llmops: Run, plan: Path, tmp_path: Path, arguments: tuple[str, ...], slug: str, code: int
) -> None:
    data = sums(plan, tmp_path / "sums.csv")
    done = llmops("check-rollout", data, "--plan", plan, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert f"error[{slug}]" in done.stderr


def test_sums_are_read_from_wherever_logs_are(llmops: Run, plan: Path, tmp_path: Path) -> None:
    (tmp_path / "some").mkdir()
    data = sums(plan, tmp_path / "some" / "sums.csv")
    text = data.read_text(encoding="utf-8")
    (tmp_path / "sums.csv.gz").write_bytes(gzip.compress(text.encode()))
    asked = ("--plan", plan, "--stage", "5")
    for path, stdin in (("some", ""), ("so*/s*.csv", ""), ("sums.csv.gz", ""), ("-", text)):
        done = llmops("check-rollout", path, *asked, stdin=stdin)
        assert (done.returncode, "PROMOTE" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("sums.csv", b"\xff\xfe\x00", "it is not text"),
        ("sums.csv.gz", gzip.compress(b"window,variant\n" * 99)[:30], "damaged or cut off"),
        ("sums.csv.gz", b"window,variant\n", "damaged"),
    ],
)
def test_a_file_that_is_no_text(
    llmops: Run, tmp_path: Path, plan: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    done = llmops("check-rollout", name, "--plan", plan, "--stage", "5")
    assert (done.returncode, done.stdout) == (3, "")
    assert f"error[sums-unreadable]: {name}: it cannot be read: " in done.stderr
    assert says in done.stderr


def test_a_log_without_its_canary_is_told_what_it_needs(
    llmops: Run, datasets: Path, plan: Path
) -> None:
    done = llmops("check-rollout", datasets / "classifier.jsonl.gz", "--plan", plan, "--stage", "5")
    assert (done.returncode, done.stdout) == (3, "")
    assert "a log needs --canary COLUMN=VALUE" in done.stderr
