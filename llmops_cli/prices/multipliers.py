"""The declared rule of each family of models: cached tokens in units of fresh input."""

import re
from dataclasses import dataclass
from datetime import date
from functools import cache

from llmops_cli.yaml_text import shipped_yaml

__all__ = ["Multiplier", "multiplier_for", "multipliers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiplier:
    """One row of ``multipliers.yaml``; None for a class that has no price by rule."""

    provider: str
    models: str
    source: str
    checked_on: date
    since: date = date.min
    until: date = date.max
    read: float | None = None
    write_5m: float | None = None
    write_1h: float | None = None

    def covers(self, model: str, provider: str, on: date) -> bool:
        """Whether the row speaks about this model of this provider on this day."""
        return (
            provider == self.provider
            and self.since <= on < self.until
            and re.search(self.models, model.lower()) is not None
        )

    def of_class(self, name: str) -> float | None:
        """The multiple of a class of ``CLASSES``; None for input and output."""
        return {
            "cache_read": self.read,
            "cache_write_5m": self.write_5m,
            "cache_write_1h": self.write_1h,
        }.get(name)


@cache
def multipliers() -> tuple[Multiplier, ...]:
    """Every row of the shipped file, in file order."""
    return tuple(
        Multiplier(**{("since" if key == "from" else key): value for key, value in row.items()})
        for row in shipped_yaml("prices", "multipliers.yaml")
    )


def multiplier_for(model: str, provider: str, on: date) -> Multiplier | None:
    """The row that holds, or None where nobody declares a rule."""
    return next((row for row in multipliers() if row.covers(model, provider, on)), None)
