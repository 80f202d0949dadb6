"""What a plan foretold beside what a newer log says: its figures, and the log's own."""

from collections.abc import Iterator

import numpy as np

from llmops_cli.failover.figures import Figures
from llmops_cli.failover.headroom import headroom
from llmops_cli.failover.plan import Expected, PlanDocument
from llmops_cli.failover.plan_making import foretold
from llmops_cli.failover.simulation import Simulation
from llmops_cli.report import Column, Scalar, Table

__all__ = ["plan_tables"]

_FIGURES = (
    ("lost_per_year", "lost a year"),
    ("cost_ratio", "cost of an answer, ratio"),
    ("quality_change", "change of the mean quality"),
)
_PLAIN = (
    ("usd_per_1000", "USD per 1,000 answers"),
    ("attempts", "attempts per request while something is wrong"),
    ("added_median_s", "later by, median, s"),
    ("added_p99_s", "later by, p99, s"),
)
_DAY_S = 86_400.0


def plan_tables(plan: PlanDocument, found: Simulation, own: Figures) -> Iterator[Table]:
    """Figures first, then the logs.

    Args:
        plan: as it was written.
        found: it on the newer log.
        own: figures of that.
    """
    then, now = plan.foretold, foretold(found, own)
    rows = [_unanswered(then.availability, now.availability)]
    for name, label in _FIGURES:
        said, seen = getattr(then, name), getattr(now, name)
        if said is not None or seen is not None:
            rows.append((label, *_then(said), *_now(seen)))
    for name, label in _PLAIN:
        plain: tuple[Scalar, Scalar] = (getattr(then, name), getattr(now, name))
        if plain != (None, None):
            rows.append((label, plain[0], None, plain[1], None, None))
    yield Table(
        name="promise",
        title="What the plan foretold, and what this log says",
        columns=(
            Column(name="figure", label="figure"),
            Column(name="foretold", label="foretold"),
            Column(name="promised", label="promised"),
            Column(name="now", label="now"),
            Column(name="low", label="from"),
            Column(name="high", label="to"),
        ),
        rows=tuple(rows),
        note="promised: the figure less the doubt of both simulations; empty where it is shown "
        "and decides nothing",
    )
    yield _logs(plan, found)


def _then(said: Expected | None) -> tuple[Scalar, Scalar]:
    return (None, None) if said is None else (said.value, said.promised)


def _now(seen: Expected | None) -> tuple[Scalar, Scalar, Scalar]:
    return (None, None, None) if seen is None else (seen.value, seen.low, seen.high)


def _unanswered(then: Expected, now: Expected) -> tuple[Scalar, ...]:
    # So near to 1 that a share of them would show no difference.
    ends = (then.value, then.promised, now.value, now.high, now.low)
    return ("lost per million", *(None if x is None else round(1e6 * (1 - x), 3) for x in ends))


def _logs(plan: PlanDocument, found: Simulation) -> Table:
    requests, made = found.requests, plan.measured
    median, tail = np.quantile(requests.duration_s[requests.measured], [0.5, 0.99]).tolist()
    busiest = headroom(requests, found.pool)[0]
    failed = int((requests.error != "").sum())
    rows = (
        ("began", made.began.isoformat(), requests.began.isoformat()),
        ("requests", made.requests, len(requests)),
        (
            "requests a day",
            round(24 * made.requests / made.hours, 1),
            round(len(requests) * _DAY_S / requests.period_s, 1),
        ),
        ("failed, share", made.failed / made.requests, failed / len(requests)),
        ("duration, median, s", made.median_s, median),
        ("duration, p99, s", made.p99_s, tail),
        (
            "busiest minute, requests",
            made.busiest_requests_per_minute,
            busiest.busiest_requests,
        ),
        ("busiest minute, tokens", made.busiest_tokens_per_minute, busiest.busiest_tokens),
    )
    return Table(
        name="logs",
        title="The log of the plan, and this one",
        columns=(
            Column(name="figure", label="figure"),
            Column(name="plan", label="the plan's"),
            Column(name="this", label="this one"),
        ),
        rows=rows,
    )
