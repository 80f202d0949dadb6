"""What plan-rollout writes for others: its plan, or one that is given, as their manifests."""

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from llmops_cli.cli.options import Shared
from llmops_cli.cli.show import say, write_atomically
from llmops_cli.cli.simulate_rollout import read_plan
from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from llmops_cli.rollout.model import Plan

__all__ = ["export_known", "write_exports"]


def write_exports(plan: "Plan", exports: dict[str, Path], shared: Shared) -> None:
    """Write each file; what its target cannot express is said on stderr."""
    from llmops_cli.exports import ROLLOUT_EXPORTS

    for name, path in exports.items():
        export = ROLLOUT_EXPORTS[name](plan)
        write_atomically(path, export.text)
        for warning in export.warnings:
            say(shared, f"llmops: warning[export-{name}]: {path}: {warning}")


def export_known(
    path: Path, exports: dict[str, Path], shared: Shared, *, asked_more: bool
) -> NoReturn:
    """Export a plan that is there already, and exit.

    Args:
        path: of the plan.
        exports: files by the name of the export.
        shared: whether to be quiet.
        asked_more: whether anything was given that only a new plan could heed.

    Raises:
        LlmopsError: ``rollout-not-with-plan``, ``export-missing``, and those of reading a plan.
    """
    if asked_more:
        raise LlmopsError(
            "rollout-not-with-plan",
            "logs, -o and what a plan is asked cannot stand beside --plan: it is made already",
            hint="leave --plan out to make a new plan",
            exit_code=ExitCode.USAGE,
        )
    if not exports:
        raise LlmopsError(
            "export-missing",
            "--plan is there to be exported, and no --export says as what",
            hint="--export argo=rollout.yaml",
            exit_code=ExitCode.USAGE,
        )
    write_exports(read_plan(path), exports, shared)
    raise typer.Exit(ExitCode.OK)
