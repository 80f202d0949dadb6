"""All policies played on the same trace, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from llmops_cli.engine import map_merge
from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.capacity import Capacity, find_capacity
from llmops_cli.serving.checks import check_fits, check_trace
from llmops_cli.serving.counted import Counted
from llmops_cli.serving.machines import Machines
from llmops_cli.serving.measures import FIGURES, Figure, figures_of
from llmops_cli.serving.model import Outcome, Policy
from llmops_cli.serving.policies import gpus_of, machines_of, policy_of
from llmops_cli.serving.policy_lines import Line
from llmops_cli.serving.question import ServingParameters
from llmops_cli.serving.reuse import Reuse, clairvoyant_hits, lru_hits, measure_reuse, token_share
from llmops_cli.serving.warm_up import WarmUp, warm_up_of
from llmops_cli.stats.block_bootstrap import Stretches, stretches_of

__all__ = ["RECORDED", "STRETCHES", "Bounds", "Comparison", "Played", "compare"]

STRETCHES = 30
"""Stretches of time that are resampled: minutes each where a trace has an hour."""

RECORDED = 100_000
"""Most requests of a trace whose iterations are kept for a timeline without being asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """One policy and what it did.

    Attributes:
        policy: what was played.
        machines: what it ran on.
        outcome: of every request.
        counted: those after the warm-up.
        figures: by name.
        capacity: None where no search was asked for.
    """

    policy: Policy
    machines: Machines
    outcome: Outcome
    counted: Counted
    figures: dict[str, Figure]
    capacity: Capacity | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one cache as large as all replicas' together would hit.

    Attributes:
        blocks: its capacity.
        eviction: which block makes room.
        visits: share of block visits that hit.
        tokens: share of prompt tokens in them.
    """

    blocks: int
    eviction: str
    visits: float
    tokens: float


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Everything that was found.

    Attributes:
        trace: the load.
        played: by policy, in the order they were asked.
        warm_up: what is not counted.
        stretches: of the counted requests.
        reuse: of the trace itself.
        bounds: for each capacity among the policies, smallest first; none without blocks.
    """

    trace: RequestTrace
    played: tuple[Played, ...]
    warm_up: WarmUp
    stretches: Stretches
    reuse: Reuse
    bounds: tuple[Bounds, ...]


def compare(
    trace: RequestTrace,
    lines: Sequence[Line],
    machines: Machines,
    given: ServingParameters,
    *,
    record: bool = False,
) -> Comparison:
    """Play every policy, and search its capacity where that is asked for.

    Args:
        trace: the load, cut and scaled already.
        lines: the policies.
        machines: what they run on.
        given: the question.
        record: keep every event, however long the trace is.

    Raises:
        LlmopsError: those of :mod:`~llmops_cli.serving.checks`,
            :mod:`~llmops_cli.serving.policies` and of the simulation.
    """
    check_trace(trace)
    each = [machines_of(line, machines) for line in lines]
    policies = [policy_of(line, machines, trace.block_tokens) for line in lines]
    check_fits(trace, policies)
    largest = max(policy.memory.blocks * policy.replicas for policy in policies)
    warm_up = warm_up_of(trace, largest, given.warm_up_s)
    times = trace.arrival_s[warm_up.counted]
    stretches = stretches_of(times, STRETCHES, seed=given.seed)
    kept = record or len(trace) <= RECORDED
    kernel = partial(_play, trace, (warm_up, stretches), given, kept)
    jobs = [(p, gpus_of(p, f)) for p, f in zip(policies, each, strict=True)]
    found = map_merge(kernel, jobs, _both, jobs=given.jobs)
    played: list[Played] = []
    for policy, own, (outcome, capacity) in zip(policies, each, found, strict=True):
        counted = _counted(trace, outcome, (warm_up, stretches), given, gpus_of(policy, own))
        played.append(Played(policy, own, outcome, counted, figures_of(counted), capacity))
    return Comparison(
        trace, tuple(played), warm_up, stretches, measure_reuse(trace), _bounds(trace, policies)
    )


Found = tuple[Outcome, Capacity | None]


def _play(
    trace: RequestTrace,
    cut: tuple[WarmUp, Stretches],
    given: ServingParameters,
    record: bool,  # noqa: FBT001 - bound by position
    job: tuple[Policy, int],
) -> tuple[Found, ...]:
    from llmops_cli.serving.simulation import simulate  # noqa: PLC0415 - compiles

    policy, gpus = job
    outcome = simulate(trace, policy, seed=given.seed, record=record)
    if not given.find:
        return ((outcome, None),)

    def within(load: RequestTrace, other: Policy) -> Figure:
        tried = simulate(load, other, seed=given.seed)
        return FIGURES["goodput_share"].make(_counted(load, tried, cut, given, gpus))

    return ((outcome, find_capacity(trace, policy, given, within)),)


def _both(first: tuple[Found, ...], second: tuple[Found, ...]) -> tuple[Found, ...]:
    return first + second


def _counted(
    trace: RequestTrace,
    outcome: Outcome,
    cut: tuple[WarmUp, Stretches],
    given: ServingParameters,
    gpus: int,
) -> Counted:
    return Counted(
        trace=trace,
        outcome=outcome,
        warm_up=cut[0],
        stretches=cut[1],
        slo=given.slo,
        gpus=gpus,
        usd_per_hour=given.gpu_usd_per_hour,
    )


def _bounds(trace: RequestTrace, policies: Sequence[Policy]) -> tuple[Bounds, ...]:
    if not len(trace.blocks):
        return ()
    rules = {"least recently used": lru_hits, "clairvoyant": clairvoyant_hits}
    return tuple(
        Bounds(size, name, float(hits.mean()), token_share(trace, hits))
        for size in sorted({policy.memory.blocks * policy.replicas for policy in policies})
        for name, hits in ((name, rule(trace, size)) for name, rule in rules.items())
    )
