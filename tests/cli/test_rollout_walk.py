"""The committed log from a plan to 100 %, and back, by the commands alone.

A plan is made, exported to every target and rehearsed; then its stages are served from the same
log, users drawn from it whole into both versions, and each is checked as it runs.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import yaml

Run = Callable[..., CompletedProcess[str]]
Row = dict[str, Any]

START, PASS = datetime(2026, 10, 1, 8, tzinfo=UTC), timedelta(days=5)
MARGINS = ("--latency-margin", "1.25", "--error-margin", "0.02")
EXPORTS = ("argo", "flagger", "http-route", "flagd", "litellm", "envoy-ai-gateway", "github")
SPARE = 1.2
"""Users are drawn: a stage gets a few requests more or less than its time brings."""


@dataclass(frozen=True)
class Traffic:
    """A log served again and again from the start of a rollout on.

    Attributes:
        users: rows of each user, in the order of time, with the time since the log began.
        errors: of the new version, on top.
        after: from then on.
    """

    users: list[list[tuple[timedelta, Row]]]
    errors: float = 0.0
    after: timedelta = timedelta()

    def stage(self, percent: float, begins: timedelta, ends: timedelta) -> Iterator[Row]:
        """The calls of one stage; those of the new version have another task."""
        draw = np.random.default_rng(int(begins.total_seconds()))
        new = round(len(self.users) * percent / 100)
        for number in range(begins // PASS, ends // PASS + 1):
            drawn = draw.integers(0, len(self.users), len(self.users)).tolist()
            for place, user in enumerate(drawn):
                for since, row in self.users[user]:
                    at = number * PASS + since
                    if begins <= at < ends:
                        bad = at >= self.after and draw.random() < self.errors
                        yield served(row, at, f"{number}-{place}", new=place < new, bad=bad)


def served(row: Row, at: timedelta, user: str, *, new: bool, bad: bool) -> Row:
    """A call of the log as a version would have served it."""
    found = row | {"timestamp": (START + at).isoformat(), "user_id": user}
    if not new:
        return found
    found["task"] = "new"
    if bad and found["response"] is not None:
        found |= {"response": None, "error": {"type": "overloaded_error"}}
        found.pop("evaluation_score", None)
    return found


def read_users(path: Path) -> list[list[tuple[timedelta, Row]]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    first = datetime.fromisoformat(rows[0]["timestamp"])
    users = dict[str, list[tuple[timedelta, Row]]]()
    for row in rows:
        since = datetime.fromisoformat(row["timestamp"]) - first
        users.setdefault(row["user_id"], []).append((since, slim(row)))
    return list(users.values())


def slim(row: Row) -> Row:
    """Without what no guardrail looks at."""
    kept = {key: value for key, value in row.items() if key not in {"ttft_s", "workspace"}}
    kept["request"] = {"model": row["request"]["model"], "messages": []}
    return kept


@dataclass(frozen=True)
class Walk:
    """A planned rollout of the committed log."""

    llmops: Run
    log: Path
    folder: Path

    def rehearsed_to_end_at(self, *change: str) -> float:
        """The stage, in percent, at which most rollouts of a change go back."""
        given = (*change, "--runs", "60", "--look-hours", "6", "-f", "json")
        done = self.llmops("simulate-rollout", self.log, "--plan", "plan.yaml", *given)
        assert done.returncode == 0, done.stderr
        tables = {item["name"]: item["rows"] for item in json.loads(done.stdout)["tables"]}
        return float(max(tables["stages"], key=lambda row: row[-1])[0])

    def walked(self, traffic: Traffic) -> tuple[str, float]:
        """Serve and check stage after stage: what the last check says, and at which stage."""
        plan = yaml.safe_load((self.folder / "plan.yaml").read_text(encoding="utf-8"))
        begins = timedelta()
        word = ""
        for stage in plan["stages"]:
            percent = stage["percent"]
            ends = begins + SPARE * timedelta(seconds=stage["duration_s"]) + timedelta(hours=2)
            with (self.folder / "stage.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(
                    json.dumps(row) + "\n" for row in traffic.stage(percent, begins, ends)
                )
            given = ("--plan", "plan.yaml", "--stage", f"{percent:g}", "--state", "state.json")
            done = self.llmops("check-rollout", "stage.jsonl", *given, "--canary", "task=new")
            word = done.stdout.split("\n")[2].split(":")[0]
            assert {0: "PROMOTE", 1: "ROLLBACK", 4: "HOLD"}[done.returncode] == word, done.stderr
            if word != "PROMOTE":
                return word, percent
            begins = ends
        return word, 100.0


@pytest.fixture
def walk(llmops: Run, datasets: Path, tmp_path: Path) -> Walk:
    """The plan, and every export of it."""
    log = datasets / "classifier.jsonl.gz"
    exports = [f"--export={name}={name}.txt" for name in EXPORTS]
    done = llmops("plan-rollout", log, *MARGINS, "-o", "plan.yaml", *exports, "-q")
    assert done.returncode == 0, done.stderr
    for name in EXPORTS:
        assert "plan-rollout" in (tmp_path / f"{name}.txt").read_text("utf-8")
    return Walk(llmops, log, tmp_path)


@pytest.mark.slow
def test_a_good_change_walks_to_full_traffic(walk: Walk) -> None:
    assert walk.walked(Traffic(read_users(walk.log))) == ("PROMOTE", 100.0)


@pytest.mark.slow
@pytest.mark.parametrize(("hours", "expected"), [(0, 5.0), (400, 10.0)])
def test_a_bad_change_goes_back_where_the_rehearsal_says(
    walk: Walk, hours: int, expected: float
) -> None:
    """At once, or when it begins to harm after the first stage has passed."""
    foretold = walk.rehearsed_to_end_at("--error-rise", "0.06", "--after-hours", str(hours))
    assert foretold == expected
    traffic = Traffic(read_users(walk.log), errors=0.06, after=timedelta(hours=hours))
    assert walk.walked(traffic) == ("ROLLBACK", foretold)
