"""Generated logs: the same everywhere, honest about what is planted, billed by the rules."""

import gzip
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmops_cli import cache_estimate, judge_eval, read_calls
from llmops_cli.calls import TOKEN_CLASSES
from llmops_cli.stats.intervals import clopper_pearson
from llmops_cli.synthetic import DATASETS, make
from llmops_cli.traffic.decisions import read_decisions

LOGS = ["agent", "rag", "classifier", "chat"]
ROUTING = ["routing", "routing-weak", "routing-few"]


@cache
def made_once(name: str, seed: int = 0) -> bytes:
    return make(name, seed)


def content(name: str, seed: int = 0) -> bytes:
    data = made_once(name, seed)
    return gzip.decompress(data) if DATASETS[name].file.endswith(".gz") else data


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for name, item in DATASETS.items():
        (folder / item.file).write_bytes(made_once(name))
    return folder


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    code = (
        "import hashlib, sys; from llmops_cli.synthetic import make;"
        "print(*(hashlib.sha256(make(name)).hexdigest() for name in sys.argv[1:]))"
    )
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code, *DATASETS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.split()
        for seed in ("1", "2")
    )
    assert len(first) == len(DATASETS)
    assert dict(zip(DATASETS, first, strict=True)) == dict(zip(DATASETS, second, strict=True))


@pytest.mark.parametrize("name", DATASETS)
def test_another_seed_gives_other_content_where_chance_is_in_it(name: str) -> None:
    assert (content(name, 0) != content(name, 1)) is DATASETS[name].drawn


@pytest.mark.parametrize("name", LOGS)
def test_every_line_is_read(made: Path, name: str) -> None:
    traffic = read_calls([made / DATASETS[name].file])
    assert traffic.bad_count == 0
    assert len(traffic.calls) == content(name).count(b"\n")


@pytest.mark.parametrize("name", ["agent", "rag"])
def test_the_bill_is_what_our_replay_says(made: Path, name: str) -> None:
    # Two independent pieces of bookkeeping: the generator's and the shipped replay.
    report = cache_estimate(read_calls([made / DATASETS[name].file]).calls)
    spend = next(item for item in report.tables if item.columns[0].name == "policy")
    rows = {str(row[0]): row[1:] for row in spend.rows}
    billed = next(row for label, row in rows.items() if label.startswith("as billed"))
    for ours, theirs in zip(rows["logged markers"], billed, strict=True):
        assert ours == pytest.approx(theirs, rel=2e-3, abs=1e-4)


@pytest.mark.parametrize("name", ["agent", "rag", "classifier"])
def test_blocks_add_up_to_the_billed_input(made: Path, name: str) -> None:
    calls = read_calls([made / DATASETS[name].file]).calls
    billed = calls[list(TOKEN_CLASSES[:4])].fillna(0).sum(axis=1)
    sums = np.array([sum(tokens) for tokens in calls["block_tokens"]])
    answered = calls["error_type"].isna().to_numpy(dtype=bool)
    assert np.array_equal(sums[answered], billed.to_numpy()[answered])


def test_the_agents_plan_is_what_was_planted(made: Path) -> None:
    calls = read_calls([made / "agent.jsonl.gz"]).calls
    truths = DATASETS["agent"].truths
    assert calls["conversation_id"].nunique() == truths["conversations"]
    assert calls["isolation_domain"].nunique() == truths["workspaces"]


def test_the_classifiers_rates_are_those_planted(made: Path) -> None:
    calls = read_calls([made / "classifier.jsonl.gz"]).calls
    truths, n = DATASETS["classifier"].truths, len(calls)
    interval = clopper_pearson(int(calls["error_type"].notna().sum()), n, 0.999)
    assert interval.low <= truths["error_rate"] <= interval.high
    scores = calls["evaluation_score"].dropna().to_numpy(dtype=float)
    assert abs(scores.mean() - truths["mean_score"]) < 3.3 * scores.std() / len(scores) ** 0.5
    assert calls["user_id"].nunique() == truths["users"]


def test_the_chat_bots_share_of_cached_calls_is_the_one_planted(made: Path) -> None:
    calls = read_calls([made / "chat.jsonl.gz"]).calls
    assert len(calls) == DATASETS["chat"].truths["calls"]
    cached = int((calls["cache_read_tokens"] > 0).sum())
    interval = clopper_pearson(cached, len(calls), 0.999)
    assert interval.low <= DATASETS["chat"].truths["cached_calls"] <= interval.high


@pytest.mark.parametrize("name", ROUTING)
def test_the_judges_rates_are_those_planted(made: Path, name: str) -> None:
    decisions = read_decisions([made / DATASETS[name].file])
    report = judge_eval(decisions.frame)
    for rate, truth in DATASETS[name].truths.items():
        found = next(item for item in report.measures if item.name == rate)
        assert found.n is not None
        interval = clopper_pearson(round((found.value or 0.0) * found.n), found.n, 0.999)
        assert interval.low <= truth <= interval.high


def test_the_envelope_is_the_one_readers_know() -> None:
    line: dict[str, Any] = json.loads(content("agent").splitlines()[0])
    assert {"timestamp", "request", "response", "conversation_id", "workspace"} <= line.keys()
    assert line["timestamp"].endswith("Z")
