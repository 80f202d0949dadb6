"""Sums per window from a log of calls in which a column tells the new version from the old."""

import numpy as np
import pandas as pd

from llmops_cli.calls import CallsTable, require
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout.baseline import who_calls
from llmops_cli.rollout.changes import NO_CHANGE, requests_of
from llmops_cli.rollout.model import Plan
from llmops_cli.rollout.observed import CANARY, CONTROL, USERS, WINDOW_S, Cell, Observed, Sums

__all__ = ["calls_of_versions", "sums_of_calls"]


def calls_of_versions(
    calls: CallsTable,
    canary: tuple[str, str],
    control: str | None,
    since: str = "",
    until: str = "",
) -> tuple[CallsTable, int]:
    """The calls that belong to the rollout, and how many name neither version.

    Args:
        calls: a log.
        canary: column and value of the new version.
        control: value of the old one; None for every other call.
        since: moment, in ISO 8601, at which the stage began; empty for all calls.
        until: moment at which it ended; empty for all calls.

    Raises:
        LlmopsError: ``rollout-no-slice`` without such a column, ``calls-missing-column``.
    """
    require(calls, "start_time")
    if since:
        calls = calls[(calls["start_time"] >= pd.Timestamp(since)).fillna(value=False)]
    if until:
        calls = calls[(calls["start_time"] < pd.Timestamp(until)).fillna(value=False)]
    if control is None:
        return calls, 0
    values = _values(calls, canary[0])
    known = values.isin([canary[1], control]).to_numpy(dtype=bool, na_value=False)
    return calls[known], int((~known).sum())


def sums_of_calls(
    calls: CallsTable, plan: Plan, canary: tuple[str, str], *, window_s: float = WINDOW_S
) -> Observed:
    """Add up calls by window.

    Args:
        calls: of the stage, both versions; give all of its logs each time, so that a user who
            comes back is not new again.
        plan: its guardrails.
        canary: column and value of the new version; every other call is the old one.
        window_s: length of a window.

    Raises:
        LlmopsError: ``calls-missing-column``; ``rollout-no-slice`` without such a column.
    """
    require(calls, "start_time")
    calls = calls[calls["start_time"].notna()]
    mine = _values(calls, canary[0]) == canary[1]
    treated = mine.fillna(value=False).to_numpy(dtype=bool)
    moments = calls["start_time"].astype("int64[pyarrow]").to_numpy(dtype=np.int64)
    windows = moments // round(window_s * 1e6)
    requests = requests_of(calls, NO_CHANGE, 0, plan.guardrails)
    cells = dict[Cell, Sums]()
    for guardrail in plan.guardrails:
        bad = requests.badness(guardrail)
        frame = pd.DataFrame({"w": windows, "t": treated, "n": 1.0, "b": bad, "q": bad**2})
        cells |= _cells(frame[np.isfinite(bad)], guardrail.name, window_s)
    first = _first_calls(calls, treated)
    new = pd.DataFrame({"w": windows, "t": treated, "n": 1.0, "b": 0.0, "q": 0.0})[first]
    last = _moment(int(windows.max()), window_s) if len(windows) else ""
    return Observed(cells | _cells(new, USERS, window_s), last)


def _values(calls: CallsTable, column: str) -> pd.Series:
    if column not in calls.columns:
        raise LlmopsError(
            "rollout-no-slice",
            f"the calls table has no column '{column}'",
            hint="--canary request_model=NAME",
            exit_code=ExitCode.USAGE,
        )
    return calls[column].astype("string")


def _first_calls(
    calls: CallsTable, treated: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
) -> pd.Series:
    _, units = who_calls(calls)
    ordered = pd.DataFrame({"u": units, "t": treated, "at": calls["start_time"].to_numpy()})
    ordered = ordered.sort_values("at", kind="stable")
    return (~ordered.duplicated(["u", "t"])).sort_index()


def _cells(frame: pd.DataFrame, metric: str, window_s: float) -> dict[Cell, Sums]:
    sums = frame.groupby(["w", "t"])[["n", "b", "q"]].sum()
    return {
        (_moment(int(window), window_s), CANARY if treated else CONTROL, metric): Sums(*row)
        for (window, treated), row in zip(
            sums.index.tolist(), sums.to_numpy().tolist(), strict=True
        )
    }


def _moment(window: int, window_s: float) -> str:
    return pd.Timestamp(round(window * window_s * 1e9), tz="UTC").isoformat()
