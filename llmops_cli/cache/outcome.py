"""What a policy bills, call by call: kept as small as it can be, for there are a dozen of them."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.spend import CallPrices

__all__ = ["Outcome"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Tokens and USD of each call by class under one policy.

    Attributes:
        billed: ``(calls, 4)`` input tokens by class, integers of any width.
        output: ``(calls,)`` output tokens.
        prices: of the calls.
        input_usd: all input spend.
        input_usd_by_class: ``(4,)`` of it.
        input_usd_by_call: ``(calls,)`` of it.
    """

    billed: Ints
    output: Ints
    prices: CallPrices
    input_usd: float = field(init=False)
    input_usd_by_class: Floats = field(init=False)
    input_usd_by_call: Floats = field(init=False)

    def __post_init__(self) -> None:
        """Sum up at once what is asked for again and again, and refuse what has no price.

        Raises:
            LlmopsError: ``price-class-missing``.
        """
        usd = self.usd[:, :4]
        object.__setattr__(self, "input_usd", float(usd.sum()))
        object.__setattr__(self, "input_usd_by_class", usd.sum(axis=0))
        object.__setattr__(self, "input_usd_by_call", usd.sum(axis=1))

    @property
    def tokens(self) -> Ints:
        """``(calls, 5)`` tokens by class."""
        return np.column_stack([self.billed, self.output])

    @property
    def usd(self) -> Floats:
        """``(calls, 5)`` USD by class, made anew each time: it is longer than all else."""
        return self.prices.usd(self.tokens)

    @property
    def input_tokens(self) -> int:
        """All input, cached or not."""
        return int(self.billed.sum(dtype=np.int64))
