"""A target split over machines that are far apart: what a window of tokens saves on the links.

The published system (DSD) gains a further 15 to 20 % by accepting unimportant tokens that the
target would not have chosen; that changes the output and is left out.
"""

from dataclasses import replace

from llmops_cli.speculation.model import Draft, Load, Machine, SpeculationParameters
from llmops_cli.speculation.plan import DraftPlan, plan_draft

__all__ = ["HOPS_S", "over_hops", "saved_per_token_s"]

HOPS_S = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Latencies of a link that the table walks through, seconds: a rack to another continent."""


def saved_per_token_s(nodes: int, hop_s: float, tokens: float) -> float:
    """Seconds of latency of links that a token is spared.

    Args:
        nodes: of the pipeline.
        hop_s: latency of a link.
        tokens: per step, so that one traversal carries all of them.

    Source:
        Decentralised speculative decoding, arXiv 2511.11733: (N - 1) t1 (k - 1) / k.
    """
    return (nodes - 1) * hop_s * (tokens - 1) / tokens


def over_hops(
    machine: Machine, plan: DraftPlan, load: Load, given: SpeculationParameters
) -> tuple[tuple[float, DraftPlan], ...]:
    """The plan of the same draft at every latency of the table and at the one that was given."""
    hops = sorted({*HOPS_S, machine.hop_s})
    draft: Draft = plan.draft
    return tuple(
        (hop, plan_draft(replace(machine, hop_s=hop), draft, plan.seen, load, given))
        for hop in hops
    )
