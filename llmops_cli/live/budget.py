"""The dollar cap: what was spent, what calls in flight may still cost, whether one more fits."""

import asyncio

from llmops_cli.live.completions import Usage
from llmops_cli.live.estimates import Price

__all__ = ["Budget"]

_CRUMB_USD = 1e-9
"""Sums of floats are not exact; a billionth of a dollar is no overrun."""


class Budget:
    """Money for calls, reserved before they are sent at the most they can cost.

    Args:
        cap_usd: never exceeded; None for no cap.
        price: of tokens; None where nobody knows it: then nothing is counted.
        spent_usd: by earlier runs into the same files.
    """

    def __init__(
        self, cap_usd: float | None, price: Price | None, *, spent_usd: float = 0.0
    ) -> None:
        self.cap_usd = None if price is None else cap_usd
        self.priced = price is not None
        self._price = price
        self.spent_usd = spent_usd
        self._held_usd = 0.0
        self._changed = asyncio.Condition()

    def usd(self, usage: Usage) -> float:
        """What tokens cost; 0 where nobody knows."""
        return 0.0 if self._price is None else self._price(usage)

    async def reserve(self, usd: float) -> bool:
        """Hold money for one call, waiting while calls in flight may yet turn out cheaper.

        Returns:
            False when it does not fit and nothing is in flight that could make room.
        """
        async with self._changed:
            while not self._fits(usd):
                if self._held_usd <= _CRUMB_USD:
                    return False
                await self._changed.wait()
            self._held_usd += usd
            return True

    async def settle(self, reserved_usd: float, spent_usd: float) -> None:
        """Give a reservation back for what the call did cost."""
        async with self._changed:
            self._held_usd = max(self._held_usd - reserved_usd, 0.0)
            self.spent_usd += spent_usd
            self._changed.notify_all()

    def _fits(self, usd: float) -> bool:
        if self.cap_usd is None:
            return True
        return self.spent_usd + self._held_usd + usd <= self.cap_usd + _CRUMB_USD
