"""Options of plan-rollout that choose the boundaries it decides by."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmops_cli.cli.options import GROUPS, Group

if TYPE_CHECKING:
    from llmops_cli.rollout.boundary_choice import Boundaries

__all__ = ["Spending"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """The options as given."""

    harm_boundary: Any
    harm_looks: int
    benefit_boundary: Any
    benefit_looks: int

    def boundaries(self) -> "Boundaries":
        """The boundaries they ask for.

        Raises:
            LlmopsError: ``rollout-bad-harm-boundary`` and the like.
        """
        from llmops_cli.rollout.boundary_choice import Boundaries

        return Boundaries(
            harm=self.harm_boundary,
            harm_looks=self.harm_looks,
            benefit=self.benefit_boundary,
            benefit_looks=self.benefit_looks,
        )


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "harm_boundary": (
        Annotated[
            str,
            typer.Option(
                "--harm-boundary",
                metavar="mixture|pocock",
                help="Mixture: at every look. Pocock: risk spent over a few.",
            ),
        ],
        "mixture",
    ),
    "harm_looks": (
        Annotated[int, typer.Option("--harm-looks", help="Of a stage, for Pocock's.")],
        20,
    ),
    "benefit_boundary": (
        Annotated[
            str,
            typer.Option(
                "--benefit-boundary",
                metavar="fixed|obrien-fleming|pocock",
                help="Fixed: a stage goes on at its end. The others: it may end early.",
            ),
        ],
        "fixed",
    ),
    "benefit_looks": (
        Annotated[int, typer.Option("--benefit-looks", help="Of a stage, for the others.")],
        4,
    ),
}


def _parse(raw: dict[str, Any]) -> Spending:
    return Spending(**raw)


GROUPS["spending"] = Group(_OPTIONS, _parse)
