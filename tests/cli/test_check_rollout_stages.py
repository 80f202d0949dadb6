"""``llmops check-rollout`` on the logs of stages: walked, resumed, watched, cut, and refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator

from llmops_cli.rollout import RolloutParameters, draw_plan
from llmops_cli.rollout.document import to_yaml
from llmops_cli.traffic import Options, read_traffic

Run = Callable[..., CompletedProcess[str]]

COLUMNS = ("start_time", "user_id", "request_model", "duration_s", "error_type", "evaluation_score")
MAP = tuple(part for name in COLUMNS for part in ("--map", f"{name}={name}"))
SECONDS_APART = 9

Row = tuple[Any, ...]


def traffic(
    n: int, start: str, percent: float = 0.0, *, worse: float = 0.0, seed: int = 0
) -> list[Row]:
    """Calls of many users, so many percent of them on the new version."""
    draw = np.random.default_rng(seed)
    users = draw.integers(0, 100_000, n)
    new = users * 7919 % 1000 < 10 * percent
    failed = draw.random(n) < 0.02 + worse * new
    times = np.datetime64(start) + np.arange(n) * np.timedelta64(SECONDS_APART, "s")
    seconds, good = np.exp(draw.normal(0, 0.4, n)).round(3), draw.random(n) < 0.9
    return [
        (
            f"{times[i]}Z",
            f"u{users[i]}",
            "new" if new[i] else "old",
            "" if failed[i] else seconds[i],
            "overloaded" if failed[i] else "",
            "" if failed[i] else int(good[i]),
        )
        for i in range(n)
    ]


def write(path: Path, rows: list[Row]) -> Path:
    lines = [COLUMNS, *rows]
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in lines), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Rollout:
    """A plan, and the command that checks its stages."""

    llmops: Run
    folder: Path
    stages: list[dict[str, Any]]

    def log(self, place: int, *, worse: float = 0.0, part: float = 1.4, seed: int = 5) -> Path:
        """The log of a stage: a day for each, and an hour more than the last window needs."""
        stage, start = self.stages[place], f"2026-09-{2 * place + 10:02d}T00:00:00"
        n = round(stage["requests"] * part) + (450 if part > 1 else 0)
        rows = traffic(n, start, stage["percent"], worse=worse, seed=seed + place)
        return write(self.folder / f"stage-{place}.csv", rows)

    def check(self, place: int, *given: str | Path, state: str = "s.json") -> CompletedProcess[str]:
        stage = ("--stage", f"{self.stages[place]['percent']:g}", "--state", state)
        versions = ("--plan", "plan.yaml", "--canary", "request_model=new")
        return self.llmops("check-rollout", *given, *versions, *stage, *MAP)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A plan of a day and a half."""
    rows = traffic(4000, "2026-09-01T00:00:00")
    base = write(tmp_path_factory.mktemp("base") / "base.csv", rows)
    calls = read_traffic([base], Options(mapping=tuple((name, name) for name in COLUMNS))).calls
    margins = RolloutParameters(error_margin=0.15, latency_margin=2, quality_margin=0.18)
    return to_yaml(draw_plan(calls, margins))


@pytest.fixture
def rollout(llmops: Run, tmp_path: Path, plan: str) -> Rollout:
    (tmp_path / "plan.yaml").write_text(plan, encoding="utf-8")
    return Rollout(llmops, tmp_path, yaml.safe_load(plan)["stages"])


def test_a_good_change_walks_to_full_traffic(rollout: Rollout) -> None:
    for place in range(5):
        done = rollout.check(place, rollout.log(place))
        assert (done.returncode, "PROMOTE" in done.stdout) == (0, True), done.stdout + done.stderr


