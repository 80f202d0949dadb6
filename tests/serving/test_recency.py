"""Blocks that come and go and come back: the ring of releases fills with places left behind."""

import dataclasses

import numpy as np
import pytest

from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.model import Memory, Policy, Routing

from .fleets import AFFINE, BLOCK_TOKENS, trace_of
from .test_kernel import assert_kernel_is_reference

PROMPTS = ([0, 1, 2], [0, 1, 3, 4], [0, 5], [6, 7, 8], [6, 9])


def few_prompts_again_and_again(seed: int) -> RequestTrace:
    rng = np.random.default_rng(seed)
    prompts = [PROMPTS[i] for i in rng.integers(0, len(PROMPTS), 60)]
    return trace_of(
        arrivals=np.cumsum(rng.integers(0, 5, 60) * 0.5).tolist(),
        inputs=[BLOCK_TOKENS * len(prompt) for prompt in prompts],
        outputs=rng.integers(1, 6, 60).tolist(),
        prompts=prompts,
    )


@pytest.mark.parametrize("blocks", [6, 8, 11, 40])
@pytest.mark.parametrize("routing", [Routing.ROUND_ROBIN, Routing.KV_COST])
def test_the_oldest_make_room_however_often_the_ring_was_closed_up(
    blocks: int, routing: Routing
) -> None:
    policy = Policy(
        name="ring", replicas=2, step_time=AFFINE, memory=Memory(blocks=blocks, block_tokens=4)
    )
    router = dataclasses.replace(policy.router, routing=routing)
    policy = dataclasses.replace(policy, router=router)
    for seed in range(3):
        trace = few_prompts_again_and_again(seed)
        assert_kernel_is_reference((trace, policy, seed), 0.0, stepped=True)
