"""Plain text of our own making: sentences from a small vocabulary, drawn by a seeded generator."""

import numpy as np

__all__ = ["Writer"]

_SUBJECTS = [
    "order",
    "invoice",
    "parcel",
    "ticket",
    "account",
    "refund",
    "depot",
    "driver",
    "customer",
    "route",
]
_VERBS = [
    "checks",
    "moves",
    "holds",
    "splits",
    "closes",
    "reviews",
    "returns",
    "confirms",
    "delays",
    "releases",
]
_OBJECTS = [
    "shipment",
    "payment",
    "address",
    "claim",
    "window",
    "pallet",
    "receipt",
    "voucher",
    "label",
    "record",
]
_ENDS = [
    "today",
    "later",
    "twice",
    "abroad",
    "early",
    "again",
    "online",
    "locally",
    "weekly",
    "first",
]


class Writer:
    """Draws sentences of five words.

    Args:
        generator: where randomness comes from.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def sentences(self, count: int) -> str:
        """``count`` sentences of about 34 bytes each."""
        draws = self._generator.integers(0, 10, size=(count, 4))
        return " ".join(
            f"The {_SUBJECTS[a]} {_VERBS[b]} the {_OBJECTS[c]} {_ENDS[d]}."
            for a, b, c, d in draws.tolist()
        )
