"""The tables: policies side by side, the chains tried, what losing a provider means, headroom."""

from collections.abc import Iterator

from llmops_cli.failover.figures import Figures, bad_year
from llmops_cli.failover.headroom import headroom
from llmops_cli.failover.model import FailoverParameters
from llmops_cli.failover.ranking import holds, ranked
from llmops_cli.failover.simulation import Result, Simulation
from llmops_cli.failover.years import BAD_YEAR, Estimate
from llmops_cli.report import Column, Scalar, Table

__all__ = ["chain_words", "failover_tables"]


def failover_tables(
    found: Simulation, known: tuple[Figures, ...], given: FailoverParameters
) -> Iterator[Table]:
    """What the reader needs first comes first.

    Args:
        found: the answer.
        known: figures of its results, in their order.
        given: for the seed and the gates.
    """
    yield _policies(found, known, given)
    yield _losses(found)
    if len(found.results) > found.named:
        yield _chains(found, known, given)
    if found.pool.outages and found.pool.incidents:
        yield _incidents(found)
    yield _headroom(found)


def chain_words(found: Simulation, result: Result) -> str:
    """The names of a chain, in the order they are asked."""
    names = (found.pool.members[place].deployment.name for place in result.line.places)
    return " → ".join(names)


_COLUMNS = (
    Column(name="availability", label="answered", unit="share"),
    Column(name="availability_low", label="at least", unit="share"),
    Column(name="lost_per_year", label="lost a year"),
    Column(name="bad_year", label="in a bad year"),
    Column(name="cost_ratio", label="cost", unit="ratio"),
    Column(name="quality_change", label="quality"),
    Column(name="attempts", label="attempts"),
    Column(name="added_median_s", label="later by, median", unit="s"),
    Column(name="added_p99_s", label="p99", unit="s"),
    Column(name="refused_minutes", label="minutes at a limit"),
)
"""Of a policy over a year."""


def _row(
    found: Simulation, result: Result, own: Figures, given: FailoverParameters
) -> tuple[Scalar, ...]:
    lost = own.lost_per_year
    bad = bad_year(found, result, BAD_YEAR, given.seed)
    later = own.added_s
    return (
        own.availability.value,
        max(own.availability.low, 0.0),
        None if lost is None else round(lost.value),
        None if bad is None else round(bad),
        _value(own.cost_ratio),
        _rounded(own.quality_change),
        round(own.attempts, 2),
        None if later is None else later[0],
        None if later is None else later[1],
        round(own.refused_minutes),
    )


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _rounded(estimate: Estimate | None) -> float | None:
    return None if estimate is None else round(estimate.value, 5) + 0.0


def _policies(found: Simulation, known: tuple[Figures, ...], given: FailoverParameters) -> Table:
    when = "while something is wrong" if found.pool.outages else "over the log"
    return Table(
        name="policies",
        title="What each policy comes to",
        columns=(
            Column(name="policy", label="policy"),
            Column(name="chain", label="chain"),
            *_COLUMNS,
        ),
        rows=tuple(
            (result.line.policy.name, chain_words(found, result), *_row(found, result, own, given))
            for result, own in zip(found.results[: found.named], known, strict=False)
        ),
        note=f"attempts per request and lateness of answers {when}; cost and quality of an "
        "answered request against the same answered by whom it prefers; bad year: 1 in 20",
    )


def _chains(found: Simulation, known: tuple[Figures, ...], given: FailoverParameters) -> Table:
    last = found.results[found.named - 1].line.policy
    tried = ranked(found, known, given)
    return Table(
        name="chains",
        title=f"Every chain under '{last.name}'",
        columns=(
            Column(name="chain", label="chain"),
            Column(name="holds", label="within the gates"),
            Column(name="usd_per_1000", label="1,000 answers", unit="usd"),
            *_COLUMNS,
        ),
        rows=tuple(
            (
                chain_words(found, found.results[at]),
                holds(known[at], given),
                _per_thousand(known[at].usd_each),
                *_row(found, found.results[at], known[at], given),
            )
            for at in tried
        ),
        note="those within --min-availability and --max-cost-ratio first, the cheapest of them "
        "before the others",
    )


def _per_thousand(usd: float | None) -> float | None:
    return None if usd is None else 1000 * usd


def _losses(found: Simulation) -> Table:
    rows: list[tuple[Scalar, ...]] = []
    for loss in found.losses:
        seen = loss.tally
        answered = seen["requests"] - seen["lost"]
        cost = quality = None
        if answered and seen["plain_usd"]:
            cost = seen["usd"] / answered * seen["requests"] / seen["plain_usd"]
        if answered and found.worth.quality is not None:
            change = seen["quality"] / answered - seen["plain_quality"] / seen["requests"]
            quality = round(change, 4) + 0.0
        lost, away = seen["lost"] / seen["requests"], seen["away"] / seen["requests"]
        refused = round(seen["refused_minutes"])
        rows.append((loss.provider, loss.share, lost, away, cost, quality, refused))
    return Table(
        name="losing_a_provider",
        title="The whole log without one provider",
        columns=(
            Column(name="provider", label="provider"),
            Column(name="share", label="has", unit="share"),
            Column(name="lost", label="lost", unit="share"),
            Column(name="moved", label="answered elsewhere", unit="share"),
            Column(name="cost_ratio", label="cost", unit="ratio"),
            Column(name="quality_change", label="quality"),
            Column(name="refused_minutes", label="minutes at a limit"),
        ),
        rows=tuple(rows),
        note=f"under '{found.results[found.named - 1].line.policy.name}', for as long as the log "
        "lasts; has: share of the requests that ask it first",
    )


def _incidents(found: Simulation) -> Table:
    rows: list[tuple[Scalar, ...]] = []
    for result in found.results[: found.named]:
        seen = result.incidents
        if seen is not None:
            rows.append(
                (
                    result.line.policy.name,
                    round(seen["lost"]),
                    seen["lost"] / seen["requests"],
                    round(seen["attempts"] / seen["requests"], 3),
                    round(seen["away"]),
                )
            )
    return Table(
        name="incidents",
        title="The log itself under the incidents of the file",
        columns=(
            Column(name="policy", label="policy"),
            Column(name="lost", label="lost"),
            Column(name="lost_share", label="share", unit="share"),
            Column(name="attempts", label="attempts"),
            Column(name="moved", label="answered elsewhere"),
        ),
        rows=tuple(rows),
    )


def _headroom(found: Simulation) -> Table:
    return Table(
        name="headroom",
        title="Can each deployment carry the busiest minute alone?",
        columns=(
            Column(name="deployment", label="deployment"),
            Column(name="requests_per_minute", label="requests a minute"),
            Column(name="busiest_requests", label="busiest"),
            Column(name="tokens_per_minute", label="tokens a minute"),
            Column(name="busiest_tokens", label="busiest"),
            Column(name="carries", label="carries", unit="share"),
        ),
        rows=tuple(
            (
                item.deployment,
                item.requests_per_minute,
                item.busiest_requests,
                item.tokens_per_minute,
                item.busiest_tokens,
                item.carries,
            )
            for item in headroom(found.requests, found.pool)
        ),
        note="empty where the file names no limit",
    )
