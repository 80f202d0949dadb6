"""Azure's inference traces: arrival, prompt and answer lengths, nothing about what is shared.

Source: Azure/AzurePublicDataset (Patel et al., ISCA 2024; Stojkovic et al., HPCA 2025).
"""

from datetime import UTC, datetime

from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.request_traces.columns import Columns, count
from llmops_cli.traffic.request_traces.staging import Staged

__all__ = ["COLUMNS", "NAME", "stage"]

NAME = "azure"
COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


def stage(row: Columns, number: int, into: Staged) -> None:
    """Keep a row.

    Raises:
        RowError: ``calls-bad-time``, ``trace-bad-length`` and those of :meth:`Staged.add`.
    """
    tokens = count(row, "ContextTokens"), count(row, "GeneratedTokens")
    into.add(number, _seconds(row["TIMESTAMP"]), tokens, names=COLUMNS)


def _seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise RowError("calls-bad-time", "not a time: ISO 8601 is expected", "TIMESTAMP") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
