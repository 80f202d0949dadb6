"""Options of plan-rollout that say what happens where the evidence does not decide."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmops_cli.cli.options import GROUPS, Group
from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from llmops_cli.rollout.policy import Policy

__all__ = ["Undecided"]

_HOUR_S, _DAY_S = 3600.0, 86_400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Undecided:
    """The options as given."""

    max_stage_days: str | None
    at_maximum: Any
    no_data: Any
    no_data_hours: float
    consecutive_looks: int
    on_harm: Any
    watch_days: float

    def policy(self) -> "Policy":
        """The policy they ask for.

        Raises:
            LlmopsError: ``rollout-bad-at-maximum`` and the like.
        """
        from llmops_cli.rollout.policy import Policy

        return Policy(
            at_maximum=self.at_maximum,
            no_data=self.no_data,
            no_data_after_s=_HOUR_S * self.no_data_hours,
            consecutive_looks=self.consecutive_looks,
            on_harm=self.on_harm,
            watch_s=_DAY_S * self.watch_days,
        )

    def maxima_s(self) -> tuple[float, ...]:
        """The longest that stages may last: one for all of them, or one for each; none for none.

        Raises:
            LlmopsError: ``rollout-bad-max-stage-days``.
        """
        if self.max_stage_days is None:
            return ()
        try:
            return tuple(_DAY_S * float(item) for item in self.max_stage_days.split(","))
        except ValueError:
            raise LlmopsError(
                "rollout-bad-max-stage-days",
                "--max-stage-days is neither a number nor a list of them",
                hint="7, or one for each stage: 7,7,3,3,2",
                exit_code=ExitCode.USAGE,
            ) from None


def _choice(name: str, metavar: str, what: str) -> typer.models.OptionInfo:
    return typer.Option(f"--{name}", metavar=metavar, help=what)


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "max_stage_days": (
        Annotated[
            str | None,
            typer.Option(
                "--max-stage-days",
                metavar="DAYS",
                help="No stage may last longer; a list for one each.",
                show_default=False,
            ),
        ],
        None,
    ),
    "at_maximum": (
        Annotated[
            str,
            _choice("at-maximum", "hold|extend|abort", "When a stage has lasted --max-stage-days."),
        ],
        "hold",
    ),
    "no_data": (
        Annotated[
            str, _choice("no-data", "hold|rollback", "When the new version is silent for long.")
        ],
        "hold",
    ),
    "no_data_hours": (
        Annotated[float, typer.Option("--no-data-hours", help="How long that is.")],
        24.0,
    ),
    "consecutive_looks": (
        Annotated[
            int, typer.Option("--consecutive-looks", help="Looks in a row that must find harm.")
        ],
        1,
    ),
    "on_harm": (
        Annotated[
            str, _choice("on-harm", "rollback|pause", "Go back by itself, or leave it to a person.")
        ],
        "rollback",
    ),
    "watch_days": (
        Annotated[
            float, typer.Option("--watch-days", help="Look for harm so long after 100 % is good.")
        ],
        0.0,
    ),
}


def _parse(raw: dict[str, Any]) -> Undecided:
    return Undecided(**raw)


GROUPS["undecided"] = Group(_OPTIONS, _parse)
