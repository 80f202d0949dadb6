"""Our reviewed price rows (``overlay.yaml``): which of them speak about a model on a day."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from llmops_cli.yaml_text import shipped_yaml

__all__ = ["OverlayRow", "overlay_rows", "rows_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayRow:
    """One row: a fixed price, a multiple of base input, or a multiple of the standard price."""

    class_name: str
    models: str
    source: str
    checked_on: date
    always: bool
    service_tier: str = "standard"
    provider: str = ""
    since: date = date.min
    until: date = date.max
    usd_per_mtok: float | None = None
    times_input: float | None = None
    times_standard: float | None = None

    def covers(self, model: str, provider: str, on: date) -> bool:
        """Whether the row speaks about this model, sold by this provider, on this day."""
        return (
            self.since <= on < self.until
            and self.provider in {"", provider}
            and re.search(self.models, model.lower()) is not None
        )

    def price(self, standard: float | None, base_input: float | None) -> float | None:
        """USD per million tokens by this row, None when what it multiplies has no price."""
        if self.usd_per_mtok is not None:
            return self.usd_per_mtok
        if self.times_input is not None:
            return None if base_input is None else self.times_input * base_input
        factor = self.times_standard
        return None if standard is None or factor is None else factor * standard


@cache
def overlay_rows() -> tuple[OverlayRow, ...]:
    """Every row of the shipped file, in file order."""
    return tuple(_row(item) for item in shipped_yaml("prices", "overlay.yaml"))


def rows_for(
    model: str, provider: str, on: date, *, service_tier: str = "standard"
) -> Iterable[OverlayRow]:
    """The rows that hold for a model on a day in one service tier."""
    return (
        row
        for row in overlay_rows()
        if row.service_tier == service_tier and row.covers(model, provider, on)
    )


def _row(item: dict[str, Any]) -> OverlayRow:
    given = dict(item)
    given["class_name"] = given.pop("class")
    given["always"] = given.pop("when") == "always"
    if "from" in given:
        given["since"] = given.pop("from")
    return OverlayRow(**given)
