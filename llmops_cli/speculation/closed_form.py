"""Published formulas of speculative decoding, where every token is accepted alike."""

from collections.abc import Sequence
from math import prod

__all__ = [
    "acceptance_for",
    "beta_binomial_tokens",
    "expected_tokens",
    "operations_factor",
    "optimal_drafted",
    "tokens_by_position",
    "tree_level_rate",
    "tree_tokens",
    "walltime_factor",
]


def expected_tokens(acceptance: float, drafted: int) -> float:
    """Tokens of one step of a chain: the accepted ones and the target's own.

    Args:
        acceptance: of every drafted token, independently, 0 to 1.
        drafted: tokens per step.

    Source:
        Leviathan, Kalman and Matias (2023), arXiv 2211.17192, equation 1: (1 - a^(g + 1)) /
        (1 - a), here as the sum it stands for, which has no 0 / 0 and loses no digits near 1.
    """
    total = 1.0
    for _ in range(drafted):
        total = 1 + acceptance * total
    return total


def walltime_factor(acceptance: float, drafted: int, cost: float) -> float:
    """How much faster a chain is where verifying costs one step of the target.

    Args:
        acceptance: as :func:`expected_tokens`.
        drafted: tokens per step.
        cost: of one step of the draft, in steps of the target.

    Source:
        As :func:`expected_tokens`, theorem 3.8.
    """
    return expected_tokens(acceptance, drafted) / (drafted * cost + 1)


def operations_factor(acceptance: float, drafted: int, cost: float) -> float:
    """How many times the arithmetic of plain decoding a chain takes.

    Args:
        acceptance: as :func:`expected_tokens`.
        drafted: tokens per step.
        cost: arithmetic of a token of the draft, in tokens of the target.

    Source:
        As :func:`expected_tokens`, theorem 3.11.
    """
    return (drafted * cost + drafted + 1) / expected_tokens(acceptance, drafted)


def optimal_drafted(acceptance: float, cost: float, most: int = 64) -> int:
    """The chain that is fastest by :func:`walltime_factor`; 0 where none beats plain decoding.

    Source:
        As :func:`expected_tokens`, section 3.5; one pays exactly where acceptance exceeds cost.
    """
    return max(range(most + 1), key=lambda count: walltime_factor(acceptance, count, cost))


def tokens_by_position(rates: Sequence[float]) -> float:
    """Tokens of one step where each position has a rate of its own, given all before it."""
    return 1 + sum(prod(rates[: at + 1]) for at in range(len(rates)))


def beta_binomial_tokens(alpha: float, beta: float, drafted: int) -> float:
    """Tokens of one step where acceptance differs between steps by a beta law.

    Args:
        alpha: first shape, above 0.
        beta: second shape, above 0.
        drafted: tokens per step.

    Source:
        Moments of the beta distribution: the mean of ``p^k`` is the product of
        ``(alpha + j) / (alpha + beta + j)`` over j below k.
    """
    rates = [(alpha + at) / (alpha + beta + at) for at in range(drafted)]
    return tokens_by_position(rates)


def tree_level_rate(rank_rates: Sequence[float], children: int) -> float:
    """Chance that one of so many children is the target's choice.

    Args:
        rank_rates: chance that the target chooses the draft's first, second, ... candidate;
            they exclude one another, so they add up to at most 1.
        children: candidates of a node.
    """
    return sum(rank_rates[:children])


def tree_tokens(nodes: Sequence[tuple[int, ...]], rank_rates: Sequence[float]) -> float:
    """Tokens of one step of a tree of candidates.

    Args:
        nodes: every node as the ranks on its way from the root, (0,) for the first candidate,
            (0, 1) for the second below it; a node's parent must be there too.
        rank_rates: as :func:`tree_level_rate`.

    Raises:
        ValueError: a node without its parent.

    Source:
        Cai et al. (2024), Medusa, arXiv 2401.10774, section 2.2.3: a node is reached with the
        product of the rates on its way, and the length accepted is their sum.
    """
    known = set(nodes) | {()}
    if any(node[:-1] not in known for node in nodes):
        raise ValueError("a node of the tree lacks its parent")
    return 1 + sum(prod(rank_rates[rank] for rank in node) for node in set(nodes))


def acceptance_for(tokens: float, drafted: int) -> float | None:
    """The acceptance at which a chain gives so many tokens per step; None where none does."""
    if not 1 <= tokens <= drafted + 1:
        return None
    low, high = 0.0, 1.0
    for _ in range(60):  # halving: exact to the last bit of a float
        middle = (low + high) / 2
        if expected_tokens(middle, drafted) < tokens:
            low = middle
        else:
            high = middle
    return high
