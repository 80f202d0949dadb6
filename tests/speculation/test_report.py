"""What a reader of a plan sees: its sentence, shares that add up, and tables that agree."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from llmops_cli.hardware.catalogue import model_named
from llmops_cli.report import Report
from llmops_cli.speculation import plan_speculation
from llmops_cli.speculation.analysis import Logged, analyse
from llmops_cli.speculation.evidence import LEAST_REQUESTS
from llmops_cli.speculation.model import (
    Acceptance,
    Draft,
    Load,
    Machine,
    SpeculationParameters,
)
from llmops_cli.speculation.report import report
from llmops_cli.speculation.settings import to_yaml, written_plan

Planted = Callable[..., Acceptance]

EAGLE = Draft(name="eagle", shape=model_named("EAGLE-Llama-3.1-8B"))
TENTHS = Load(batches=tuple(range(1, 11)), shares=(0.1,) * 10, source="test")
QUICK = SpeculationParameters(resamples=200)


def rows_of(found: Report, name: str) -> list[dict[str, float]]:
    table = next(item for item in found.tables if item.name == name)
    return [dict(zip([c.name for c in table.columns], row, strict=True)) for row in table.rows]


def planned(machine: Machine, seen: Acceptance, draft: Draft = EAGLE) -> Report:
    return plan_speculation(machine, [Logged(draft=draft, seen=seen)], TENTHS, QUICK)


@pytest.mark.parametrize(("depth", "words"), [(1, "1 token with"), (3, "3 tokens with")])
def test_one_token_is_no_tokens(machine: Machine, planted: Planted, depth: int, words: str) -> None:
    seen = planted([0.9] * 30, depth, 60, np.random.default_rng(0))
    assert f"Drafting {words} eagle" in planned(machine, seen).headline


def test_the_load_up_to_its_largest_batch_is_all_of_it(machine: Machine, planted: Planted) -> None:
    # Ten tenths add up to a little less than 1.
    assert sum(TENTHS.shares) < 1
    seen = planted([0.7] * 30, 3, 60, np.random.default_rng(0))
    shares = {row["batch"]: row["share"] for row in rows_of(planned(machine, seen), "batches")}
    assert shares[1] == pytest.approx(0.1)
    assert all(share == 1 for batch, share in shares.items() if batch >= 10)


def test_tables_agree_on_every_depth_and_batch(machine: Machine, planted: Planted) -> None:
    seen = planted([0.7] * 30, 4, 60, np.random.default_rng(1))
    found = planned(machine, seen)
    tokens = {row["drafted"]: row["tokens"] for row in rows_of(found, "depths")}
    drafted = next(m.value for m in found.measures if m.name == "drafted_tokens")
    latency = {row["batch"]: row for row in rows_of(found, "latency")}
    for row in rows_of(found, "batches"):
        assert row["low"] <= row["speedup"] <= row["high"]
        assert row["best_speedup"] >= row["speedup"] - 1e-12
        assert row["speedup"] == pytest.approx(tokens[drafted] / row["needed"])
        here = latency[row["batch"]]
        assert here["plain"] / here["mean"] == pytest.approx(row["speedup"])
    schedule = rows_of(found, "schedule")
    assert schedule[0]["first"] == 1
    assert all(two["first"] == one["last"] + 1
               for one, two in itertools.pairwise(schedule))  # fmt: skip


@pytest.mark.parametrize("count", [LEAST_REQUESTS - 1, LEAST_REQUESTS])
def test_few_requests_are_said_up_to_where_intervals_hold(
    machine: Machine, planted: Planted, count: int
) -> None:
    seen = planted([0.7] * count, 3, 60, np.random.default_rng(2))
    slugs = {finding.slug for finding in planned(machine, seen).findings}
    assert ("speculation-few-requests" in slugs) == (count < LEAST_REQUESTS)


def test_a_model_of_numbers_is_not_named_to_an_engine(machine: Machine, planted: Planted) -> None:
    numbers = "layers=1,hidden=4096,heads=32,kv_heads=8,head_dim=128,params=0.3"
    seen = planted([0.7] * 30, 3, 60, np.random.default_rng(3))
    draft = replace(EAGLE, shape=model_named(numbers))
    found = analyse(machine, [Logged(draft=draft, seen=seen)], TENTHS, QUICK)
    plan = written_plan(found, report(found))
    assert plan.model == ""
    assert numbers not in to_yaml(plan)
    named = analyse(machine, [Logged(draft=EAGLE, seen=seen)], TENTHS, QUICK)
    assert written_plan(named, report(named)).model == "EAGLE-Llama-3.1-8B"
