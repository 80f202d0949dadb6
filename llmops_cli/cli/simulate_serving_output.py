"""What simulate-serving writes beside its report: events as Parquet, a trace for Perfetto."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_cli.cli.options import check_writable
from llmops_cli.cli.show import atomic_path, write_atomically

if TYPE_CHECKING:
    from llmops_cli.serving.comparison import Played

__all__ = ["check_outputs", "write_outputs"]

Outputs = tuple[Path | None, Path | None]


def check_outputs(outputs: Outputs) -> None:
    """Refuse, before any work, what cannot be written.

    Raises:
        LlmopsError: ``output-unwritable``.
    """
    for path in outputs:
        if path is not None:
            check_writable(path)


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
