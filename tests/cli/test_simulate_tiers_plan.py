"""A plan held against new traffic: its floors, limits and date, on whole rows and on a log."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

Run = Callable[..., CompletedProcess[str]]
Table = Callable[..., Path]

DAY = ("--on", "2026-11-25")


def plain(text: str) -> str:
    return " ".join(text.split())


def test_a_plan_is_held_against_new_rows(llmops: Run, tmp_path: Path, outcome_table: Table) -> None:
    outcome_table(tmp_path / "old.csv")
    assert llmops("simulate-tiers", "old.csv", "-o", "plan.yaml", "-q", *DAY).returncode == 0
    outcome_table(tmp_path / "new.csv", seed=1)
    again = llmops("simulate-tiers", "new.csv", "--plan", "plan.yaml", *DAY)
    assert again.returncode == 0, again.stdout + again.stderr
    late = llmops("simulate-tiers", "new.csv", "--plan", "plan.yaml", "--on", "2027-03-01")
    assert late.returncode == 1
    assert "FAIL the plan is in date" in plain(late.stdout)
    worse = (tmp_path / "new.csv").read_text("utf-8").replace(",a,1,", ",a,0,")
    (tmp_path / "worse.csv").write_text(worse, encoding="utf-8")
    broken = llmops("simulate-tiers", "worse.csv", "--plan", "plan.yaml", *DAY)
    assert broken.returncode == 1
    assert "FAIL the floor of every class holds" in plain(broken.stdout)
    outcome_table(tmp_path / "few.csv", 40)
    few = llmops("simulate-tiers", "few.csv", "--plan", "plan.yaml", *DAY)
    assert few.returncode == 4
    dearer = llmops("simulate-tiers", "new.csv", "--plan", "plan.yaml", "--min-saving", "0.9", *DAY)
    assert dearer.returncode == 1


def test_a_plan_against_other_classes_and_models(
    llmops: Run, tmp_path: Path, outcome_table: Table
) -> None:
    outcome_table(tmp_path / "old.csv")
    assert llmops("simulate-tiers", "old.csv", "-o", "plan.yaml", "-q", *DAY).returncode == 0
    text = outcome_table(tmp_path / "new.csv").read_text("utf-8")
    (tmp_path / "other.csv").write_text(text.replace(",b,", ",c,"), encoding="utf-8")
    other = llmops("simulate-tiers", "other.csv", "--plan", "plan.yaml", *DAY)
    assert "c: not in the plan" in plain(other.stdout)
    assert "b: in the plan, and no row" in plain(other.stdout)
    (tmp_path / "gone.csv").write_text(text.replace("small", "tiny"), encoding="utf-8")
    gone = llmops("simulate-tiers", "gone.csv", "--plan", "plan.yaml", *DAY)
    assert (gone.returncode, gone.stdout) == (4, "")
    assert "error[plan-model-missing]" in gone.stderr


def logged(path: Path, chances: dict[str, float], rows: int = 2000) -> Path:
    """A log of the chosen model alone, with the chance of its choice."""
    draw = np.random.default_rng(3)
    lines = ["request_id,model,quality,cost,task,propensity"]
    for row in range(rows):
        task = "ab"[row % 2]
        small = draw.random() < chances[task]
        name, usd = ("small", 0.001) if small else ("large", 0.01)
        good = int(draw.random() < (0.0 if small and task == "b" else 0.9))
        chance = chances[task] if small else 1 - chances[task]
        lines.append(f"{row},{name},{good},{usd},{task},{chance}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_plan_against_a_log_of_chosen_models(
    llmops: Run, tmp_path: Path, outcome_table: Table
) -> None:
    outcome_table(tmp_path / "old.csv")
    assert llmops("simulate-tiers", "old.csv", "-o", "plan.yaml", "-q", *DAY).returncode == 0
    logged(tmp_path / "log.csv", {"a": 0.5, "b": 0.2})
    held = ("simulate-tiers", "--plan", "plan.yaml", *DAY)
    done = llmops(*held, "log.csv", "--min-saving", "0.3", "--max-quality-loss", "0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "doubly robust" in done.stdout
    assert "PASS the floor of every class holds" in plain(done.stdout)
    logged(tmp_path / "never.csv", {"a": 0.0, "b": 0.2})
    never = llmops(*held, "never.csv")
    assert (never.returncode, never.stdout) == (4, "")
    assert "error[tiers-no-support]" in never.stderr
    alone = llmops("simulate-tiers", "log.csv")
    assert (alone.returncode, alone.stdout) == (4, "")
    assert "error[tiers-no-pairs]" in alone.stderr


def test_one_cluster_holds_no_plan(llmops: Run, tmp_path: Path, outcome_table: Table) -> None:
    outcome_table(tmp_path / "old.csv")
    assert llmops("simulate-tiers", "old.csv", "-o", "plan.yaml", "-q", *DAY).returncode == 0
    head, *rows = (tmp_path / "old.csv").read_text("utf-8").splitlines()
    text = "\n".join([head + ",cluster", *(row + ",one" for row in rows)])
    (tmp_path / "one.csv").write_text(text + "\n", encoding="utf-8")
    gates = ("--min-saving", "0.1", "--max-quality-loss", "0.5")
    done = llmops("simulate-tiers", "one.csv", "--plan", "plan.yaml", *gates, *DAY)
    assert done.returncode == 4
    assert "1 passed" in done.stdout  # that it is in date


def test_rows_of_other_classes_alone_hold_no_plan(
    llmops: Run, tmp_path: Path, outcome_table: Table
) -> None:
    outcome_table(tmp_path / "old.csv")
    assert llmops("simulate-tiers", "old.csv", "-o", "plan.yaml", "-q", *DAY).returncode == 0
    text = (tmp_path / "old.csv").read_text("utf-8").replace(",a,", ",c,").replace(",b,", ",d,")
    (tmp_path / "new.csv").write_text(text, encoding="utf-8")
    done = llmops("simulate-tiers", "new.csv", "--plan", "plan.yaml", *DAY)
    assert (done.returncode, "error[plan-class-missing]" in done.stderr) == (4, True)


def test_a_class_with_a_floor_and_no_row_leaves_the_plan_undecided(
    llmops: Run, tmp_path: Path, outcome_table: Table
) -> None:
    text = outcome_table(tmp_path / "old.csv").read_text("utf-8")
    assert llmops("simulate-tiers", "old.csv", "-o", "plan.yaml", "-q", *DAY).returncode == 0
    # Class a has the small model, above a floor; the new rows are of class b alone.
    (tmp_path / "b.csv").write_text(text.replace(",a,", ",b,"), encoding="utf-8")
    done = llmops("simulate-tiers", "b.csv", "--plan", "plan.yaml", *DAY)
    assert done.returncode == 4, done.stdout
    assert "INCONCLUSIVE the floor of every class holds" in plain(done.stdout)
    assert "a: in the plan, and no row of them here" in plain(done.stdout)
    assert "by 0.0 points" in plain(done.stdout)
    logged(tmp_path / "log.csv", {"a": 0.5, "b": 0.2})
    log = (tmp_path / "log.csv").read_text("utf-8").replace(",a,", ",b,")
    (tmp_path / "log.csv").write_text(log, encoding="utf-8")
    assert llmops("simulate-tiers", "log.csv", "--plan", "plan.yaml", *DAY).returncode == 4


@pytest.mark.parametrize(
    ("was", "now", "check"),
    [
        ("budget_usd_per_1000: 8.0", "budget_usd_per_1000: 4.0", "the budget holds"),
        ("max_p95_s: 3.0", "max_p95_s: 1.0", "the p95 holds"),
        ("small: 0.6", "small: 0.4", "the capacity of small holds"),
    ],
)
def test_limits_of_the_plan_are_held_too(
    llmops: Run, tmp_path: Path, outcome_table: Table, was: str, now: str, check: str
) -> None:
    outcome_table(tmp_path / "old.csv")
    limits = ("--class-floor", "0.9", "--budget", "8", "--max-p95", "3", "--capacity", "small=0.6")
    assert llmops("simulate-tiers", "old.csv", *limits, "-o", "p.yaml", "-q", *DAY).returncode == 0
    text = (tmp_path / "p.yaml").read_text("utf-8")
    assert was in text
    for plan, code, verdict in ((text, 0, "pass"), (text.replace(was, now), 1, "fail")):
        (tmp_path / "p.yaml").write_text(plan, encoding="utf-8")
        done = llmops("simulate-tiers", "old.csv", "--plan", "p.yaml", "-f", "json", *DAY)
        assert done.returncode == code, done.stderr
        found = {item["name"]: item["verdict"] for item in json.loads(done.stdout)["checks"]}
        assert found[check] == verdict
