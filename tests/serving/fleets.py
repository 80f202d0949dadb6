"""Small traces and fleets drawn by hypothesis, made so that everything rare happens often."""

import numpy as np
from hypothesis import strategies as st

from llmops_cli.hardware.step_time import StepForm, StepTime
from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.model import (
    Batching,
    Eviction,
    Memory,
    Policy,
    Pools,
    Router,
    Routing,
    Scheduler,
    SecondTier,
)

BLOCK_TOKENS = 4

AFFINE = StepTime(
    name="affine",
    form=StepForm.AFFINE,
    coefficients=np.array([0.25, 0.125, 0.0078125, 0.0625, 0.00390625]),
    source="dyadic numbers, so that sums are exact and ends of iterations coincide",
)
CONSTANT = StepTime(
    name="constant",
    form=StepForm.AFFINE,
    coefficients=np.array([0.5, 0.0, 0.0, 0.0, 0.0]),
    source="half a second whatever it computes",
)
ROOFLINE = StepTime(
    name="roofline",
    form=StepForm.ROOFLINE,
    coefficients=np.array([7.0, 0.31, 50.0, 1.3, 97.0, 113.0, 0.013, 0.0007, 0.0011, 0.0, 0.0]),
    source="made so that compute and memory take turns as the limit",
)
POLYNOMIAL = StepTime(
    name="polynomial",
    form=StepForm.POLYNOMIAL,
    coefficients=np.array([0.0003, 0.011, 0.017, -0.05, 0.31, 0.02, 0.03]),
    source="made up",
)


def trace_of(
    arrivals: list[float],
    inputs: list[int],
    outputs: list[int],
    prompts: list[list[int]] | None = None,
    sessions: list[int] | None = None,
    block_tokens: int = BLOCK_TOKENS,
) -> RequestTrace:
    """A trace from lists."""
    blocks = prompts or [[] for _ in arrivals]
    return RequestTrace(
        arrival_s=np.array(arrivals, np.float64),
        input_tokens=np.array(inputs, np.int64),
        output_tokens=np.array(outputs, np.int64),
        starts=np.cumsum([0, *map(len, blocks)]).astype(np.int64),
        blocks=np.array([block for prompt in blocks for block in prompt], np.int64),
        block_tokens=block_tokens if prompts else 0,
        session=np.array(sessions or [-1] * len(arrivals), np.int64),
    )


@st.composite
def traces(draw: st.DrawFn, most: int = 14) -> RequestTrace:
    """Prompts that share prefixes with earlier ones, bursts, sessions."""
    n = draw(st.integers(1, most))
    gaps = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    arrivals = (np.cumsum(gaps) * draw(st.sampled_from([0.25, 0.5, 1.0]))).tolist()
    inputs = draw(st.lists(st.integers(1, 26), min_size=n, max_size=n))
    outputs = draw(st.lists(st.integers(1, 12), min_size=n, max_size=n))
    prompts: list[list[int]] = []
    fresh = 0
    for i, tokens in enumerate(inputs):
        wanted = -(-tokens // BLOCK_TOKENS)
        parent = prompts[draw(st.integers(0, i - 1))] if i and draw(st.booleans()) else []
        kept = draw(st.integers(0, min(len(parent), wanted)))
        prompts.append(parent[:kept] + list(range(fresh, fresh + wanted - kept)))
        fresh += wanted - kept
    sessions = draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n))
    dense = {name: i for i, name in enumerate(dict.fromkeys(s for s in sessions if s >= 0))}
    if draw(st.integers(0, 9)) == 0:
        return trace_of(arrivals, inputs, outputs, None, [dense.get(s, -1) for s in sessions])
    return trace_of(arrivals, inputs, outputs, prompts, [dense.get(s, -1) for s in sessions])


@st.composite
def policies(draw: st.DrawFn, trace: RequestTrace, steps: tuple[StepTime, ...]) -> Policy:
    """Every batching, eviction and routing, with memory that is just enough or more."""
    last = trace.input_tokens + trace.output_tokens - 1
    least = int((-(-last // BLOCK_TOKENS)).max())
    blocks = least + draw(st.sampled_from([0, 1, 2, 3, 5, 8, 40]))
    tier = SecondTier(
        blocks=draw(st.integers(1, 8)),
        bytes_per_s=128.0,
        kv_bytes_per_token=draw(st.sampled_from([1.0, 3.0])),
    )
    replicas = draw(st.integers(1, 4))
    pools = Pools(
        decode_replicas=draw(st.integers(1, max(1, replicas - 1))),
        kv_bytes_per_token=1.0,
        bytes_per_s=64.0,
        latency_s=draw(st.sampled_from([0.0, 0.25])),
    )
    batch = draw(st.integers(1, 6))
    return Policy(
        name="drawn",
        replicas=replicas,
        step_time=draw(st.sampled_from(steps)),
        memory=Memory(
            blocks=blocks,
            block_tokens=BLOCK_TOKENS,
            prefix_caching=draw(st.integers(0, 9)) > 0,
            eviction=draw(st.sampled_from(Eviction)),
            second_tier=tier if draw(st.booleans()) else None,
        ),
        scheduler=Scheduler(
            batching=draw(st.sampled_from(Batching)),
            token_budget=batch + draw(st.integers(0, 20)),
            max_batch=batch,
        ),
        router=Router(
            routing=draw(st.sampled_from(Routing)),
            index_delay_s=draw(st.sampled_from([0.0, 0.5, 2.0])),
            overlap_weight=draw(st.sampled_from([0.5, 1.0, 2.0])),
            match_threshold=draw(st.sampled_from([0.0, 0.3, 0.5])),
            imbalance_requests=draw(st.integers(0, 3)),
            load_factor=draw(st.sampled_from([1.1, 1.25, 2.0])),
        ),
        pools=pools if replicas > 1 and draw(st.integers(0, 2)) == 0 else None,
        think_s=draw(st.sampled_from([None, None, 0.0, 0.75])),
    )


@st.composite
def cases(draw: st.DrawFn, *steps: StepTime) -> tuple[RequestTrace, Policy, int]:
    """A trace, a fleet for it, and a seed."""
    trace = draw(traces())
    return trace, draw(policies(trace, steps)), draw(st.integers(0, 9))
