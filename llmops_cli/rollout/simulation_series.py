"""The curves of a rehearsal: who has met each change when it ends, and how soon it goes back."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from llmops_cli.report import Series
from llmops_cli.rollout.changes import Change
from llmops_cli.rollout.rehearsal import OWN, WENT_BACK
from llmops_cli.rollout.simulation import Played, Simulation

__all__ = ["simulation_series"]

_SHARES, _MOMENTS = 21, 25

Floats = npt.NDArray[np.float64]


def simulation_series(found: Simulation) -> Iterator[Series]:
    """Distributions of requests and users exposed to harmful changes, and of the way back."""
    for item in found.played[1:]:
        yield _exposure(item, "requests", item.outcomes[OWN].exposed)
    for item in found.played[1:] if found.unit else ():
        yield _exposure(item, "users", item.users[OWN][item.outcomes[OWN].look])
    for item in found.played:
        yield _gone_back(item, found)


def _exposure(item: Played, what: str, exposed: Floats) -> Series:
    shares = np.linspace(0, 1, _SHARES)
    return Series(
        name=f"exposed_{what}_{_slug(item.change)}",
        title=item.change.name,
        x_label="share of rollouts",
        y_label=f"{what} exposed, at most",
        x=tuple(shares.tolist()),
        y=tuple(np.quantile(exposed, shares).tolist()),
        chart=f"{what.capitalize()} exposed before it ends",
    )


def _gone_back(item: Played, found: Simulation) -> Series:
    own = item.outcomes[OWN]
    looks = np.linspace(0, found.schedule.looks, _MOMENTS)
    back = np.sort(own.took[own.ending == WENT_BACK])
    return Series(
        name=f"gone_back_{_slug(item.change)}",
        title=item.change.name,
        x_label="days since the start",
        y_label="share of rollouts gone back",
        x=tuple((looks * found.schedule.look_s / 86_400).tolist()),
        y=tuple((np.searchsorted(back, looks, side="right") / own.runs).tolist()),
        chart="Rollouts gone back so far",
    )


def _slug(change: Change) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in change.name)
