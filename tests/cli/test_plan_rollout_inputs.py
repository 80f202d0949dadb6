"""``llmops plan-rollout`` without a log, with a policy and with limits, as a user runs it."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml

Run = Callable[..., CompletedProcess[str]]

PAIRS = ("requests_per_day=40000", "error-rate=0.02", "score_mean=0.9")


def numbers(*pairs: str) -> tuple[str, ...]:
    return tuple(part for pair in pairs for part in ("--numbers", pair))


def test_pairs_and_a_file_of_them_plan_alike(llmops: Run, tmp_path: Path) -> None:
    done = llmops("plan-rollout", *numbers(*PAIRS), "-o", "pairs.yaml")
    assert done.returncode == 0, done.stderr
    assert "5 → 10 → 25 → 50 → 100 %" in done.stdout
    known = {"requests_per_day": 40000, "error_rate": 0.02, "score_mean": 0.5}
    (tmp_path / "n.json").write_text(json.dumps(known), encoding="utf-8")
    # What comes later stands in place of what came before.
    asked = numbers("n.json", "score_mean=0.9")
    assert llmops("plan-rollout", *asked, "-o", "file.yaml", "-q").returncode == 0
    pair, file = ((tmp_path / f"{n}.yaml").read_bytes() for n in ("pairs", "file"))
    assert pair == file
    assert yaml.safe_load(pair)["schema"] == "llmops.rollout-plan/1"


@pytest.mark.parametrize(
    ("arguments", "slug", "code"),
    [
        ((), "rollout-no-input", 2),
        (("log.jsonl", *numbers(*PAIRS)), "rollout-two-inputs", 2),
        (numbers("error_rate=0.1"), "rollout-no-traffic", 3),
        (numbers("missing.yaml"), "numbers-unreadable", 3),
        (numbers("list.yaml"), "numbers-not-a-table", 3),
        (numbers("bad.yaml"), "numbers-not-a-table", 3),
        ((*numbers(*PAIRS), "--cost-margin", "1.2"), "rollout-no-cost", 3),
        ((*numbers(*PAIRS), "--error-ratio", "0.5"), "rollout-bad-error-ratio", 2),
        ((*numbers(*PAIRS), "--at-maximum", "wait"), "rollout-bad-at-maximum", 2),
        ((*numbers(*PAIRS), "--max-stage-days", "soon"), "rollout-bad-max-stage-days", 2),
        ((*numbers(*PAIRS), "--max-stage-days", "1,2"), "rollout-bad-max-stage-days", 2),
        ((*numbers(*PAIRS), "--no-data-hours", "0"), "rollout-bad-no-data-hours", 2),
    ],
)
def test_refusals(
    llmops: Run, tmp_path: Path, arguments: tuple[str, ...], slug: str, code: int
) -> None:
    (tmp_path / "list.yaml").write_text("[1, 2]", encoding="utf-8")
    (tmp_path / "bad.yaml").write_text("a: [", encoding="utf-8")
    done = llmops("plan-rollout", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert f"error[{slug}]" in done.stderr


def test_policy_and_limits_are_in_the_plan_and_check_rollout_obeys_them(
    llmops: Run, tmp_path: Path
) -> None:
    policy = ("--at-maximum", "abort", "--no-data", "rollback", "--no-data-hours", "6")
    more = ("--consecutive-looks", "2", "--watch-days", "7", "--max-stage-days", "2")
    done = llmops("plan-rollout", *numbers(*PAIRS), *policy, *more, "-o", "plan.yaml")
    assert done.returncode == 0, done.stderr
    plan = yaml.safe_load((tmp_path / "plan.yaml").read_text(encoding="utf-8"))
    assert plan["policy"] == {
        "at_maximum": "abort",
        "no_data": "rollback",
        "no_data_after_s": 21_600.0,
        "consecutive_looks": 2,
        "on_harm": "rollback",
        "watch_s": 604_800.0,
    }
    assert {stage["maximum_s"] for stage in plan["stages"]} == {172_800.0}
    rows = ["window,variant,metric,requests,total"]
    rows += [f"2026-09-01T00:00,{v},errors,{n},1" for v, n in (("canary", 50), ("control", 950))]
    (tmp_path / "sums.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    asked = ("check-rollout", "sums.csv", "--plan", "plan.yaml", "--stage", "5")
    assert llmops(*asked, "--as-of", "2026-09-01T05:00").returncode == 4
    silent = llmops(*asked, "--as-of", "2026-09-01T08:00", "--state", "s.json")
    assert silent.returncode == 1, silent.stderr
    assert "nothing was heard of the new version for 6 hours" in " ".join(silent.stdout.split())
    # It stays so for the next look, whatever the clock says.
    assert llmops(*asked, "--state", "s.json").returncode == 1


def test_a_stage_of_years_names_what_a_month_would_see(llmops: Run) -> None:
    asked = ("requests_per_day=200", "error_rate=0.02")
    done = llmops("plan-rollout", *numbers(*asked), "--error-margin", "0.002")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "years, held up by errors; in 28 days it would see" in said
    assert "--max-stage-days 28 plans it so" in said
