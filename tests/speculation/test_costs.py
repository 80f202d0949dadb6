"""What steps cost, against sums by hand, and what must hold of every machine."""

from dataclasses import replace

import numpy as np
import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.hardware.catalogue import gpu_named, model_named
from llmops_cli.hardware.fit import Measured, load_of_measured
from llmops_cli.hardware.iteration import seconds
from llmops_cli.hardware.roofline import Deployment, Efficiency, roofline
from llmops_cli.speculation.costs import (
    LEAST_PASS_S,
    LOOKUP_S,
    RANGES,
    Costs,
    step_costs,
    step_models,
)
from llmops_cli.speculation.model import Draft, Machine
from llmops_cli.speculation.speedup import breaks_even_at

SMALL = Draft(name="small", shape=model_named("Llama-3.2-1B"))
NGRAM = Draft(name="ngram", kind="ngram")
BATCHES = np.array([1.0, 8, 64, 256])


def costs_of(machine: Machine, draft: Draft, depth: int = 4, offered: float = 1.0) -> Costs:
    return step_costs(machine, draft, step_models(machine), np.full(depth, offered), BATCHES)


def test_a_step_is_verification_and_passes_and_rejection(machine: Machine) -> None:
    exact = Efficiency(compute=1.0, memory=1.0, overhead_s=0.0)
    ideal = replace(machine, deployment=Deployment(efficiency=exact), context=1000.0)
    found = costs_of(ideal, SMALL)
    gpu, big, small = ideal.gpu, ideal.target, SMALL.shape
    for at, batch in enumerate(BATCHES):
        moved = 2e9 * big.params + batch * 1000 * 131_072
        flops = batch * (2e9 * big.params + 4 * 32 * 32 * 128 * 1000)
        plain = max(moved / 3.35e12, flops / 989e12)
        assert found.plain[0, at] == pytest.approx(plain)
        new = batch * 5
        pairs = new * (1000 + 2.5)
        verify = max(moved / 3.35e12,
                     (new * 2e9 * big.params + 4 * 32 * 32 * 128 * pairs) / 989e12)  # fmt: skip
        assert found.verify[0, 4, at] == pytest.approx(verify)
        kept = 2 * 2 * small.layers * small.kv_heads * small.head_dim
        work = 2e9 * small.params + 4 * small.layers * small.heads * small.head_dim * 1000.5
        one = max((2e9 * small.params + batch * 1000 * kept) / gpu.bandwidth_tbps / 1e12,
                  batch * work / 989e12)  # fmt: skip
        assert found.draft[0, 4, at] == pytest.approx(4 * (one + LEAST_PASS_S), rel=1e-6)
        assert found.step[0, 4, at] == pytest.approx(
            found.verify[0, 4, at] + found.draft[0, 4, at] + ideal.reject_s
        )


def test_depth_nothing_is_plain_decoding(machine: Machine) -> None:
    found = costs_of(machine, SMALL)
    assert (found.step[:, 0] == found.plain).all()
    assert (found.needed[:, 0] == 1).all()


@pytest.mark.parametrize("draft", [SMALL, NGRAM], ids=["model", "ngram"])
def test_deeper_drafts_need_more_tokens_at_every_batch(machine: Machine, draft: Draft) -> None:
    assert (np.diff(costs_of(machine, draft).needed, axis=1) > -1e-12).all()


def test_many_sequences_make_every_drafted_token_dear(machine: Machine) -> None:
    near = replace(machine, context=0.0)
    batches = np.array([1.0, 4096])
    needed = step_costs(near, NGRAM, step_models(near), np.ones(4), batches).needed[0, 4]
    # Memory-bound, verifying five tokens is nearly free; compute-bound it is five steps' work.
    assert needed[0] < 1.1
    assert needed[1] == pytest.approx(5, rel=0.05)


def test_the_corners_of_the_ranges_surround_the_central_step_times(machine: Machine) -> None:
    found = costs_of(machine, SMALL)
    assert len(found.plain) == 1 + 2 ** len(RANGES)
    assert (found.plain[1:].min(axis=0) < found.plain[0]).all()
    assert (found.plain[1:].max(axis=0) > found.plain[0]).all()


