"""Baseline logs as tables, made for a test."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from llmops_cli.calls import COLUMNS, arrow_schema, from_arrow

DAY_US = 86_400_000_000
START_US = 1_788_249_600_000_000


def make_calls(n: int = 4000, *, days: float = 1.0, **columns: Any) -> pd.DataFrame:  # noqa: ANN401 - column values
    draw = np.random.default_rng(1)
    filled: dict[str, Any] = {
        "call_id": [f"m{i}" for i in range(n)],
        "start_time": np.linspace(0, days * DAY_US, n).astype(np.int64) + START_US,
        "user_id": [f"u{i}" for i in draw.integers(0, 200, n)],
        "error_type": np.where(draw.random(n) < 0.02, "overloaded_error", None),
        "duration_s": np.exp(draw.normal(0, 0.4, n)),
        "evaluation_score": (draw.random(n) < 0.9).astype(float),
        **columns,
    }
    arrays = [
        pa.array(filled.get(column.name, [None] * n), type=column.type, from_pandas=True)
        for column in COLUMNS
    ]
    return from_arrow(pa.table(arrays, schema=arrow_schema()))


@pytest.fixture(scope="session")
def calls() -> Callable[..., pd.DataFrame]:
    """Make a day of evenly spaced calls of 200 users with errors, latencies and scores."""
    return make_calls
