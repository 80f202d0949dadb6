"""BurstGPT's traces: seconds since the start, lengths, and in newer files the session.

A row without response tokens is a request that failed; the authors publish the files without
those rows as well. Source: HPMLL/BurstGPT (Wang et al., KDD 2025).
"""

from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.request_traces.columns import Columns, count
from llmops_cli.traffic.request_traces.staging import Staged

__all__ = ["COLUMNS", "NAME", "stage"]

NAME = "burstgpt"
COLUMNS = ("Timestamp", "Request tokens", "Response tokens")

_SESSION = "Session ID"


def stage(row: Columns, number: int, into: Staged) -> None:
    """Keep a row.

    Raises:
        RowError: ``trace-bad-time``, ``trace-bad-length`` and those of :meth:`Staged.add`.
    """
    tokens = count(row, "Request tokens"), count(row, "Response tokens")
    session = row.get(_SESSION) or None
    into.add(number, _seconds(row["Timestamp"]), tokens, session=session, names=COLUMNS)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RowError(
            "trace-bad-time", "not a time: seconds since the start are expected", "Timestamp"
        ) from None
