"""Everything that is found about the drafts: plans, their order, classes, doubts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.hardware.capacity import MOST_SEQUENCES
from llmops_cli.speculation.decentralised import over_hops
from llmops_cli.speculation.evidence import Drift, at_temperature, drift_of
from llmops_cli.speculation.model import Acceptance, Draft, Load, Machine, SpeculationParameters
from llmops_cli.speculation.plan import DraftPlan, at_batches, plan_draft
from llmops_cli.speculation.shortcuts import Shortcuts, shortcuts
from llmops_cli.speculation.slices import Slice, slices_of
from llmops_cli.speculation.speedup import drawn_over_load

__all__ = ["Analysis", "Logged", "analyse"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Logged:
    """A draft with what was logged of it.

    Attributes:
        draft: how candidates come.
        seen: what was accepted.
        depth_assumed: whether the log does not say how many tokens were drafted.
        alike: whether positions are assumed alike, because only means or rates are known.
    """

    draft: Draft
    seen: Acceptance
    depth_assumed: bool = False
    alike: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Analysis:
    """What was found, the best draft first.

    Attributes:
        machine: what serves the target.
        load: over batch sizes.
        given: what was asked.
        logged: drafts as they were given, in the order of ``plans``.
        plans: one per draft.
        first: share of resamples in which each is the fastest; NaN where one has no sample.
        slices: classes under the best plan.
        doubts: drift of each log, in the order of ``plans``.
        formulas: what shortcuts say of each.
        hops: the best plan by latency of the links; empty for one place.
    """

    machine: Machine
    load: Load
    given: SpeculationParameters
    logged: tuple[Logged, ...]
    plans: tuple[DraftPlan, ...]
    first: tuple[float, ...]
    slices: tuple[Slice, ...]
    doubts: tuple[Drift | None, ...]
    formulas: tuple[Shortcuts, ...]
    hops: tuple[tuple[float, DraftPlan], ...]

    @property
    def best(self) -> DraftPlan:
        """The plan that is worth most over the load."""
        return self.plans[0]


def analyse(
    machine: Machine, drafts: Sequence[Logged], load: Load, given: SpeculationParameters
) -> Analysis:
    """Plan every draft and compare them.

    Raises:
        LlmopsError: ``speculation-no-draft``, ``speculation-bad-machine``, and those of
            :func:`plan_draft`.
    """
    _check(machine, drafts, given)
    made = [
        (one, _plan(machine, one, load, replace(given, seed=given.seed + number)))
        for number, one in enumerate(drafts)
    ]
    made.sort(key=lambda pair: -pair[1].speedup.value)
    logged, plans = tuple(one for one, _ in made), tuple(plan for _, plan in made)
    return Analysis(
        machine=machine,
        load=load,
        given=given,
        logged=logged,
        plans=plans,
        first=_first(plans, load),
        slices=slices_of(plans[0], load, given),
        doubts=tuple(drift_of(plan.seen, given) for plan in plans),
        formulas=tuple(shortcuts(plan.seen, plan.tokens, plan.depth) for plan in plans),
        hops=over_hops(machine, plans[0], load, given) if machine.nodes > 1 else (),
    )


def _plan(machine: Machine, logged: Logged, load: Load, given: SpeculationParameters) -> DraftPlan:
    """One draft, on the requests that were sampled as they will be served.

    Each draft has a seed of its own: their logs are of different requests.
    """
    seen = at_temperature(logged.seen, given.temperature)
    return plan_draft(machine, logged.draft, seen, load, given)


def _check(machine: Machine, drafts: Sequence[Logged], given: SpeculationParameters) -> None:
    reason = ""
    if not drafts:
        raise LlmopsError(
            "speculation-no-draft",
            "there is no draft to plan",
            hint='llmops plan-speculation accepted.jsonl --draft "small model=Llama-3.2-1B"',
            exit_code=ExitCode.USAGE,
        )
    numbers = (machine.context, machine.hop_s, machine.reject_s, given.temperature or 0.0)
    if not all(0 <= number < math.inf for number in numbers) or machine.nodes < 1:
        reason = "context, temperature and times are numbers from 0 up, and a pipeline has a node"
    elif machine.hop_s and machine.nodes == 1:
        reason = "--hop-ms is the latency of a link, and one node has none: --nodes 2 or more"
    elif machine.nodes > machine.target.layers:
        reason = (
            f"a pipeline has no more nodes than the target has layers ({machine.target.layers})"
        )
    elif not 1 <= given.max_batch <= MOST_SEQUENCES:
        reason = f"a batch is 1 to {MOST_SEQUENCES:,}"
    elif not all(0 < number < math.inf for number in (_asked(given.min_speedup),
                                                      _asked(given.gpu_usd_per_hour))):  # fmt: skip
        reason = "a speedup and a price are above 0"
    if reason:
        raise LlmopsError("speculation-bad-machine", reason, exit_code=ExitCode.USAGE)


def _asked(number: float | None) -> float:
    """A number that was asked for; one that is fine where none was."""
    return 1.0 if number is None else number


def _first(plans: tuple[DraftPlan, ...], load: Load) -> tuple[float, ...]:
    if any(not len(plan.tokens.drawn) for plan in plans):
        return (float("nan"),) * len(plans)
    shares = np.array(load.shares)
    drawn = np.stack(
        [
            drawn_over_load(plan.tokens, at_batches(plan.costs, load), plan.depths_of(load), shares)
            for plan in plans
        ]
    )
    wins = np.bincount(drawn.argmax(axis=0), minlength=len(plans)) / drawn.shape[1]
    return tuple(wins.tolist())
