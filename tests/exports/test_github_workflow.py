"""The workflow as GitHub's runner would run it: its steps in bash, with scripts that take notes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmops_cli.exports import ROLLOUT_EXPORTS
from llmops_cli.rollout import Plan
from llmops_cli.rollout.document import to_yaml
from llmops_cli.rollout.model import Stage


def workflow(plan: Plan) -> dict[str, Any]:
    return yaml.safe_load(ROLLOUT_EXPORTS["github"](plan).text)


def script(plan: Plan, name: str) -> str:
    steps = workflow(plan)["jobs"]["look"]["steps"]
    return next(step["run"] for step in steps if step.get("name") == name)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A checkout with the user's two scripts, and an llmops that ends as it is told."""
    (tmp_path / "rollout").mkdir()
    (tmp_path / "bin").mkdir()
    for path, text in {
        "rollout/fetch-sums": 'echo "fetch $1" >> notes; echo window',
        "rollout/set-percent": 'echo "set $1" >> notes',
        "bin/llmops": 'echo "llmops $*" >> notes; exit $(cat code)',
    }.items():
        (tmp_path / path).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / path).chmod(0o755)
    return tmp_path


def look(repository: Path, plan: Plan, percent: str, code: int) -> tuple[int, list[str], str]:
    """Run the step; its exit code, the notes taken, and the stage it leaves."""
    (repository / "code").write_text(str(code))
    (repository / "rollout" / "percent").write_text(f"{percent}\n")
    (repository / "notes").write_text("")
    environment = {
        "PATH": f"{repository}/bin:/usr/bin:/bin",
        "RUNNER_TEMP": str(repository),
        "GITHUB_STEP_SUMMARY": str(repository / "summary.md"),
    }
    done = subprocess.run(
        ["bash", "-e", "-c", script(plan, "Look, and act on it")],
        cwd=repository, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    left = (repository / "rollout" / "percent").read_text().strip()
    return done.returncode, (repository / "notes").read_text().splitlines(), left


def test_a_good_change_walks_through_every_stage(repository: Path, plan: Plan) -> None:
    words = ["shadow"] if plan.shadow else []
    words += [f"{stage.percent:g}" for stage in plan.stages]
    percent, set_to = words[0], list[str]()
    for word in words:
        assert percent == word
        code, notes, percent = look(repository, plan, percent, 0)
        assert code == 0
        assert notes[0] == f"fetch {word}"
        assert f"--stage {word} --state rollout/state.json" in notes[1]
        set_to.append(notes[2])
    assert percent == "done"
    assert set_to == [f"set {word}" for word in [*words[1:], "100"]]
    assert look(repository, plan, percent, 0) == (0, [], "done")


def test_a_bad_change_goes_back_at_once_and_stays_back(repository: Path, usual: Plan) -> None:
    code, notes, left = look(repository, usual, "25", 1)
    assert (code, notes[2:], left) == (0, ["set 0"], "rolled-back")
    assert look(repository, usual, left, 0) == (0, [], "rolled-back")


def test_without_a_decision_nothing_moves(repository: Path, usual: Plan) -> None:
    code, notes, left = look(repository, usual, "10", 4)
    assert (code, len(notes), left) == (0, 2, "10")


@pytest.mark.parametrize("code", [2, 3, 70, 127])
def test_a_look_that_fails_fails_the_run_and_moves_nothing(
    repository: Path, usual: Plan, code: int
) -> None:
    found, notes, left = look(repository, usual, "10", code)
    assert (found, len(notes), left) == (code, 2, "10")


def test_a_script_that_fails_leaves_the_stage_as_it_is(repository: Path, usual: Plan) -> None:
    (repository / "rollout" / "set-percent").write_text("#!/bin/sh\nexit 9\n")
    code, _, left = look(repository, usual, "10", 0)
    assert (code, left) == (9, "10")


def test_runs_do_not_overlap_and_may_write_what_they_remember(usual: Plan) -> None:
    found = workflow(usual)
    # `on` is a truth value to some readers of YAML, and must be quoted.
    assert set(found["on"]) == {"schedule", "workflow_dispatch"}
    assert found["concurrency"] == {"group": "rollout", "cancel-in-progress": False}
    assert found["permissions"] == {"contents": "write"}


def test_the_state_is_remembered_and_an_unchanged_one_is_no_commit(
    repository: Path, usual: Plan
) -> None:
    origin = repository / "origin.git"
    for command in (
        f"git init -q --bare {origin}",
        "git init -q -b main work",
        f"git -C work remote add origin {origin}",
        "mkdir work/rollout",
    ):
        subprocess.run(["bash", "-ec", command], cwd=repository, check=True)
    work = repository / "work"
    (work / "rollout" / "percent").write_text("5\n")
    for text in ("{}", "{}", "{1}"):
        (work / "rollout" / "state.json").write_text(text)
        push = script(usual, "Remember").replace("git push", "git push -q -u origin main")
        subprocess.run(["bash", "-e", "-c", push], cwd=work, check=True)
    log = ["git", "--git-dir", str(origin), "log", "--format=%s", "main"]
    said = subprocess.run(log, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == ["Rollout: 5", "Rollout: 5"]


def sums(plan: Plan, stage: Stage, harm: float) -> str:
    """What both versions did in a stage whose requests are all in, as check-rollout reads it."""
    lines = ["window,variant,metric,requests,total"]
    counts = {"canary": stage.canary_requests + 10}
    if stage.compared_with == "control":
        counts["control"] = stage.requests - stage.canary_requests
    for guardrail in plan.guardrails:
        for variant, n in counts.items():
            bad = guardrail.bad_share + (harm if variant == "canary" else 0)
            share = bad if guardrail.worse_is_more else 1 - bad
            lines.append(f"2026-09-01T00:00:00Z,{variant},{guardrail.name},{n},{share * n}")
    return "\n".join(lines) + "\n"


@pytest.mark.slow
def test_the_real_command_in_it_walks_a_good_change_to_the_end_and_takes_a_bad_one_back(
    repository: Path, usual: Plan
) -> None:
    (repository / "rollout" / "plan.yaml").write_text(to_yaml(usual))
    (repository / "rollout" / "fetch-sums").write_text("#!/bin/sh\ncat sums-$1.csv\n")
    real = f'#!/bin/sh\nexec "{sys.executable}" -m llmops_cli "$@"\n'
    (repository / "bin" / "llmops").write_text(real)
    for harm, expected in ((-0.005, "done"), (0.1, "rolled-back")):
        (repository / "rollout" / "state.json").unlink(missing_ok=True)
        for stage in usual.stages:
            text = sums(usual, stage, harm)
            (repository / f"sums-{stage.percent:g}.csv").write_text(text)
        percent, seen = "5", list[str]()
        while percent[0].isdigit() and len(seen) <= len(usual.stages):
            seen.append(percent)
            code, _, percent = look(repository, usual, percent, 0)
            assert code == 0
        assert percent == expected
        assert seen == (["5"] if harm > 0 else ["5", "10", "25", "50", "100"])
