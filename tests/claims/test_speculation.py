"""Published figures of speculative decoding: what a roofline and the formulas reproduce.

Not reproduced: the 2.56x and 2.59x of DSD (arXiv 2511.11733), which partly come of accepting
tokens that the target would not have sampled.
"""

import numpy as np
import pytest

from llmops_cli.hardware.catalogue import gpu_named, model_named
from llmops_cli.speculation.closed_form import (
    expected_tokens,
    operations_factor,
    walltime_factor,
)
from llmops_cli.speculation.costs import Costs, step_costs, step_models
from llmops_cli.speculation.model import Draft, Machine

EAGLE = model_named("EAGLE-Vicuna-7B")
HEADS = model_named("layers=1,hidden=4096,heads=32,kv_heads=32,head_dim=128,params=0.7")


def costs_of(
    target: str, gpu: str, draft: Draft, depth: int, batches: list[int], context: float
) -> Costs:
    machine = Machine(target=model_named(target), gpu=gpu_named(gpu), context=context)
    sizes = np.array(batches, np.float64)
    return step_costs(machine, draft, step_models(machine), np.ones(depth), sizes)


@pytest.mark.parametrize(
    ("acceptance", "drafted", "speed", "operations"),
    [
        (0.6, 2, 1.96, 1.53),
        (0.7, 3, 2.53, 1.58),
        (0.8, 2, 2.44, 1.23),
        (0.8, 5, 3.69, 1.63),
        (0.9, 2, 2.71, 1.11),
        (0.9, 10, 6.86, 1.60),
    ],
)
def test_table_1_of_leviathan_to_the_printed_digit(
    acceptance: float, drafted: int, speed: float, operations: float
) -> None:
    assert round(walltime_factor(acceptance, drafted, 0.0), 2) == speed
    assert round(operations_factor(acceptance, drafted, 0.0), 2) == operations


# Spec-Bench, Vicuna-7B on an RTX 3090 at batch 1: mean accepted tokens, speedup. Shapes of the
# drafts as their papers have them; how EAGLE divides its tree over levels is an assumption.
SPEC_BENCH = {
    "EAGLE-2": (4.36, 2.25, 6, Draft(name="e2", kind="tree", shape=EAGLE, levels=(10,) * 6)),
    "EAGLE": (3.57, 2.16, 5, Draft(name="e", kind="tree", shape=EAGLE, levels=(4, 8, 6, 4, 4))),
    "SpS": (2.29, 1.83, 5, Draft(name="s", shape=model_named("Llama-68M"))),
    "PLD": (1.74, 1.55, 10, Draft(name="p", kind="ngram")),
    "Medusa": (
        2.32,
        1.44,
        4,
        Draft(name="m", kind="tree", shape=HEADS, levels=(10, 20, 20, 13)),
    ),
    "Lookahead": (1.65, 1.08, 1, Draft(name="l", kind="parallel", pass_s=0.0, levels=(120,))),
}


def predicted(name: str) -> float:
    tokens, _, depth, draft = SPEC_BENCH[name]
    needed = costs_of("vicuna-7b-v1.3", "RTX-3090", draft, depth, [1], 512).needed
    return float(tokens / needed[0, depth, 0])


@pytest.mark.parametrize("name", SPEC_BENCH)
def test_spec_bench_speedups_within_forty_per_cent(name: str) -> None:
    # Its Python loop spends time outside of the models, which a roofline does not know: ours are
    # higher by 7 to 38 %, and lower by 23 % for Lookahead, whose window we count in full.
    tokens, published, _, _ = SPEC_BENCH[name]
    assert predicted(name) == pytest.approx(published, rel=0.40)
    assert predicted(name) < tokens


def test_spec_bench_drafts_come_in_the_published_order() -> None:
    published = sorted(SPEC_BENCH, key=lambda name: -SPEC_BENCH[name][1])
    assert sorted(SPEC_BENCH, key=lambda name: -predicted(name)) == published


CHAIN = Draft(name="eagle", shape=model_named("EAGLE-Llama-3.1-8B"))


def test_eagle_stops_paying_between_batch_24_and_32_on_an_rtx_3090() -> None:
    # arXiv 2503.01840, vLLM, Llama-3.1-8B, chains of two: a loss beyond batch 24, and 1.30 times
    # the throughput at batch 2 (that figure from memory of its table, unverified). The acceptance
    # that gives 1.30 places the end between 24 and 32 without further tolerance.
    batches = list(range(1, 65))
    needed = costs_of("Llama-3.1-8B", "RTX-3090", CHAIN, 2, batches, 300).needed[0, 2]
    tokens = 1.30 * needed[1]
    assert expected_tokens(0.4, 2) == pytest.approx(tokens, abs=0.02)
    curve = tokens / needed
    ends = int(np.flatnonzero(curve < 1)[0])
    assert 24 <= ends <= 32


def test_eagle_3_still_pays_at_batch_64_on_an_h100() -> None:
    # arXiv 2503.01840, SGLang: 1.38x at batch 64. Ours for acceptances of 0.6 to 0.8 in chains of
    # three is 1.7 to 2.3: paying is reproduced, how much is not (within a factor of 1.7).
    needed = costs_of("Llama-3.1-8B", "H100", CHAIN, 3, [1, 64], 500).needed[0, 3]
    for acceptance in (0.6, 0.7, 0.8):
        speedup = expected_tokens(acceptance, 3) / needed[1]
        assert 1 < speedup < 1.7 * 1.38


SMALL = Draft(name="small", shape=model_named("Llama-3.2-1B"))


@pytest.mark.parametrize(
    ("draft", "depth"),
    [(CHAIN, 3), (SMALL, 3), (Draft(name="ngram", kind="ngram"), 3)],
    ids=["eagle", "draft model", "ngram"],
)
def test_speedups_shrink_with_the_batch_and_verification_is_most_of_a_step(
    draft: Draft, depth: int
) -> None:
    # arXiv 2601.11580, vLLM on H100, to batch 128, and to 512 for profiles: verification is 42 to
    # 95 % of the time. A look-up costs ours next to nothing, so that it reaches 98 % there.
    batches = [1, 32, 128, 256, 512]
    costs = costs_of("Llama-3.1-8B", "H100", draft, depth, batches, 200)
    needed = costs.needed[0, depth]
    assert needed[-1] > needed[-2] > needed[0]
    share = costs.verify[0, depth, :3] / costs.step[0, depth, :3]
    most = 0.98 if draft.kind == "ngram" else 0.95
    assert ((share >= 0.42) & (share <= most)).all()
