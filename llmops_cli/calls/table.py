"""The table itself: between Arrow and pandas, and the checks that a question makes of it."""

from typing import TYPE_CHECKING, Annotated

import numpy as np
import pyarrow as pa

from llmops_cli.calls.columns import COLUMNS, arrow_schema
from llmops_cli.errors import LlmopsError

if TYPE_CHECKING:
    # Worker processes read logs without it, and it takes as long to load as all the rest.
    import pandas as pd

__all__ = ["CallsTable", "from_arrow", "require", "to_arrow", "validate"]

CallsTable = Annotated["pd.DataFrame", "the calls table"]
"""A DataFrame with exactly the columns of :data:`llmops_cli.calls.COLUMNS`, Arrow-backed."""


def from_arrow(table: pa.Table) -> CallsTable:
    """An Arrow table of the calls schema as an Arrow-backed DataFrame, without a copy."""
    import pandas as pd  # noqa: PLC0415 - as above

    return table.to_pandas(types_mapper=pd.ArrowDtype)


def to_arrow(calls: CallsTable) -> pa.Table:
    """The calls as an Arrow table with the declared column types."""
    return pa.Table.from_pandas(calls, schema=arrow_schema(), preserve_index=False)


def require(calls: CallsTable, *columns: str, source: str = "the calls table") -> None:
    """Refuse a table in which one of ``columns`` is absent or has no value at all.

    Raises:
        LlmopsError: ``calls-missing-column``, naming the first such column.
    """
    for name in columns:
        if name not in calls.columns or (len(calls) > 0 and bool(calls[name].isna().all())):
            raise LlmopsError(
                "calls-missing-column",
                f"'{name}' is not in {source}",
                hint=f"this question needs {', '.join(columns)}; "
                "`llmops describe` shows what the log holds",
            )


def validate(calls: CallsTable, *, source: str = "the calls table") -> None:
    """Check the declared columns and invariants.

    Raises:
        LlmopsError: ``calls-missing-column`` for an absent column, ``calls-negative`` and
            ``calls-contradiction`` for values that break an invariant.
    """
    for column in COLUMNS:
        if column.name not in calls.columns:
            raise LlmopsError("calls-missing-column", f"'{column.name}' is not in {source}")
        if column.invariant == "non-negative":
            bad = (calls[column.name] < 0).fillna(value=False).to_numpy(dtype=bool)
            if bad.any():
                raise LlmopsError(
                    "calls-negative",
                    f"'{column.name}' is negative in {int(bad.sum())} rows",
                    file=source,
                    line=int(np.flatnonzero(bad)[0]) + 1,
                    field=column.name,
                )
    bad = (calls["reasoning_tokens"] > calls["output_tokens"]).fillna(value=False)
    if bool(bad.any()):
        raise LlmopsError(
            "calls-contradiction",
            "'reasoning_tokens' is larger than 'output_tokens', which includes it",
            file=source,
            line=int(np.flatnonzero(bad.to_numpy(dtype=bool))[0]) + 1,
            field="reasoning_tokens",
        )