def test_a_lookup_costs_the_same_at_every_depth(machine: Machine) -> None:
    found = costs_of(machine, NGRAM)
    assert (found.draft[:, 1:] == LOOKUP_S).all()


def test_tokens_that_are_not_offered_are_not_verified(machine: Machine) -> None:
    always, seldom = (costs_of(machine, NGRAM, offered=share) for share in (1.0, 0.2))
    assert (seldom.verify[:, 4, -1] < always.verify[:, 4, -1]).all()


def test_all_heads_at_once_is_one_pass(machine: Machine) -> None:
    chain = costs_of(machine, SMALL)
    parallel = costs_of(machine, replace(SMALL, kind="parallel"))
    assert parallel.draft[0, 4] == pytest.approx(chain.draft[0, 1])


def test_a_tree_verifies_all_of_its_nodes(machine: Machine) -> None:
    near = replace(machine, context=0.0)
    tree = costs_of(near, replace(SMALL, kind="tree", levels=(4, 8, 8, 4)))
    chain = costs_of(near, SMALL, depth=24)
    assert tree.verify[0, 4] == pytest.approx(chain.verify[0, 24])


def test_experts_make_verification_dearer() -> None:
    dense = Machine(target=model_named("Llama-3.1-8B"), gpu=gpu_named("H200"), context=0.0)
    mixed = Machine(
        target=model_named("Mixtral-8x7B"), gpu=gpu_named("H200"), context=0.0,
        deployment=Deployment(tensor_parallel=2),
    )  # fmt: skip
    one, other = (costs_of(item, NGRAM).needed[0, 4, 0] for item in (dense, mixed))
    # One token visits two experts of eight, five tokens most of them.
    assert one < 1.1
    assert other > 1.8


def test_links_are_crossed_once_a_step(machine: Machine) -> None:
    near, far = machine, replace(machine, nodes=4, hop_s=0.05)
    assert costs_of(far, SMALL).plain == pytest.approx(costs_of(near, SMALL).plain + 0.15)
    # Where the network is all there is, tokens per step are the speedup.
    slow = replace(machine, nodes=4, hop_s=100.0)
    assert costs_of(slow, SMALL).needed == pytest.approx(1, abs=1e-3)


def test_measured_steps_take_the_place_of_the_ranges(machine: Machine) -> None:
    planted = Deployment(efficiency=Efficiency(compute=0.5, memory=0.8, overhead_s=0.002))
    step = roofline(machine.target, machine.gpu, planted)
    grid = np.array([(b, t, c) for b in (1, 16, 128, 512) for t in (1, 5) for c in (0, 2000.0)])
    blank = Measured(batch=grid[:, 0], tokens=grid[:, 1], context=grid[:, 2],
                     seconds=np.ones(len(grid)), source="steps.csv")  # fmt: skip
    measured = replace(blank, seconds=seconds(step, load_of_measured(blank)))
    found = costs_of(replace(machine, measured=measured), NGRAM)
    assert found.plain.shape == (1, 4)
    truth = costs_of(replace(machine, deployment=planted), NGRAM)
    assert found.plain[0] == pytest.approx(truth.plain[0], rel=1e-3)
    assert found.verify[0] == pytest.approx(truth.verify[0], rel=1e-3)


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ([1.5, 1.2, 0.9, 0.8], 2),
        ([0.9, 1.2, 0.9], 2),
        ([0.9, 1.2], None),
        ([1.5, 1.0], None),
        ([1.0, 0.99], 1),
        ([0.99], 0),
    ],
)
def test_it_pays_up_to_the_last_batch_without_a_loss(
    curve: list[float], expected: int | None
) -> None:
    batches = np.arange(1.0, len(curve) + 1)
    assert breaks_even_at(batches, np.array(curve)) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "forest"},
        {"kind": "chain", "shape": None},
        {"kind": "tree"},
        {"kind": "tree", "levels": (4, 0)},
        {"kind": "chain", "levels": (4, 4)},
        {"kind": "ngram", "levels": (4, 4), "shape": None},
        {"kind": "ngram"},
        {"pass_s": -1.0},
    ],
)
def test_a_draft_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(LlmopsError) as refused:
        replace(SMALL, **wrong)
    assert refused.value.slug == "speculation-bad-draft"
