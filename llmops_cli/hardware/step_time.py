"""How long one iteration of a serving engine takes, as coefficients a compiled loop can evaluate.

Three forms: a roofline of a model on a GPU, a polynomial in tokens and memory in use, and a plane
fitted to measured steps. Seconds throughout.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["StepForm", "StepTime"]


class StepForm(IntEnum):
    """How the coefficients are read."""

    ROOFLINE = 0
    """max(FLOPs / rate, bytes / rate) + overhead + all-reduce. Coefficients: FLOPs per token,
    attention FLOPs per token and token of context, weight bytes, KV bytes per token of context,
    FLOPs per second, bytes per second, overhead, all-reduce per token, all-reduce per iteration,
    bytes of routed experts, share of experts one token visits (both 0 for a dense model; T tokens
    read ``expert bytes * (1 - (1 - share)^T)`` on top of the weight bytes).
    """

    POLYNOMIAL = 1
    """Prefill: a T^2 + b T + c of T new tokens, where there are any; decode: max(least,
    d u^2 + e u + f) of the share u of KV memory in use, where anything decodes; the two add.
    Coefficients: a, b, c, d, e, f, least.
    """

    AFFINE = 2
    """intercept + per prefill token + per prefill token and token of context + per decoding
    sequence + per token of decode context. Coefficients in that order.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class StepTime:
    """A step-time model by name, with where it comes from.

    Attributes:
        name: what a report calls it.
        form: how ``coefficients`` are read.
        coefficients: float64, in the order of :class:`StepForm`.
        source: publication, data sheet or file behind the figures.
    """

    name: str
    form: StepForm
    coefficients: "NDArray[np.float64]"
    source: str
