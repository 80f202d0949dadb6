"""THE request trace: when requests came, how long they were, and which blocks they share.

What the replay of a fleet needs of a log, as flat arrays: no text, no Python object per block.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["RequestTrace"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestTrace:
    """Requests in the order of their arrival.

    Attributes:
        arrival_s: float64, not falling, the first at 0.
        input_tokens: int64, at least 1.
        output_tokens: int64, at least 1.
        starts: int64, one more than requests: where each request's blocks begin in ``blocks``.
            All zero for a trace that records no blocks.
        blocks: int64, dense numbers from 0 of the distinct prefixes: two requests share a number
            where their prompts agree from the first token to the end of that block.
        block_tokens: tokens in a full block; 0 where the trace records no blocks. A request has
            as many blocks as its input fills, the last of them perhaps partly.
        session: int64, dense numbers from 0 of the conversations, or -1 where none is known.
        source: what a report names as its input.
        lines: int64, where each request stands in its file, for messages; None where there is
            no one file.
    """

    arrival_s: "NDArray[np.float64]"
    input_tokens: "NDArray[np.int64]"
    output_tokens: "NDArray[np.int64]"
    starts: "NDArray[np.int64]"
    blocks: "NDArray[np.int64]"
    block_tokens: int
    session: "NDArray[np.int64]"
    source: str = ""
    lines: "NDArray[np.int64] | None" = None

    def __len__(self) -> int:
        """How many requests."""
        return len(self.arrival_s)
