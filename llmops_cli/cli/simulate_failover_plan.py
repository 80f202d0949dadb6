"""What simulate-failover writes and reads of plans: the plan itself, and its exports."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from llmops_cli.cli.options import Shared
from llmops_cli.cli.show import STDOUT, say, write_atomically, write_stdout
from llmops_cli.cli.text_file import text_of
from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from llmops_cli.failover.model import FailoverParameters, FailoverPlan
    from llmops_cli.failover.plan import PlanDocument
    from llmops_cli.failover.simulation import Simulation

__all__ = ["Outputs", "check_alone", "export_plan", "read_failover_plan", "write_plan"]


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where a plan goes.

    Attributes:
        plan: its document; None for nowhere.
        exports: files by the name of the export.
    """

    plan: Path | None
    exports: dict[str, Path]


def read_failover_plan(path: Path) -> "PlanDocument":
    """A plan that simulate-failover wrote.

    Raises:
        LlmopsError: ``plan-unreadable``, and those of
            :func:`llmops_cli.failover.plan_yaml.from_yaml`.
    """
    from llmops_cli.failover.plan_yaml import from_yaml

    hint = "write one with: llmops simulate-failover LOG --pool POOL -o plan.yaml"
    text = text_of(path, "plan-unreadable", "the plan", hint=hint, exit_code=ExitCode.USAGE)
    return from_yaml(text, source=str(path))


def write_plan(
    found: "Simulation", given: "FailoverParameters", outputs: Outputs, shared: Shared
) -> None:
    """Write the plan and its exports, where that is asked; say whether it is within the gates.

    Raises:
        LlmopsError: those of :func:`llmops_cli.failover.plan_making.plan_document`.
    """
    from llmops_cli.failover.figures import figures
    from llmops_cli.failover.plan_making import chosen_plan, plan_document
    from llmops_cli.failover.plan_yaml import to_yaml
    from llmops_cli.failover.ranking import best, holds

    if outputs.plan is None and not outputs.exports:
        return
    known = tuple(figures(found, result) for result in found.results)
    document = plan_document(found, known, given) if outputs.plan is not None else None
    chosen = chosen_plan(found, known, given)
    if not holds(known[best(found, known, given)], given):
        words = "no chain is within every gate; the plan is the one that comes next"
        one = "the plan is not within every gate"
        say(shared, f"llmops: warning[plan-outside-gates]: {words if given.search else one}")
    _export(chosen, outputs.exports, shared)
    if document is not None and outputs.plan is not None:
        if outputs.plan == STDOUT:
            write_stdout(to_yaml(document))
        else:
            write_atomically(outputs.plan, to_yaml(document))


def export_plan(path: Path, outputs: Outputs, shared: Shared) -> NoReturn:
    """Export a plan that is there already, and exit.

    Raises:
        LlmopsError: ``export-missing``, and those of reading a plan.
    """
    if not outputs.exports:
        raise LlmopsError(
            "export-missing",
            "--plan is there to be held against logs or exported, and neither is given",
            hint="llmops simulate-failover LOG --plan PLAN, or --export litellm=router.yaml",
            exit_code=ExitCode.USAGE,
        )
    _export(read_failover_plan(path).plan, outputs.exports, shared)
    raise typer.Exit(ExitCode.OK)


def check_alone(new: Mapping[str, object], outputs: Outputs, *, logs_given: bool) -> None:
    """Refuse what a plan that is there already cannot heed.

    Args:
        new: what only a new plan could heed, by the name of its option.
        outputs: where plans go.
        logs_given: whether it is held against logs; else it is exported.

    Raises:
        LlmopsError: ``failover-not-with-plan``.
    """
    written = {
        "-o": outputs.plan is not None,
        "--export beside logs": logs_given and outputs.exports,
    }
    own = {**new, **written}
    asked = [name for name, value in own.items() if value]
    if asked:
        raise LlmopsError(
            "failover-not-with-plan",
            f"{', '.join(asked)} cannot stand beside --plan: the plan says that itself",
            hint="leave --plan out to make a new plan",
            exit_code=ExitCode.USAGE,
        )


def _export(plan: "FailoverPlan", exports: Mapping[str, Path], shared: Shared) -> None:
    from llmops_cli.exports import FAILOVER_EXPORTS

    for name, path in exports.items():
        written = FAILOVER_EXPORTS[name](plan)
        write_atomically(path, written.text)
        for warning in written.warnings:
            say(shared, f"llmops: warning[export-{name}]: {path}: {warning}")
