"""Printed figures computed again in plain arithmetic, from the log and the data sheets alone.

Nothing of the package is used but the command's verb: a Llama-3.1-8B on an H100, an EAGLE layer
as draft, 1,024 tokens of context, the central efficiencies.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from llmops_cli.hardware.catalogue import model_named
from llmops_cli.report import Report
from llmops_cli.speculation import plan_speculation
from llmops_cli.speculation.analysis import Logged
from llmops_cli.speculation.model import (
    Acceptance,
    Draft,
    Load,
    Machine,
    SpeculationParameters,
)

Planted = Callable[..., Acceptance]

PEAK, BAND, OVERHEAD, REJECT = 0.55 * 989e12, 0.725 * 3.35e12, 0.003, 0.0003
CONTEXT = 1024
DEPTH = 4
EAGLE = Draft(name="eagle", shape=model_named("EAGLE-Llama-3.1-8B"))
TREE = replace(EAGLE, name="tree", kind="tree", levels=(4, 8, 8, 4))


def step_s(params: float, layers: int, batch: int, new: int, overhead: float) -> float:
    """Seconds in which each sequence brings so many tokens; 32 heads, 8 kept, of width 128."""
    pairs = batch * (CONTEXT if new == 1 and overhead == OVERHEAD else new * (CONTEXT + new / 2))
    flops = batch * new * 2 * params + pairs * 4 * layers * 32 * 128
    moved = 2 * params + batch * CONTEXT * layers * 2 * 8 * 128 * 2
    return max(flops / PEAK, moved / BAND) + overhead


def draft_pass_s(batch: int, width: int) -> float:
    """Of a draft of one layer: a thirty-second of the overhead, and never below 0.2 ms."""
    shape = EAGLE.shape
    pairs = batch * width * (CONTEXT + width / 2)
    flops = batch * width * 2e9 * shape.params + pairs * 4 * shape.layers * shape.heads * 128
    kept = batch * CONTEXT * shape.layers * 2 * shape.kv_heads * shape.head_dim * 2
    return max(flops / PEAK, (2e9 * shape.params + kept) / BAND) + max(OVERHEAD / 32, 0.0002)


def speedup(tokens: float, depth: int, batch: int, levels: tuple[int, ...] = ()) -> float:
    widths = levels[:depth] or (1,) * depth
    plain = step_s(8.03e9, 32, batch, 1, OVERHEAD)
    verify = step_s(8.03e9, 32, batch, 1 + sum(widths), OVERHEAD)
    drafting = sum(draft_pass_s(batch, width) for width in (1, *widths[:-1]))
    return tokens * plain / (verify + drafting + REJECT)


def tokens_of(seen: Acceptance, depth: int) -> float:
    """With requests that are alike, the sum of products of the rates by position."""
    found, reach = 1.0, 1.0
    for at in range(depth):
        before = seen.steps.sum() if at == 0 else seen.accepted[:, at - 1].sum()
        reach *= seen.accepted[:, at].sum() / before
        found += reach
    return found


@pytest.fixture
def seen(planted: Planted) -> Acceptance:
    return planted([0.6] * 60, DEPTH, 200, np.random.default_rng(3))


def planned(machine: Machine, seen: Acceptance, draft: Draft, batch: int) -> Report:
    load = Load(batches=(batch,), shares=(1.0,), source="test")
    given = SpeculationParameters(resamples=200)
    return plan_speculation(machine, [Logged(draft=draft, seen=seen)], load, given)


def rows_of(report: Report, name: str) -> list[dict[str, float]]:
    table = next(item for item in report.tables if item.name == name)
    return [dict(zip([c.name for c in table.columns], row, strict=True)) for row in table.rows]


def value_of(report: Report, name: str) -> float:
    return next(item.value for item in report.measures if item.name == name)


@pytest.mark.parametrize("batch", [1, 4, 16, 64, 256])
@pytest.mark.parametrize("draft", [EAGLE, TREE], ids=lambda draft: draft.name)
def test_the_speedup_of_a_batch(
    machine: Machine, seen: Acceptance, draft: Draft, batch: int
) -> None:
    report = planned(machine, seen, draft, batch)
    depth = int(value_of(report, "drafted_tokens"))
    row = next(row for row in rows_of(report, "batches") if row["batch"] == batch)
    by_hand = speedup(tokens_of(seen, depth), depth, batch, draft.levels)
    # Requests are alike but for chance, which the estimate weights a little differently.
    assert row["speedup"] == pytest.approx(by_hand, rel=5e-3)
    assert row["needed"] == pytest.approx(tokens_of(seen, depth) / by_hand, rel=5e-3)


@pytest.mark.parametrize("batch", [1, 64, 384])
def test_the_best_number_of_drafted_tokens(machine: Machine, seen: Acceptance, batch: int) -> None:
    report = planned(machine, seen, EAGLE, batch)
    worth = [speedup(tokens_of(seen, depth), depth, batch) for depth in range(1, DEPTH + 1)]
    assert value_of(report, "drafted_tokens") == 1 + int(np.argmax(worth))
    assert value_of(report, "speedup") == pytest.approx(max(worth), rel=5e-3)


@pytest.mark.parametrize("batch", [1, 64])
def test_the_time_and_the_price_of_a_token(machine: Machine, seen: Acceptance, batch: int) -> None:
    load = Load(batches=(batch,), shares=(1.0,), source="test")
    given = SpeculationParameters(resamples=200, gpu_usd_per_hour=3.6)
    report = plan_speculation(machine, [Logged(draft=EAGLE, seen=seen)], load, given)
    row = next(row for row in rows_of(report, "latency") if row["batch"] == batch)
    plain = step_s(8.03e9, 32, batch, 1, OVERHEAD)
    assert row["plain"] == pytest.approx(plain)
    # 0.1 cent a second, shared by the batch.
    assert row["usd_plain"] == pytest.approx(1e6 * plain * 0.001 / batch)
    assert row["usd_plain"] / row["usd"] == pytest.approx(value_of(report, "speedup"))


def test_the_break_even_batch(machine: Machine, planted: Planted) -> None:
    poor = planted([0.3] * 60, DEPTH, 200, np.random.default_rng(4))
    report = planned(machine, poor, TREE, 1)
    depth, ends = int(value_of(report, "drafted_tokens")), int(value_of(report, "break_even_batch"))
    tokens = tokens_of(poor, depth)
    paying = [b for b in range(1, 513) if speedup(tokens, depth, b, TREE.levels) >= 1]
    assert paying == list(range(1, len(paying) + 1))
    assert ends == pytest.approx(len(paying), abs=1)


def test_the_break_even_acceptance(machine: Machine, seen: Acceptance) -> None:
    report = planned(machine, seen, EAGLE, 64)
    depth = int(value_of(report, "drafted_tokens"))
    found = value_of(report, "break_even_acceptance")
    alike = sum(found**at for at in range(depth + 1))
    assert speedup(alike, depth, 64) == pytest.approx(1, rel=1e-6)
