"""Bad input to the commands of a rollout: each case refused in a sentence, or answered with a hold.

Stages out of order are in test_plan_rollout.py and test_simulate_rollout.py; an arm that is
missing, three requests and a clock that goes back in test_check_rollout_stages.py.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from llmops_cli.rollout import RolloutParameters, draw_plan
from llmops_cli.rollout.document import to_yaml
from llmops_cli.traffic import Options, read_traffic

Run = Callable[..., CompletedProcess[str]]

COLUMNS = ("start_time", "user_id", "task", "duration_s", "error_type")
MAP = tuple(part for name in COLUMNS for part in ("--map", f"{name}={name}"))
COMMANDS = {
    "plan-rollout": (),
    "simulate-rollout": ("--runs", "20", "--look-hours", "6"),
    "check-rollout": ("--plan", "plan.yaml", "--stage", "50", "--canary", "task=new"),
}


def rows(n: int, seconds: str = "1.5", errors: float = 0.02, apart: int = 20) -> Iterator[str]:
    """Calls of many users, half of them on the new version."""
    draw = np.random.default_rng(1)
    start = np.datetime64("2026-09-01T00:00:00")
    for i in range(n):
        failed = draw.random() < errors
        took = "" if failed else f"{draw.lognormal(0, 0.4):.3f}" if seconds == "1.5" else seconds
        user = int(draw.integers(0, n))
        version = "new" if user % 2 else "old"
        moment = start + np.timedelta64(apart * i, "s")
        yield f"{moment}Z,u{user},{version},{took},{'timeout' if failed else ''}"


def log(path: Path, lines: Iterator[str]) -> Path:
    path.write_text("\n".join([",".join(COLUMNS), *lines, ""]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a sound log."""
    path = log(tmp_path_factory.mktemp("base") / "sound.csv", rows(6000))
    calls = read_traffic([path], Options(mapping=tuple((name, name) for name in COLUMNS))).calls
    return to_yaml(draw_plan(calls, RolloutParameters(error_margin=0.05, latency_margin=1.5)))


@pytest.fixture
def planned(plan: str, tmp_path: Path) -> Path:
    """A folder with a sound log and the plan made from it."""
    log(tmp_path / "sound.csv", rows(6000))
    (tmp_path / "plan.yaml").write_text(plan, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("nothing", ["", ",".join(COLUMNS) + "\n"])
def test_a_log_without_traffic_is_refused(
    llmops: Run, planned: Path, command: str, nothing: str
) -> None:
    (planned / "empty.csv").write_text(nothing, encoding="utf-8")
    done = llmops(command, "empty.csv", *COMMANDS[command], *MAP)
    assert (done.returncode, done.stdout) == (3, "")
    assert "error[traffic-empty]" in done.stderr


@pytest.mark.usefixtures("planned")
def test_a_stage_without_traffic_holds(llmops: Run) -> None:
    later = ("--since", "2027-01-01")
    done = llmops("check-rollout", "sound.csv", *COMMANDS["check-rollout"], *MAP, *later)
    assert done.returncode == 4, done.stderr
    assert "no data is no evidence" in done.stdout


def test_a_plan_of_years_says_so_and_what_a_shorter_one_would_see(
    llmops: Run, planned: Path
) -> None:
    log(planned / "thin.csv", rows(300, apart=7200))
    done = llmops("plan-rollout", "thin.csv", *MAP, "--max-days", "14", "-v")
    assert done.returncode == 1, done.stderr
    told = " ".join(done.stdout.split())
    assert "years" in told
    assert "What a rollout of 14 days would still see" in told
    done = llmops("simulate-rollout", "thin.csv", *MAP)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error[rollout-too-many-looks]" in done.stderr


@pytest.mark.parametrize("command", ["plan-rollout", "simulate-rollout"])
def test_a_log_without_an_error_is_planned_and_rehearsed(
    llmops: Run, planned: Path, command: str
) -> None:
    log(planned / "good.csv", rows(4000, errors=0.0))
    margins = ("--error-margin", "0.05") if command == "plan-rollout" else ()
    done = llmops(command, "good.csv", *COMMANDS[command], *MAP, *margins)
    assert done.returncode == 0, done.stderr
    assert "nan" not in done.stdout.lower()


@pytest.mark.parametrize("command", ["plan-rollout", "simulate-rollout"])
def test_a_log_of_failures_is_no_baseline(llmops: Run, planned: Path, command: str) -> None:
    log(planned / "bad.csv", rows(4000, errors=1.0))
    done = llmops(command, "bad.csv", *COMMANDS[command], *MAP)
    assert (done.returncode, done.stdout) == (3, "")
    assert "error[rollout-mostly-errors]" in done.stderr


def test_a_stage_of_failures_in_both_versions_is_no_harm(llmops: Run, planned: Path) -> None:
    log(planned / "bad.csv", rows(4000, errors=1.0))
    done = llmops("check-rollout", "bad.csv", *COMMANDS["check-rollout"], *MAP)
    assert done.returncode == 4, done.stdout
    assert "nan" not in done.stdout.lower()


@pytest.mark.parametrize("command", COMMANDS)
def test_durations_that_are_no_numbers_are_quarantined(
    llmops: Run, planned: Path, command: str
) -> None:
    log(planned / "nan.csv", rows(3000, seconds="nan"))
    done = llmops(command, "nan.csv", *COMMANDS[command], *MAP)
    assert (done.returncode, done.stdout) == (3, "")
    assert "error[traffic-too-many-bad-rows]" in done.stderr
    assert "nan.csv:2: duration_s" in " ".join(done.stderr.split())


def test_durations_that_are_missing_leave_latency_unguarded(llmops: Run, planned: Path) -> None:
    log(planned / "none.csv", rows(3000, seconds=""))
    done = llmops("plan-rollout", "none.csv", *MAP, "-o", "bare.yaml")
    assert done.returncode == 0, done.stderr
    assert "latency is not guarded" in " ".join(done.stdout.split())
    rehearsed = ("--plan", "plan.yaml", *COMMANDS["simulate-rollout"])
    done = llmops("simulate-rollout", "none.csv", *MAP, *rehearsed)
    assert (done.returncode, done.stdout) == (3, "")
    assert "error[rollout-not-in-log]" in done.stderr


def test_sums_of_a_variant_that_the_plan_does_not_know(llmops: Run, planned: Path) -> None:
    text = "window,variant,metric,requests,total\n2026-09-01,beta,errors,10,1\n"
    (planned / "sums.csv").write_text(text, encoding="utf-8")
    done = llmops("check-rollout", "sums.csv", "--plan", "plan.yaml", "--stage", "50")
    assert (done.returncode, done.stdout) == (3, "")
    assert "error[rollout-unknown-variant]: sums.csv:2: variant" in done.stderr


@pytest.mark.usefixtures("planned")
def test_a_version_that_no_call_has(llmops: Run) -> None:
    given = ("--plan", "plan.yaml", "--stage", "50", "--canary", "task=newer")
    done = llmops("check-rollout", "sound.csv", *MAP, *given)
    assert done.returncode in {3, 4}, done.stderr
    assert "newer" in done.stderr or "no request of the new version" in " ".join(
        done.stdout.split()
    )
