"""Decoders that go token by token, against the formulas: sampled distributions, chain and tree."""

import math

import numpy as np
import pytest

from llmops_cli.speculation.closed_form import expected_tokens, tree_level_rate, tree_tokens

STEPS = 40_000


def decode_chain(
    target: np.ndarray, draft: np.ndarray, drafted: int, generator: np.random.Generator
) -> tuple[int, int]:
    """One step of speculative sampling: tokens that come out, and the first of them."""
    taken, first = 0, -1
    for _ in range(drafted):
        token = generator.choice(len(draft), p=draft)
        if generator.random() >= min(1.0, target[token] / draft[token]):
            left = np.maximum(target - draft, 0)
            own = int(generator.choice(len(left), p=left / left.sum()))
            return taken + 1, own if first < 0 else first
        taken += 1
        first = int(token) if first < 0 else first
    own = int(generator.choice(len(target), p=target))
    return taken + 1, own if first < 0 else first


@pytest.mark.parametrize("drafted", [1, 3, 6])
def test_speculative_sampling_gives_the_expected_tokens_and_the_target_distribution(
    drafted: int,
) -> None:
    generator = np.random.default_rng(drafted)
    target = np.array([0.5, 0.3, 0.15, 0.05])
    draft = np.array([0.35, 0.25, 0.1, 0.3])
    acceptance = np.minimum(target, draft).sum()
    made = np.array([decode_chain(target, draft, drafted, generator) for _ in range(STEPS // 4)])
    error = made[:, 0].std() / math.sqrt(len(made))
    assert abs(made[:, 0].mean() - expected_tokens(acceptance, drafted)) < 4 * error
    # The first token of a step is the target's, whatever the draft proposed.
    seen = np.bincount(made[:, 1], minlength=4) / len(made)
    assert np.abs(seen - target).max() < 4 * math.sqrt(0.25 / len(made))


def decode_tree(
    nodes: set[tuple[int, ...]], rank_rates: list[float], generator: np.random.Generator
) -> int:
    """One greedy step: walk down while the target's choice is among the children."""
    node: tuple[int, ...] = ()
    edges = np.cumsum(rank_rates)
    while True:
        rank = int(np.searchsorted(edges, generator.random(), side="right"))
        child = (*node, rank)
        if rank >= len(rank_rates) or child not in nodes:
            return len(node) + 1
        node = child


MEDUSA = {(0,), (1,), (2,), (0, 0), (0, 1), (1, 0), (0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 0, 0, 0)}
FULL = {(a,) for a in range(2)} | {(a, b) for a in range(2) for b in range(2)}


@pytest.mark.parametrize(("nodes", "seed"), [(MEDUSA, 1), (FULL, 2)])
def test_a_tree_gives_the_expected_tokens(nodes: set[tuple[int, ...]], seed: int) -> None:
    generator = np.random.default_rng(seed)
    rates = [0.55, 0.2, 0.08]
    made = np.array([decode_tree(nodes, rates, generator) for _ in range(STEPS)])
    error = made.std() / math.sqrt(STEPS)
    assert abs(made.mean() - tree_tokens(sorted(nodes), rates)) < 4 * error


def test_a_full_level_is_accepted_at_its_rate() -> None:
    generator = np.random.default_rng(3)
    made = np.array([decode_tree(FULL, [0.55, 0.2], generator) for _ in range(STEPS)])
    rate = tree_level_rate([0.55, 0.2], 2)
    assert abs((made > 1).mean() - rate) < 4 * math.sqrt(0.25 / STEPS)
