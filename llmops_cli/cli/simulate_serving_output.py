"""What simulate-serving writes beside its report: events as Parquet, a trace for Perfetto."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_cli.cli.options import Shared, check_writable
from llmops_cli.cli.show import atomic_path, write_atomically
from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from llmops_cli.serving.comparison import Played

__all__ = ["check_outputs", "write_outputs"]

Outputs = tuple[Path | None, Path | None]


def check_outputs(outputs: Outputs, shared: Shared) -> None:
    """Refuse, before any work, what cannot be written, or would be written twice.

    Raises:
        LlmopsError: ``output-unwritable``, ``output-twice``.
    """
    paths = [path for path in outputs if path is not None]
    for path in paths:
        check_writable(path)
    every = [path.resolve() for path in paths]
    every += [item.path.resolve() for item in shared.destinations if item.path is not None]
    if len(set(every)) < len(every):
        raise LlmopsError(
            "output-twice",
            "two outputs are to be written to the same file",
            hint="give each a path of its own",
            exit_code=ExitCode.USAGE,
        )


def write_outputs(played: "Sequence[Played]", outputs: Outputs) -> None:
    """Write the events and the trace, where they are asked for.

    Raises:
        LlmopsError: ``output-unwritable``.
    """
    events, perfetto = outputs
    if events is not None:
        import pyarrow.parquet as pq

        from llmops_cli.serving.event_table import event_table

        with atomic_path(events) as temporary:
            pq.write_table(event_table(played), temporary, compression="zstd")
    if perfetto is not None:
        from llmops_cli.serving.perfetto import chrome_trace

        write_atomically(perfetto, json.dumps(chrome_trace(played), separators=(",", ":")))
