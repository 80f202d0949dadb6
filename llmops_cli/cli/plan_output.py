"""Where a plan goes: a file or stdout, which a report may not share."""

from pathlib import Path

from llmops_cli.cli.options import Shared, check_writable
from llmops_cli.cli.show import STDOUT, write_atomically, write_stdout
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["check_output", "write_plan"]


def check_output(output: Path | None, shared: Shared) -> None:
    """Refuse a place where the plan cannot be written, before the work.

    Raises:
        LlmopsError: ``output-twice``, ``output-unwritable``.
    """
    if output == STDOUT and any(item.path is None for item in shared.destinations):
        raise LlmopsError(
            "output-twice",
            "the plan and the report cannot both go to stdout",
            hint="add -q, or write the plan to a file",
            exit_code=ExitCode.USAGE,
        )
    if output is not None and output != STDOUT:
        check_writable(output)


def write_plan(output: Path | None, document: str) -> None:
    """Write the plan where that was asked.

    Raises:
        LlmopsError: ``output-unwritable``.
    """
    if output == STDOUT:
        write_stdout(document)
    elif output is not None:
        write_atomically(output, document)
