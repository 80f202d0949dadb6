"""What steps cost: plain decoding, verification, drafting, by batch and depth.

Where nobody timed the target, efficiencies are not known but lie in ranges: every corner of them
is a model of its own, and what is claimed must hold in all.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from llmops_cli.hardware import iteration
from llmops_cli.hardware.fit import Fitted, fit_roofline
from llmops_cli.hardware.iteration import seconds
from llmops_cli.hardware.roofline import Deployment, Efficiency, roofline
from llmops_cli.hardware.step_time import StepTime
from llmops_cli.speculation.model import Draft, Machine

__all__ = ["RANGES", "Costs", "Steps", "step_costs", "step_models"]

Floats = npt.NDArray[np.float64]

RANGES: dict[str, tuple[float, float]] = {
    "compute": (0.4, 0.7),
    "memory": (0.6, 0.85),
    "overhead_s": (0.001, 0.005),
}
"""What efficiencies are commonly measured to be; the corners that claims must hold in."""

LEAST_PASS_S = 0.0002
"""No pass of a draft, however small, is launched faster: an assumption."""

LOOKUP_S = 0.0001
"""To look a continuation up in the text: an assumption."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """Step times of the target and what was reached on its GPUs, one for every model of them.

    Attributes:
        deployments: the first is the central one.
        fitted: to measured steps; None for the roofline's ranges.
    """

    deployments: tuple[Deployment, ...]
    fitted: Fitted | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Costs:
    """Seconds by model of step times (V), depth (K + 1) and batch (B).

    Attributes:
        batches: (B,).
        plain: (V, B) of a step without speculation.
        verify: (V, K + 1, B) of the target over all candidates.
        draft: (V, K + 1, B) of all passes of the draft.
        reject: of every step that speculates.
    """

    batches: Floats
    plain: Floats
    verify: Floats
    draft: Floats
    reject: float

    @property
    def step(self) -> Floats:
        """(V, K + 1, B) of a whole step; depth 0 is plain decoding."""
        whole = self.verify + self.draft + self.reject
        whole[:, 0, :] = self.plain
        return whole

    @property
    def needed(self) -> Floats:
        """(V, K + 1, B) tokens per step below which it is slower than plain decoding."""
        return self.step / self.plain[:, None, :]


def step_models(machine: Machine) -> Steps:
    """The step times that are possible: one fitted to measurements, or the corners of ranges."""
    given = machine.deployment
    if machine.measured is not None:
        fitted = fit_roofline(machine.measured, machine.target, machine.gpu, given)
        return Steps(deployments=(replace(given, efficiency=_reached(fitted, machine)),),
                     fitted=fitted)  # fmt: skip
    corners = [
        replace(
            given, efficiency=replace(given.efficiency, **dict(zip(RANGES, corner, strict=True)))
        )
        for corner in product(*RANGES.values())
    ]
    return Steps(deployments=(given, *corners))


def step_costs(
    machine: Machine, draft: Draft, steps: Steps, offered: Floats, batches: Floats
) -> Costs:
    """What every depth costs at every batch.

    Args:
        machine: what serves the target.
        draft: how candidates come.
        steps: step times that are possible.
        offered: (K,) share of steps in which a position is drafted: 1 for all but n-grams.
        batches: (B,) sizes to look at.
    """
    every = [_costs(machine, draft, layout, offered, batches) for layout in steps.deployments]
    plain, verify, drafted = (np.stack(part) for part in zip(*every, strict=True))
    return Costs(
        batches=batches, plain=plain, verify=verify, draft=drafted, reject=machine.reject_s
    )


def _reached(fitted: Fitted, machine: Machine) -> Efficiency:
    """The efficiencies behind fitted coefficients."""
    given, c = machine.deployment, fitted.step.coefficients
    peak = given.tensor_parallel * machine.gpu.flops_at(given.compute_bits or given.weight_bits)
    band = given.tensor_parallel * machine.gpu.bandwidth_tbps * 1e12
    return replace(
        given.efficiency,
        compute=float(c[4] / peak),
        memory=float(c[5] / band),
        overhead_s=float(c[6]),
    )


def _costs(
    machine: Machine, draft: Draft, layout: Deployment, offered: Floats, batches: Floats
) -> tuple[Floats, Floats, Floats]:
    step = roofline(machine.target, machine.gpu, layout)
    context = machine.context
    plain = seconds(step, iteration.Load(decoding=batches, decode_context=batches * context))
    nodes = _nodes(draft, offered)
    verified = 1 + np.concatenate([[0.0], np.cumsum(nodes)])
    verify = np.stack([_chunk(step, batches, count, context) for count in verified])
    passes = _passes(machine, draft, layout, nodes, batches)
    hops = machine.hops_s
    return plain + hops, verify + hops, passes


def _nodes(draft: Draft, offered: Floats) -> Floats:
    """(K,) candidates that every level adds."""
    levels = np.ones(len(offered))
    levels[: len(draft.levels)] = draft.levels[: len(offered)]
    return levels * offered


def _chunk(step: StepTime, batches: Floats, count: float, context: float) -> Floats:
    """Seconds of a step in which each sequence brings so many tokens."""
    new = batches * count
    load = iteration.Load(
        chunks=batches,
        new_tokens=new,
        new_pairs=new * (context + count / 2),
        new_context=batches * context,
    )
    return seconds(step, load)


def _passes(
    machine: Machine, draft: Draft, layout: Deployment, nodes: Floats, batches: Floats
) -> Floats:
    """(K + 1, B) seconds of drafting: nothing at depth 0."""
    depth = len(nodes)
    if draft.kind == "ngram":
        once = np.full(len(batches), LOOKUP_S if draft.pass_s is None else draft.pass_s)
        return np.stack([np.zeros(len(batches)), *[once] * depth])
    # A pass extends the candidates of the level before it; the first extends the last token.
    width = np.concatenate([[1.0], nodes[:-1]])
    each = np.stack([_pass(machine, draft, layout, count, batches) for count in width])
    if draft.kind == "parallel":
        each[1:] = 0.0
    return np.vstack([np.zeros(len(batches)), np.cumsum(each, axis=0)])


def _pass(
    machine: Machine, draft: Draft, layout: Deployment, width: float, batches: Floats
) -> Floats:
    if draft.pass_s is not None or draft.shape is None:
        return np.full(len(batches), draft.pass_s or 0.0)
    # Launching is paid per layer, so a draft of few layers has little of the overhead.
    share = draft.shape.layers / machine.target.layers
    overhead = max(layout.efficiency.overhead_s * share, LEAST_PASS_S)
    reached = replace(layout.efficiency, overhead_s=overhead)
    own = replace(layout, weight_bits=16, compute_bits=16, efficiency=reached)
    return _chunk(roofline(draft.shape, machine.gpu, own), batches, width, machine.context)