def test_the_state_is_what_its_schema_says_and_the_plan_is_bound_to_it(rollout: Rollout) -> None:
    log = rollout.log(0)
    assert rollout.check(0, log).returncode == 0
    schema = json.loads(rollout.llmops("schema", "rollout-state").stdout)
    state = json.loads((rollout.folder / "s.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(state)
    plan = rollout.folder / "plan.yaml"
    plan.write_text(plan.read_text(encoding="utf-8").replace("alpha: 0.05", "alpha: 0.04"))
    done = rollout.check(0, log)
    assert (done.returncode, "error[state-other-plan]" in done.stderr) == (3, True)


def test_a_plan_of_another_version_is_refused(rollout: Rollout) -> None:
    plan = rollout.folder / "plan.yaml"
    text = plan.read_text(encoding="utf-8").replace("rollout-plan/1", "rollout-plan/9")
    plan.write_text(text, encoding="utf-8")
    done = rollout.check(0, rollout.log(0, part=0.1))
    assert (done.returncode, done.stdout) == (3, "")
    assert "plan.yaml" in done.stderr
    assert not (rollout.folder / "s.json").exists()


def test_the_calls_of_a_stage_as_parquet_decide_as_its_log(rollout: Rollout) -> None:
    log = rollout.log(0)
    done = rollout.llmops("ingest", log, *MAP, "-o", "calls")
    assert done.returncode == 0, done.stderr
    stage = ("--plan", "plan.yaml", "--stage", "5", "--canary", "request_model=new")
    done = rollout.llmops("check-rollout", "calls", *stage, "--state", "parquet.json")
    assert done.returncode == rollout.check(0, log).returncode == 0
    states = [(rollout.folder / name).read_bytes() for name in ("parquet.json", "s.json")]
    assert states[0] == states[1]


def test_a_bad_change_goes_back_at_the_first_stage_and_stays_back(rollout: Rollout) -> None:
    done = rollout.check(0, rollout.log(0, worse=0.25))
    assert done.returncode == 1, done.stderr
    assert "ROLLBACK: errors is worse" in done.stdout
    done = rollout.check(1, rollout.log(1))
    assert done.returncode == 1
    assert "went back at 5 %" in done.stdout


@pytest.mark.parametrize("worse", [0.0, 0.25])
def test_a_stage_looked_at_in_parts_decides_as_one_looked_at_once(
    rollout: Rollout, worse: float
) -> None:
    whole = rollout.log(0, worse=worse).read_text(encoding="utf-8").splitlines(keepends=True)
    for number, rows in enumerate((whole[:1500], whole[:4000], whole)):
        part = rollout.folder / f"part-{number}.csv"
        part.write_text("".join(rows), encoding="utf-8")
        parted = rollout.check(0, part)
    at_once = rollout.check(0, part, state="other.json")
    assert parted.returncode == at_once.returncode == (1 if worse else 0)
    assert parted.stdout.splitlines()[2] == at_once.stdout.splitlines()[2]


def test_the_hour_that_fills_the_stage_decides_when_it_is_over(rollout: Rollout) -> None:
    rows = rollout.log(0, part=2).read_text(encoding="utf-8").splitlines(keepends=True)
    needed = rollout.stages[0]["canary_requests"]
    filled = [place for place, row in enumerate(rows) if ",new," in row][needed - 1]
    an_hour = 3600 // SECONDS_APART
    for more, code in ((5, 4), (an_hour + 5, 0)):
        part = rollout.folder / "part.csv"
        part.write_text("".join(rows[: filled + more]), encoding="utf-8")
        done = rollout.check(0, part)
        assert done.returncode == code, done.stdout
        assert ("the end of the hour" in done.stdout) == (code == 4)


def test_three_requests_hold(rollout: Rollout) -> None:
    log = write(rollout.folder / "few.csv", traffic(3, "2026-09-10T00:00:00", 50))
    done = rollout.check(0, log)
    assert (done.returncode, "HOLD" in done.stdout) == (4, True), done.stderr


@pytest.mark.parametrize(("percent", "missing"), [(0, "new"), (100, "old")])
def test_an_arm_that_is_missing_holds(rollout: Rollout, percent: float, missing: str) -> None:
    log = write(rollout.folder / "one.csv", traffic(6000, "2026-09-10T00:00:00", percent))
    done = rollout.check(0, log)
    assert done.returncode == 4, done.stdout
    assert f"no request of the {missing} version" in " ".join(done.stdout.split())


def test_a_change_that_always_fails_goes_back(rollout: Rollout) -> None:
    done = rollout.check(0, rollout.log(0, worse=1.0))
    assert (done.returncode, "ROLLBACK: errors" in done.stdout) == (1, True), done.stderr


def test_durations_that_are_no_numbers_are_not_judged(rollout: Rollout) -> None:
    rows = [
        (*row[:3], "nan" if row[3] else "", *row[4:])
        for row in traffic(9000, "2026-09-10T00:00:00", 5)
    ]
    done = rollout.check(0, write(rollout.folder / "nan.csv", rows), "--max-bad-rows", "10000")
    assert done.returncode == 4, done.stderr
    assert "not a finite number" in done.stdout
    assert "no request of the new version carries quality" in " ".join(done.stdout.split())


def test_a_clock_that_goes_back_is_refused_and_the_state_stays(rollout: Rollout) -> None:
    assert rollout.check(0, rollout.log(0)).returncode == 0
    before = (rollout.folder / "s.json").read_bytes()
    done = rollout.check(1, rollout.folder / "stage-0.csv")
    assert done.returncode == 3
    assert "error[rollout-clock-back]" in done.stderr
    assert (rollout.folder / "s.json").read_bytes() == before


def test_one_log_of_two_stages_is_cut_where_the_second_began(rollout: Rollout) -> None:
    first, second = (rollout.log(place).read_text(encoding="utf-8") for place in (0, 1))
    both = rollout.folder / "both.csv"
    both.write_text(first + second.split("\n", 1)[1], encoding="utf-8")
    began = "2026-09-12"
    for place, cut in ((0, "--until"), (1, "--since"), (0, "--until")):
        done = rollout.check(place, both, cut, began)
        assert done.returncode == 0, done.stdout + done.stderr
    alone = rollout.check(0, rollout.folder / "stage-0.csv", state="alone.json")
    assert alone.returncode == 0
    known, apart = (
        json.loads((rollout.folder / name).read_text(encoding="utf-8"))["stages"]["5"]
        for name in ("s.json", "alone.json")
    )
    assert known == apart


def test_sums_are_cut_by_their_windows(rollout: Rollout) -> None:
    sums = rollout.folder / "sums.csv"
    rows = [f"2026-09-1{day},{v},errors,10,1" for day in (0, 1, 2) for v in ("canary", "control")]
    sums.write_text("\n".join(["window,variant,metric,requests,total", *rows]), encoding="utf-8")
    asked = ("--plan", "plan.yaml", "--stage", "5", "--state", "s.json")
    cut = ("--since", "2026-09-11", "--until", "2026-09-12T00:00:00Z")
    done = rollout.llmops("check-rollout", sums, *asked, *cut)
    assert done.returncode == 4, done.stderr
    state = json.loads((rollout.folder / "s.json").read_text(encoding="utf-8"))
    assert {row[0] for row in state["stages"]["5"]} == {"2026-09-11T00:00:00+00:00"}


def test_every_format_in_one_run_and_the_same_twice(rollout: Rollout) -> None:
    names = {"json": "r.json", "markdown": "r.md", "html": "r.html", "junit": "r.xml"}
    asked = [item for key, name in names.items() for item in ("-f", f"{key}={name}")]
    log, seen = rollout.log(0, worse=0.25), list[dict[str, bytes]]()
    for _ in range(2):
        done = rollout.check(0, log, *asked, "--explain")
        assert done.returncode == 1, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 80
        seen.append({name: (rollout.folder / name).read_bytes() for name in names.values()})
    assert seen[0] == seen[1]
    report = json.loads(seen[0]["r.json"])
    Draft202012Validator(json.loads(rollout.llmops("schema", "report").stdout)).validate(report)
    assert rollout.check(0, log, "--exit-zero").returncode == 0


def test_a_stage_that_was_skipped_is_named(rollout: Rollout) -> None:
    assert rollout.check(0, rollout.log(0, part=0.3)).returncode == 4
    done = rollout.check(2, rollout.log(2))
    assert "not shown good at 5 %, 10 %" in " ".join(done.stdout.split())


def test_calls_of_a_third_version_are_left_out_and_counted(rollout: Rollout) -> None:
    log = rollout.log(0)
    alone = rollout.check(0, log, "-f", "json")
    others = [(*row[:2], "other", *row[3:]) for row in traffic(40, "2026-09-10T00:00:00")]
    with log.open("a", encoding="utf-8") as file:
        file.writelines(",".join(map(str, row)) + "\n" for row in others)
    done = rollout.check(0, log, "--control", "old", "-f", "json", state="other.json")
    seen, plain = json.loads(done.stdout), json.loads(alone.stdout)
    assert seen["measures"] == plain["measures"]
    found = {item["slug"]: item for item in seen["findings"]}
    assert found["rollout-unknown-variant"]["count"] == 40


@pytest.mark.parametrize(("worse", "code"), [(0.0, 0), (0.25, 1)])
def test_a_watch_ends_with_the_decision(rollout: Rollout, worse: float, code: int) -> None:
    folder = rollout.folder / "arriving"
    folder.mkdir()
    rollout.log(0, worse=worse).rename(folder / "stage.csv")
    done = rollout.check(0, "--watch", folder, "--every", "0.01")
    assert done.returncode == code, done.stderr


def test_a_watch_that_decides_nothing_gives_up_and_holds(rollout: Rollout) -> None:
    folder = rollout.folder / "arriving"
    folder.mkdir()
    short = ("--watch", folder, "--every", "0.01", "--for-hours", "0.00001")
    done = rollout.check(0, *short)
    assert (done.returncode, "nothing was observed" in done.stdout) == (4, True), done.stderr
    rollout.log(0, part=0.3).rename(folder / "stage.csv")
    done = rollout.check(0, *short)
    assert (done.returncode, "llmops: HOLD" in done.stderr) == (4, True), done.stdout


@pytest.mark.parametrize(
    ("given", "slug"),
    [
        ((), "rollout-no-data"),
        (("--watch", "none"), "watch-no-folder"),
        (("--since", "yesterday", "base.csv"), "rollout-bad-moment"),
    ],
)
def test_what_is_asked_wrongly(rollout: Rollout, given: tuple[str, ...], slug: str) -> None:
    done = rollout.check(0, *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error[{slug}]" in done.stderr


def test_a_control_without_a_column(rollout: Rollout) -> None:
    given = ("--plan", "plan.yaml", "--stage", "5", "--control", "old")
    done = rollout.llmops("check-rollout", "base.csv", *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error[rollout-control-alone]" in done.stderr
