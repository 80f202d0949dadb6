"""Targets of experts: at a small batch every candidate wakes experts, so drafting pays above it."""

from collections.abc import Callable

import numpy as np
import pytest
import yaml

from llmops_cli.exports import SPECULATION_EXPORTS
from llmops_cli.hardware.catalogue import gpu_named, model_named
from llmops_cli.hardware.roofline import Deployment
from llmops_cli.speculation.analysis import Analysis, Logged, analyse
from llmops_cli.speculation.model import (
    Acceptance,
    Draft,
    Load,
    Machine,
    SpeculationParameters,
)
from llmops_cli.speculation.report import report
from llmops_cli.speculation.settings import written_plan
from llmops_cli.speculation.speedup import by_batch

Planted = Callable[..., Acceptance]

NGRAM = Draft(name="ngram", kind="ngram")
LOAD = Load(batches=(1, 8, 64), shares=(0.2, 0.3, 0.5), source="test")
GIVEN = SpeculationParameters(resamples=200, max_batch=512, min_speedup=1.05)


@pytest.fixture
def found(planted: Planted) -> Analysis:
    """Mixtral, of which one token visits two experts of eight and five tokens most."""
    machine = Machine(
        target=model_named("Mixtral-8x7B"), gpu=gpu_named("H100"), context=200.0,
        deployment=Deployment(tensor_parallel=2),
    )  # fmt: skip
    seen = planted([0.4] * 40, 4, 100, np.random.default_rng(1))
    return analyse(machine, [Logged(draft=NGRAM, seen=seen)], LOAD, GIVEN)


def test_it_loses_at_batch_one_and_pays_above(found: Analysis) -> None:
    plan = found.best
    curve = by_batch(plan.tokens, plan.costs, plan.depth)[0]
    assert curve[0] < 1 < curve[31]
    first = plan.drafting[0]
    assert first.first > 1
    assert curve[first.first - 2] < 1 <= curve[first.first - 1]
    for run in plan.drafting:
        assert (curve[run.first - 1 : run.last] >= 1).all()
    assert sum(run.last - run.first + 1 for run in plan.drafting) == (curve >= 1).sum()


def test_the_load_is_decoded_plainly_where_it_loses(found: Analysis) -> None:
    plan = found.best
    depths = plan.depths_of(LOAD)
    assert depths[0] == 0
    assert (depths[1:] == plan.depth).all()
    curve = by_batch(plan.tokens, plan.costs, plan.depth)[0]
    by_hand = 1 / (0.2 + 0.3 / curve[7] + 0.5 / curve[63])
    assert plan.speedup.value == pytest.approx(by_hand)
    assert plan.speedup.value > plan.always.value


def test_the_reader_is_told_from_which_batch_it_pays(found: Analysis) -> None:
    made = report(found)
    first = found.best.drafting[0].first
    assert made.headline.startswith("GO: ")
    assert f"pays at batches from {first} " in made.headline
    told = {item.slug: item.message for item in made.findings}
    assert "experts" in told["speculation-small-batches-lose"]


def test_settings_draft_only_where_it_pays(found: Analysis) -> None:
    plan = written_plan(found, report(found))
    first, last = plan.drafting[0]
    config = yaml.safe_load(SPECULATION_EXPORTS["vllm"](plan))["speculative_config"]
    switch = config["num_speculative_tokens_per_batch_size"]
    assert switch[0] == [1, first - 1, 0]
    assert switch[1][0] == first
    assert f"{first} to {last}" in SPECULATION_EXPORTS["sglang"](plan)


def test_a_dense_target_pays_from_batch_one_on(machine: Machine, planted: Planted) -> None:
    seen = planted([0.4] * 40, 4, 100, np.random.default_rng(1))
    found = analyse(machine, [Logged(draft=NGRAM, seen=seen)], LOAD, GIVEN)
    assert [run.first for run in found.best.drafting] == [1]
    assert "speculation-small-batches-lose" not in {f.slug for f in report(found).findings}
