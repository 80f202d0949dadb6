"""Random numbers of the simulator, compiled: SplitMix64 of the seed and a counter.

The generator is Steele, Lea and Flood's (2014), whose n-th number needs no state but n.
"""

from typing import TYPE_CHECKING

import numpy as np

from llmops_cli.serving.compiled import compiled
from llmops_cli.serving.state import DRAWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["draw", "mixed"]

GOLDEN = 0x9E3779B97F4A7C15
FIRST = 0xBF58476D1CE4E5B9
SECOND = 0x94D049BB133111EB


def mixed(numbers: "NDArray[np.uint64]") -> "NDArray[np.uint64]":
    """Hashes of whole numbers, spread over all 64 bits."""
    z = (numbers + np.uint64(1)) * np.uint64(GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(SECOND)
    return z ^ (z >> np.uint64(31))


@compiled
def draw(counters: "NDArray[np.int64]", seed: "NDArray[np.uint64]", n: int) -> int:
    """The next random whole number below n."""
    counters[DRAWS] += 1
    z = seed[0] + np.uint64(counters[DRAWS]) * np.uint64(GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(SECOND)
    z = z ^ (z >> np.uint64(31))
    return int(np.int64(z % np.uint64(n)))
