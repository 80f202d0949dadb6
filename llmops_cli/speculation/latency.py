"""Time per token and its price, at a batch, with and without speculation."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.speculation.model import Machine
from llmops_cli.speculation.plan import DraftPlan

__all__ = ["Latency", "Range", "latency_at", "price_per_million", "typical_batch"]

Floats = npt.NDArray[np.float64]

_Z = 1.96
"""Of a 95 % interval by ranks."""


@dataclass(frozen=True, slots=True)
class Range:
    """A value and the ends between which it lies."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """Seconds per token at one batch.

    Attributes:
        plain: without speculation.
        mean: with it, over all tokens.
        p50: of requests, the middle one.
        p99: of requests, the slowest in a hundred.
        verify_share: of a speculating step that is verification.
        needed: tokens per step below which speculation loses.
    """

    plain: Range
    mean: Range
    p50: Range
    p99: Range
    verify_share: float
    needed: float


def latency_at(plan: DraftPlan, batch: int) -> Latency:
    """Time per token at a batch, drafting as deep as the plan says.

    Ends are at the best and the worst step times; of quantiles over requests by ranks as well.
    """
    at, depth = batch - 1, plan.depth
    step, plain = plan.costs.step[:, depth, at], plan.costs.plain[:, at]
    inside = plan.tokens.interval(depth)
    few, many = (inside.low, inside.high) if inside else (plan.tokens.value[depth],) * 2
    own = _own_tokens(plan, depth)
    return Latency(
        plain=_over(plain, (1.0, 1.0, 1.0)),
        mean=_over(step, (plan.tokens.value[depth], few, many)),
        p50=_over(step, _quantile(own, 0.5, sampled=inside is not None)),
        p99=_over(step, _quantile(own, 0.01, sampled=inside is not None)),
        verify_share=float(plan.costs.verify[0, depth, at] / step[0]),
        needed=float(plan.costs.needed[0, depth, at]),
    )


def price_per_million(machine: Machine, usd_per_hour: float, batch: int, tpot_s: float) -> float:
    """US dollars of a million tokens where a batch shares the GPUs.

    Args:
        machine: what serves the target.
        usd_per_hour: of one GPU.
        batch: sequences that decode together.
        tpot_s: seconds per token of each.
    """
    gpus = machine.deployment.tensor_parallel * machine.nodes
    return gpus * usd_per_hour / 3600 * tpot_s / batch * 1e6


def typical_batch(batches: tuple[int, ...], shares: tuple[float, ...]) -> int:
    """The batch that half of the time is at or below."""
    at = int(np.searchsorted(np.cumsum(shares), 0.5 - 1e-12))
    return batches[min(at, len(batches) - 1)]


def _own_tokens(plan: DraftPlan, depth: int) -> Floats:
    """(G,) tokens per step of each request as it was logged, cut to a depth."""
    seen = plan.seen
    return 1 + seen.accepted[:, :depth].sum(axis=1) / seen.steps


def _over(step: Floats, tokens: tuple[float, float, float]) -> Range:
    value, few, many = tokens
    return Range(float(step[0] / value), float(step.min() / many), float(step.max() / few))


def _quantile(values: Floats, share: float, *, sampled: bool) -> tuple[float, float, float]:
    """A quantile and its interval by ranks; an end beyond the sample is the sample's own."""
    rising, count = np.sort(values), len(values)
    middle = float(np.quantile(rising, share))
    if not sampled:
        return middle, middle, middle
    reach = _Z * np.sqrt(count * share * (1 - share))
    low = max(int(np.floor(count * share - reach)), 0)
    high = min(int(np.ceil(count * share + reach)), count - 1)
    return middle, float(rising[low]), float(rising[high])
