"""The plan of one draft: how deep, up to which batch, and what that is worth."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.hardware.capacity import kv_capacity_tokens
from llmops_cli.speculation.costs import Costs, Steps, step_costs, step_models
from llmops_cli.speculation.estimate import Tokens, request_tokens, tokens_per_step
from llmops_cli.speculation.model import (
    Acceptance,
    Draft,
    Load,
    Machine,
    SpeculationParameters,
)
from llmops_cli.speculation.speedup import (
    Estimate,
    best_depths,
    breaks_even_at,
    by_batch,
    over_load,
)

__all__ = ["DraftPlan", "Stretch", "at_batches", "most_sequences", "plan_draft"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Batches from ``first`` to ``last`` at which ``depth`` tokens are drafted."""

    first: int
    last: int
    depth: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DraftPlan:
    """One draft, looked at from all sides.

    Attributes:
        draft: how candidates come.
        seen: the requests the plan stands on.
        tokens: per step, by depth.
        of_requests: (G, K + 1) the same of each request.
        steps: step times that are possible.
        costs: at every batch from 1 up to the largest that is looked at.
        depth: drafted tokens that are best over the load.
        drafting: runs of batches at which that pays; one from batch 1 on for a dense target.
        ends: the largest batch at which that pays; 0 for none, None for no end in sight.
        ends_low: the same by the lower end of the speedup.
        ends_high: and by the upper end.
        speedup: over the load, drafting where it pays and nowhere else; at every batch where it
            pays nowhere in the load.
        always: over the load, drafting at every batch.
        adaptive: over the load, at the best depth of each batch.
        stretches: those depths.
    """

    draft: Draft
    seen: Acceptance
    tokens: Tokens
    of_requests: Floats
    steps: Steps
    costs: Costs
    depth: int
    drafting: tuple[Stretch, ...]
    ends: int | None
    ends_low: int | None
    ends_high: int | None
    speedup: Estimate
    always: Estimate
    adaptive: Estimate
    stretches: tuple[Stretch, ...]

    def depths_of(self, load: Load) -> npt.NDArray[np.int64]:
        """Drafted tokens at each batch of a load that the speedup is of."""
        here = at_batches(self.costs, load)
        return _planned(by_batch(self.tokens, here, self.depth)[0], self.depth)


def plan_draft(
    machine: Machine, draft: Draft, seen: Acceptance, load: Load, given: SpeculationParameters
) -> DraftPlan:
    """Find the depth that is best over a load, and what it is worth there.

    Raises:
        LlmopsError: ``hardware-no-room`` where the target does not fit its GPUs,
            ``speculation-no-depth`` for a tree that has more levels than were logged.
    """
    _check_levels(draft, seen)
    tokens = tokens_per_step(seen, level=given.level, resamples=given.resamples, seed=given.seed)
    steps = step_models(machine)
    batches = np.arange(1.0, _top(machine, load, given) + 1)
    offered = seen.offered.sum(axis=0) / seen.steps.sum()
    costs = step_costs(machine, draft, steps, offered, batches)
    here = at_batches(costs, load)
    shares = np.array(load.shares)
    depth, ends = _best(tokens, costs, load)
    always = np.full(len(shares), depth)
    planned = _planned(by_batch(tokens, here, depth)[0], depth)
    curve, low, high = by_batch(tokens, costs, depth)
    deepest = best_depths(tokens, costs)
    return DraftPlan(
        draft=draft,
        seen=seen,
        tokens=tokens,
        of_requests=request_tokens(seen)[0],
        steps=steps,
        costs=costs,
        depth=depth,
        drafting=tuple(run for run in _stretches(np.where(curve >= 1, depth, 0)) if run.depth),
        ends=ends,
        ends_low=breaks_even_at(batches, low),
        ends_high=breaks_even_at(batches, high),
        speedup=over_load(tokens, here, planned, shares),
        always=over_load(tokens, here, always, shares),
        adaptive=over_load(tokens, here, best_depths(tokens, here), shares),
        stretches=_stretches(deepest),
    )


def most_sequences(machine: Machine) -> int:
    """How many sequences the cache holds at their context.

    Raises:
        LlmopsError: ``hardware-no-room``, where not even one fits.
    """
    target, parts = machine.target, machine.nodes
    # Each node of a pipeline keeps its own layers, and the cache of those.
    layers = -(-(target.attention_layers or target.layers) // parts)
    own = replace(target, params=target.params / parts, attention_layers=layers)
    tokens = kv_capacity_tokens(own, machine.gpu, machine.deployment)
    room = int(tokens / (machine.context + 1))
    if room < 1:
        raise LlmopsError(
            "hardware-no-room",
            f"a sequence of {machine.context:,.0f} tokens does not fit: the cache holds {tokens:,}",
            hint="--context is what stands before a step, per sequence; more GPUs: "
            "--tensor-parallel",
            exit_code=ExitCode.USAGE,
        )
    return room


def at_batches(costs: Costs, load: Load) -> Costs:
    """Costs at the batches of a load only."""
    rows = np.searchsorted(costs.batches, np.array(load.batches, np.float64))
    return Costs(
        batches=costs.batches[rows],
        plain=costs.plain[:, rows],
        verify=costs.verify[:, :, rows],
        draft=costs.draft[:, :, rows],
        reject=costs.reject,
    )


def _check_levels(draft: Draft, seen: Acceptance) -> None:
    if draft.levels and len(draft.levels) != seen.positions:
        raise LlmopsError(
            "speculation-no-depth",
            f"draft '{draft.name}': its tree has {len(draft.levels)} levels, and the log speaks "
            f"of {seen.positions} positions",
            hint="levels= names the nodes of every level of the tree that was logged",
            file=seen.source,
        )


def _top(machine: Machine, load: Load, given: SpeculationParameters) -> int:
    """The largest batch that is looked at: what fits, and all of the load."""
    return max(min(most_sequences(machine), given.max_batch), *load.batches)


def _best(tokens: Tokens, costs: Costs, load: Load) -> tuple[int, int | None]:
    """The depth from 1 up that is worth most over the load, and where it ends."""
    here, shares = at_batches(costs, load), np.array(load.shares)
    found: list[tuple[float, int, int | None]] = []
    for depth in range(1, len(tokens.value)):
        ends = breaks_even_at(costs.batches, by_batch(tokens, costs, depth)[0])
        planned = np.where(by_batch(tokens, here, depth)[0] >= 1, depth, 0)
        time = float((here.needed[0, planned, np.arange(len(shares))] * shares)
                     @ (1 / tokens.value[planned]))  # fmt: skip
        found.append((time, depth, ends))
    # Of depths that are worth the same, as where none pays at the load, the one that goes on
    # paying longest.
    _, depth, ends = min(found, key=lambda item: (round(item[0], 9), _endless(item[2])))
    return depth, ends


def _planned(curve: Floats, depth: int) -> npt.NDArray[np.int64]:
    """Drafted tokens at each batch of a load, from the speedups there.

    Drafting nowhere in it would be plain decoding; then what is asked is what drafting would do.
    """
    found = np.where(curve >= 1, depth, 0)
    return found if found.any() else np.full(len(found), depth)


def _endless(ends: int | None) -> float:
    return -np.inf if ends is None else -float(ends)


def _stretches(depths: npt.NDArray[np.int64]) -> tuple[Stretch, ...]:
    """Runs of batches with one depth; batches count from 1."""
    edges = [0, *(np.flatnonzero(np.diff(depths)) + 1).tolist(), len(depths)]
    return tuple(Stretch(start + 1, stop, int(depths[start])) for start, stop in pairwise(edges))
