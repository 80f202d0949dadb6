"""Uniform draws that depend on what they are for and on nothing else.

The same attempt of the same request meets the same luck under every policy, in whatever order
events come: differences between policies are then paired.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["CHOICE", "FAILURE", "JITTER", "LATENCY", "uniform", "uniforms"]

CHOICE, FAILURE, LATENCY, JITTER = range(4)
"""What a draw is for."""

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_SCALE = 2.0**-53


def uniform(seed: int, request: int, attempt: int, purpose: int) -> float:
    """A number in [0, 1).

    Args:
        seed: of the run.
        request: its number in the log.
        attempt: place of the deployment and number of the attempt there, or only one of them.
        purpose: one of the constants of this module.

    Source:
        Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014), its
        finaliser over a counter.
    """
    value = (seed * 0x2545F4914F6CDD1D + request * _GOLDEN + attempt * 8 + purpose + 1) & _MASK
    value = (value * _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((value ^ (value >> 31)) >> 11) * _SCALE


def uniforms(seed: int, things: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1) by what things are: the same thing has the same one.

    Args:
        seed: of the draw.
        things: ``(n,)`` numbers of them.

    Source:
        As :func:`uniform`.
    """
    value = things.astype(np.uint64) * np.uint64(_GOLDEN)
    value += np.uint64((seed * 0x2545F4914F6CDD1D) & _MASK)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = (value ^ (value >> np.uint64(shift))) * np.uint64(factor)
    mixed = (value ^ (value >> np.uint64(31))) >> np.uint64(11)
    return mixed.astype(np.float64) * _SCALE
