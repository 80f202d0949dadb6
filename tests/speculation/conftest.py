"""Logs with planted acceptance, and machines to plan on."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from llmops_cli.hardware.catalogue import gpu_named, model_named
from llmops_cli.speculation.model import Acceptance, Machine

Planted = Callable[..., Acceptance]


def simulate(
    rates: Sequence[float] | np.ndarray,
    depth: int,
    tokens: int,
    generator: np.random.Generator,
    *,
    decay: float = 1.0,
) -> Acceptance:
    """Decode requests of so many tokens, step by step, each with its own acceptance."""
    count = len(rates)
    steps, accepted = np.zeros(count), np.zeros((count, depth))
    reached = np.zeros((count, depth))
    at = np.arange(depth)
    for row, rate in enumerate(rates):
        # No step brings less than one token, so as many draws as tokens are enough.
        drawn = generator.random((tokens, depth)) < rate * decay**at
        taken = np.cumprod(drawn, axis=1).sum(axis=1)
        taken = taken[: int(np.searchsorted(np.cumsum(taken + 1), tokens)) + 1]
        steps[row] = len(taken)
        accepted[row] = (taken[:, None] > at).sum(axis=0)
        reached[row] = (taken[:, None] >= at).sum(axis=0)
    return Acceptance(
        steps=steps,
        accepted=accepted,
        reached=reached,
        offered=np.repeat(steps[:, None], depth, axis=1),
        task=np.full(count, -1),
        tasks=(),
        temperature=np.full(count, np.nan),
        batch=np.full(count, np.nan),
        source="planted.jsonl",
    )


@pytest.fixture
def planted() -> Planted:
    return simulate


@pytest.fixture
def machine() -> Machine:
    return Machine(target=model_named("Llama-3.1-8B"), gpu=gpu_named("H100"))
