"""Options of plan-rollout for the steps beyond its stages: a shadow stage, and an A/B stage."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from llmops_cli.cli.options import GROUPS, Group

__all__ = ["Steps"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """The options as given."""

    shadow: float | None
    shadow_quality: bool
    ab_stage: float | None
    ab_goal: str
    ab_gain: float | None


def _number(name: str, metavar: str, what: str) -> typer.models.OptionInfo:
    return typer.Option(f"--{name}", metavar=metavar, help=what, show_default=False)


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "shadow": (
        Annotated[
            float | None,
            _number("shadow", "PERCENT", "First copy so many requests to it; nobody sees answers."),
        ],
        None,
    ),
    "shadow_quality": (
        Annotated[
            bool, typer.Option("--shadow-quality", help="A judge scores the answers of that stage.")
        ],
        False,
    ),
    "ab_stage": (
        Annotated[
            float | None,
            _number("ab-stage", "PERCENT", "The stage that goes on only with a shown gain."),
        ],
        None,
    ),
    "ab_goal": (
        Annotated[str, typer.Option("--ab-goal", help="In what: quality, errors, latency, cost.")],
        "quality",
    ),
    "ab_gain": (
        Annotated[
            float | None, _number("ab-gain", "X", "How much, in points or as a share of the cost.")
        ],
        None,
    ),
}


def _parse(raw: dict[str, Any]) -> Steps:
    return Steps(**raw)


GROUPS["steps"] = Group(_OPTIONS, _parse)
