"""The gates beyond the saving: hit rate, unexplained misses, and the report of last time."""

import math

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Check, Measure, Report
from llmops_cli.stats.bootstrap import bootstrap_ratio, cluster_sums

__all__ = [
    "baseline_check",
    "baseline_saving",
    "hit_rate",
    "hit_rate_check",
    "unexplained_check",
]

Ints = npt.NDArray[np.signedinteger]

_COMMAND = "cache-estimate"


def hit_rate(
    tokens: Ints, conversation: Ints, *, level: float = 0.9, seed: int = 0, label: str = ""
) -> Measure:
    """The share of input read from the cache, with its spread over conversations.

    Args:
        tokens: ``(calls, 4)`` or more tokens by class.
        conversation: code of each call's conversation.
        level: two-sided confidence.
        seed: seed of the bootstrap.
        label: what to call it.
    """
    rows = np.column_stack([tokens[:, 1], tokens[:, :4].sum(axis=1)]).astype(np.float64)
    sums = cluster_sums(rows, conversation)
    total = sums.sum(axis=0)
    low, high, method = 0.0, 1.0, "a single conversation: nothing to resample"
    if len(sums) > 1 and total[1] > 0:
        found = bootstrap_ratio(sums, level=level, seed=seed)
        low, high, method = found.low, found.high, "cluster bootstrap over conversations"
    return Measure(
        name="hit_rate",
        value=float(total[0] / total[1]) if total[1] > 0 else None,
        unit="share",
        low=low,
        high=high,
        level=level,
        n=len(sums),
        method=method,
        label=label or "input read from cache",
    )


def hit_rate_check(rate: Measure, bound: float) -> Check:
    """``--min-hit-rate``: the lower end must reach the bound."""
    return Check.at_least("min_hit_rate", rate, bound, needed="traffic of more conversations")


def unexplained_check(rate: Measure, bound: float) -> Check:
    """``--max-unexplained-miss``: the upper end must stay at or below the bound.

    A log without usage, or whose markers promise no read, decides nothing.
    """
    if rate.value is None:
        needed = "a log with cache usage whose markers promise reads"
    else:
        misses, n = rate.value * (rate.n or 0), rate.n or 0
        needed = f"more promised reads than {n:,}, of which {misses:,.0f} were not billed"
    return Check.at_most("max_unexplained_miss", rate, bound, needed=needed)


def baseline_saving(report: Report, source: str) -> tuple[float, str]:
    """The saving that an earlier report of this command found, and the policy it judged.

    Args:
        report: the earlier report.
        source: what to call it in an error.

    Raises:
        LlmopsError: ``cache-bad-baseline`` for a report of another command, or without a saving.
    """
    if report.command != _COMMAND:
        raise _bad_baseline(source, f"is a report of {report.command}, not of {_COMMAND}")
    value = next((item.value for item in report.measures if item.name == "saving"), None)
    if value is None or not math.isfinite(value):
        raise _bad_baseline(source, "holds no saving")
    return value, str(report.parameters.get("policy") or "")


def _bad_baseline(source: str, why: str) -> LlmopsError:
    return LlmopsError(
        "cache-bad-baseline",
        f"the baseline {why}",
        hint="write one with: llmops cache-estimate LOG -f json=previous.json",
        file=source,
        exit_code=ExitCode.USAGE,
    )


def baseline_check(saving: Measure, before: float, most: float) -> Check:
    """``--baseline`` and ``--max-regression``: the saving may have fallen by so much, no more.

    The earlier saving is taken as it was printed; the interval is that of the saving now.

    Args:
        saving: of this run.
        before: of the earlier run.
        most: share points of input spend that may be lost.
    """
    lost = Measure(
        name="regression",
        value=None if saving.value is None else before - saving.value,
        unit="share",
        low=None if saving.high is None else before - saving.high,
        high=None if saving.low is None else before - saving.low,
        level=saving.level,
        n=saving.n,
        method=f"saving of the baseline minus {saving.method}",
        label="saving lost against the baseline",
    )
    return Check.at_most("max_regression", lost, most, needed="traffic of more conversations")
