"""Tables of the cascades: by how often a judge is right, and with the verdicts that were logged."""

from collections.abc import Iterator

import numpy as np

from llmops_cli.report import Column, Finding, Scalar, Table
from llmops_cli.tiers.asked_cascades import AskedCascade
from llmops_cli.tiers.logged_judge import LoggedJudge
from llmops_cli.tiers.words import points

__all__ = ["about_verdicts", "cascade_tables"]


def cascade_tables(found: tuple[AskedCascade, ...]) -> Iterator[Table]:
    """What the log's own judge makes of the cascades first, then what others would."""
    judged = [(item, item.logged) for item in found if item.logged is not None]
    if judged:
        yield _as_logged(judged)
        yield _tiers(judged)
    yield from map(_by_reliability, found)


def _as_logged(judged: list[tuple[AskedCascade, LoggedJudge]]) -> Table:
    return Table(
        name="logged_judge",
        title="Cascades with the logged verdicts",
        columns=(
            Column(name="cascade", label="cascade"),
            Column(name="difference", label="against the last", unit="points"),
            Column(name="difference_low", label="low", unit="points"),
            Column(name="difference_high", label="high", unit="points"),
            Column(name="times_cheaper", label="times cheaper", unit="ratio"),
            Column(name="cost_usd_per_1000", label="per 1,000", unit="usd"),
            Column(name="latency_s", label="takes", unit="s"),
            Column(name="by_rates_alone", label="beyond its rates", unit="points"),
            Column(name="by_rates_low", label="low", unit="points"),
            Column(name="by_rates_high", label="high", unit="points"),
            Column(name="requests", label="requests", unit="count"),
        ),
        rows=tuple(_logged_row(item, logged) for item, logged in judged),
        note="a verdict of 0.5 or more accepts; an escalated request pays and waits for every "
        "model and judgement it touched; beyond its rates: quality less that of a judge right as "
        "often, whatever the later models do",
    )


def _logged_row(item: AskedCascade, logged: LoggedJudge) -> tuple[Scalar, ...]:
    difference, beyond = (
        logged.estimate(name) for name in ("quality_difference", "correlation_of_errors")
    )
    return (
        " > ".join(item.models),
        *map(_points, (difference.value, difference.low, difference.high)),
        _known(logged.estimate("times_cheaper").value),
        1000 * logged.estimate("cost_usd").value,
        _known(logged.estimate("latency_s").value),
        *map(_points, (beyond.value, beyond.low, beyond.high)),
        item.rows,
    )


def _tiers(judged: list[tuple[AskedCascade, LoggedJudge]]) -> Table:
    return Table(
        name="logged_judge_tiers",
        title="The logged judge, tier by tier",
        columns=(
            Column(name="cascade", label="cascade"),
            Column(name="model", label="model"),
            Column(name="reached", label="asked", unit="share"),
            Column(name="sensitivity", label="right accepted", unit="share"),
            Column(name="specificity", label="wrong rejected", unit="share"),
        ),
        rows=tuple(row for item, logged in judged for row in _tier_rows(item, logged)),
        note="a grade is right from 0.5 on; the last answer is not judged",
    )


def _tier_rows(item: AskedCascade, logged: LoggedJudge) -> Iterator[tuple[Scalar, ...]]:
    rates = np.column_stack([logged.sensitivity, logged.specificity])
    for at, model in enumerate(item.models):
        own = rates[at] if at < len(rates) else np.full(2, np.nan)
        asked = float(logged.reached[at])
        yield " > ".join(item.models), model, asked, *map(_known, own.tolist())


def _by_reliability(item: AskedCascade) -> Table:
    return Table(
        name="cascade_" + "_".join(item.models),
        title=f"{' > '.join(item.models)}: worth, by how often the judge is right",
        columns=(
            Column(name="reliability", label="judge right", unit="share"),
            Column(name="difference", label="against the last", unit="points"),
            Column(name="difference_low", label="low", unit="points"),
            Column(name="difference_high", label="high", unit="points"),
            Column(name="times_cheaper", label="times cheaper", unit="ratio"),
            Column(name="cost_usd_per_1000", label="per 1,000", unit="usd"),
        ),
        rows=tuple(
            (
                point.reliability,
                *map(
                    _points,
                    (point.difference.value, point.difference.low, point.difference.high),
                ),
                _known(point.times_cheaper.value),
                1000 * point.cost_usd.value,
            )
            for point in item.points
        ),
        note="an escalated request pays every model and judge it touched; errors of the judge "
        "independent of everything else",
    )


def _points(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def about_verdicts(found: tuple[AskedCascade, ...]) -> Iterator[Finding]:
    """Where the judge's errors go with those of later models, so that its rates mislead."""
    for item in found:
        if item.logged is None:
            continue
        beyond = item.logged.estimate("correlation_of_errors")
        if beyond.low is None or beyond.high is None or beyond.low <= 0 <= beyond.high:
            continue
        better = beyond.value > 0
        yield Finding(
            slug="tiers-judge-correlated",
            severity="note",
            message=f"{' > '.join(item.models)}: the judge's errors fall "
            f"{'where the later models fail too' if better else 'where the later models are right'}"
            f", which is worth {points(beyond.value)} points beyond its rates",
            hint="go by the logged verdicts and not by the table of reliabilities",
        )
