"""What the options of simulate-tiers mean: floors, columns, other policies."""

from typing import TYPE_CHECKING

from llmops_cli.cli.logs import Logs
from llmops_cli.cli.simulate_tiers_input import option_twice
from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from llmops_cli.tiers import CompareParameters
    from llmops_cli.traffic.outcomes import OutcomeColumns

__all__ = ["columns_of", "compare_of", "floors_of", "names_of"]


def floors_of(given: list[str] | None) -> tuple[float | None, tuple[tuple[str, float], ...]]:
    """The floor of every class, and those of named ones.

    Raises:
        LlmopsError: ``tiers-bad-floor``, ``option-twice``.
    """
    found = dict[str, float]()
    for text in given or ():
        task, mark, share = text.rpartition("=")
        try:
            value = float(share)
        except ValueError:
            raise LlmopsError(
                "tiers-bad-floor",
                f"'{text}' is no share of the reference's quality",
                hint="--class-floor 0.95, or --class-floor summarise=0.98",
                exit_code=ExitCode.USAGE,
            ) from None
        task = task if mark else ""
        if task in found:
            raise option_twice("--class-floor", task)
        found[task] = value
    return found.pop("", None), tuple(found.items())


def columns_of(
    logs: Logs,
    models: tuple[str, ...],
    scores: tuple[str, ...],
    quality_range: str,
    flags: tuple[bool, bool],
) -> "OutcomeColumns":
    """What the options say of the columns.

    Raises:
        LlmopsError: ``tiers-bad-range``.
    """
    from llmops_cli.traffic.outcomes import OutcomeColumns

    try:
        low, high = (float(part) for part in quality_range.split(","))
        rising = low < high
    except ValueError:
        low, high, rising = 0.0, 1.0, False
    if not rising:
        raise LlmopsError(
            "tiers-bad-range",
            f"'{quality_range}' is not a worst and a best quality",
            hint="--quality-range 1,10",
            exit_code=ExitCode.USAGE,
        )
    text, file = flags
    return OutcomeColumns(
        names=_ours(logs), models=models, scores=scores, quality_range=(low, high),
        keep_text=text, task_of_file=file,
    )  # fmt: skip


def _ours(logs: Logs) -> dict[str, str]:
    """The mapping by our names, whichever of a column's known names the user took."""
    from llmops_cli.traffic.outcome_columns import NAMES, PER_MODEL

    spelt = {name: ours for group in (NAMES, PER_MODEL) for ours in group for name in group[ours]}
    return {spelt.get(column, column): field for column, field in logs.mapping}


def compare_of(
    router: list[str] | None,
    cascade: list[str] | None,
    score: list[str] | None,
    judge: tuple[str, float, float],
) -> "CompareParameters":
    """What the options ask to hold beside the plan.

    Raises:
        LlmopsError: ``tiers-judge-without-cascade``, ``tiers-bad-judge``.
    """
    from llmops_cli.tiers import CompareParameters

    name, usd, seconds = judge
    if (name or usd or seconds) and not cascade:
        raise LlmopsError(
            "tiers-judge-without-cascade",
            "verdicts decide how far a cascade goes, and no cascade is asked for",
            hint="add --cascade small,large; a score that a router logged is --score COLUMN",
            exit_code=ExitCode.USAGE,
        )
    return CompareParameters(
        routers=tuple(router or ()),
        cascades=tuple(names_of(text) for text in cascade or ()),
        external=tuple(score or ()),
        judge=name,
        judge_cost_usd=usd,
        judge_latency_s=seconds,
    )


def names_of(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
