"""What simulate-tiers writes: the plan, its exports, the report."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from llmops_cli.cli.options import Shared
from llmops_cli.cli.plan_output import write_plan
from llmops_cli.cli.show import finish, write_atomically
from llmops_cli.cli.simulate_tiers_input import Read
from llmops_cli.cli.simulate_tiers_quiet import quiet_stdout
from llmops_cli.cli.text_file import text_of
from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from llmops_cli.tiers import CompareParameters, TierParameters

__all__ = ["check_alone", "hold_plan", "make_plan"]


def make_plan(
    read: Read,
    given: "TierParameters",
    compare: "CompareParameters",
    dates: tuple[date, int],
    to: tuple[Path | None, dict[str, Path]],
    shared: Shared,
) -> NoReturn:
    """Make a plan, write it where that is asked, show the report and exit."""
    from llmops_cli.exports import EXPORTS
    from llmops_cli.tiers.plan_making import tier_plan
    from llmops_cli.tiers.plan_yaml import to_yaml
    from llmops_cli.tiers.report import report
    from llmops_cli.tiers.simulation import simulate

    with quiet_stdout():
        found = simulate(read.outcomes, given, compare)
    shown = report(found, given, inputs=read.files, findings=read.findings)
    output, exports = to
    if output is not None or exports:
        plan = tier_plan(
            found.cells, found.plan, (found.own, found.expected), found.steady, given, dates
        )
        for name, path in exports.items():
            write_atomically(path, EXPORTS[name](plan))
        write_plan(output, to_yaml(plan))
    finish(shown, shared)


def hold_plan(
    path: Path, read: Read, given: "TierParameters", day: date, shared: Shared
) -> NoReturn:
    """Hold a plan against what was read, show the report and exit."""
    from llmops_cli.tiers.plan_check import check_plan
    from llmops_cli.tiers.plan_yaml import from_yaml

    hint = "write one with: llmops simulate-tiers OUTCOMES -o plan.yaml"
    text = text_of(path, "plan-unreadable", "the plan", hint=hint, exit_code=ExitCode.USAGE)
    plan = from_yaml(text, source=str(path))
    report = check_plan(
        read.outcomes, plan, given, day, inputs=(*read.files, str(path)), findings=read.findings
    )
    finish(report, shared)


def check_alone(given: "TierParameters", *, written: bool) -> None:
    """Refuse what a plan that is only held against new rows cannot heed.

    Raises:
        LlmopsError: ``tiers-not-with-plan``.
    """
    own = {
        "--floor": given.floor, "--class-floor": given.class_floor or given.class_floors or None,
        "--budget": given.budget_usd, "--max-p95": given.max_p95_s,
        "--capacity": given.capacity or None, "--max-providers": given.max_providers,
        "--fractional": given.fractional or None, "--reference": given.reference or None,
        "-o or --export": written or None,
    }  # fmt: skip
    asked = [name for name, value in own.items() if value is not None]
    if asked:
        raise LlmopsError(
            "tiers-not-with-plan",
            f"{', '.join(asked)} cannot stand beside --plan: the plan says that itself",
            hint="leave --plan out to make a new plan",
            exit_code=ExitCode.USAGE,
        )
