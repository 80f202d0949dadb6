"""Where the numbers come from, with the reader's own in the formulas."""

import math
from collections.abc import Iterator
from math import prod

from llmops_cli.failover.condensing import WHOLE, WINDOWS
from llmops_cli.failover.condensing_rule import CYCLES, SHARE
from llmops_cli.failover.model import FailoverParameters, Line
from llmops_cli.failover.sampling import YEAR_S
from llmops_cli.failover.simulation import Simulation
from llmops_cli.failover.worth import LIFETIME_S
from llmops_cli.failover.years import BAD_YEAR
from llmops_cli.report import Explanation

__all__ = ["explanations"]


def explanations(found: Simulation, given: FailoverParameters) -> Iterator[Explanation]:
    """How a year is put together, then retries and cold caches."""
    if found.pool.outages:
        yield _year(found, given)
        yield _bad_year()
        yield _closed_form(found)
    yield _policy(found)
    if found.condensed:
        yield _condensed(found)
    if found.hedges:
        yield _hedges(found)
    if found.worth.warm_usd is not None:
        yield _cold()


def _year(found: Simulation, given: FailoverParameters) -> Explanation:
    return Explanation(
        of="answered",
        formula="1 - (sum over episodes of lost + (N - n) q) / N, N requests a year, n of them in "
        "episodes, q the share lost when nothing is wrong",
        numbers=(
            ("N", round(found.per_year)),
            ("sampled years", given.years),
            ("episodes in them", found.played[1]),
            ("episodes played", found.played[0]),
            ("share of outages common to all", found.pool.common),
            *(
                (f"outages a year, {item.provider or item.region}", item.per_year)
                for item in found.pool.outages
            ),
        ),
        assumptions=(
            "traffic repeats the log from its start",
            (
                "outages come at random (Poisson); their lengths are log-normal with the median "
                "and the mean given"
            ),
            "a request sent before an incident begins is not touched by it",
            (
                "q is that of quiet requests, and its doubt is in the interval; where none of them "
                "is lost it is taken as 0"
            ),
            (
                "episodes with several providers down are played first, and all are weighed by how "
                "often they come; the interval covers that draw and the number of episodes"
            ),
        ),
        source="; ".join(sorted({o.source or "the failover file" for o in found.pool.outages})),
    )


def _bad_year() -> Explanation:
    return Explanation(
        of="in a bad year",
        formula="the 0.95 quantile over sampled years of the sum of their episodes' losses, each "
        "drawn from those played of its sort, and (N - n) q",
        numbers=(("share of years that are better", BAD_YEAR),),
        assumptions=("episodes of a year are independent of each other",),
        source="bootstrap of episodes within their stratum",
    )


def _closed_form(found: Simulation) -> Explanation:
    down = [item.unavailable for item in found.pool.outages]
    return Explanation(
        of="answered, by hand",
        formula="1 - product of the shares of time down, if outages are full, independent and "
        "failover costs nothing",
        numbers=(
            *(
                (f"share of time down, {item.provider or item.region}", item.unavailable)
                for item in found.pool.outages
            ),
            ("all down at once", prod(down)),
            ("minutes a year", prod(down) * YEAR_S / 60),
        ),
        assumptions=("a yardstick: the figures above come from the replay",),
        source="reliability of a parallel system",
    )


def _policy(found: Simulation) -> Explanation:
    policy = found.results[found.named - 1].line.policy
    breaker = policy.breaker
    return Explanation(
        of="attempts",
        formula="r attempts at one place while it is down, then the next; wait k is "
        "first_wait x 2^(k-1), at most longest_backoff, times 1 - jitter to 1",
        numbers=(
            ("r", policy.backoff.attempts),
            ("first_wait", policy.backoff.first_wait_s),
            ("longest_backoff", policy.backoff.longest_backoff_s),
            ("timeout", policy.timeout_s),
            ("failures that open the breaker", breaker.allowed_failures if breaker else None),
            ("or this share of them", breaker.failure_share if breaker else None),
            ("cooldown", breaker.cooldown_s if breaker else None),
        ),
        assumptions=(
            "the decision is the function that the client of this package runs",
            (
                "bad requests are not repeated anywhere; a refused key or account leaves a "
                "deployment alone for five minutes"
            ),
        ),
        source="the policy of the failover file",
    )


def _condensed(found: Simulation) -> Explanation:
    line = found.results[found.named - 1].line
    return Explanation(
        of="long stretches",
        formula="between two changes: the head, until the client has forgotten what came before "
        "(window + 3 cooldowns + what a request lives); windows of 3 cooldowns in all, each for "
        "its slice; the tail. Of these one conversation in k; a request stands for those of its "
        "slice over those played of it",
        numbers=(
            ("stretches told from parts", found.condensed),
            ("requests that a stretch has before it is", WHOLE),
            ("slices between head and tail", WINDOWS),
            ("cooldowns in head and windows", CYCLES),
            ("attempts that open or try a breaker, of those of a cooldown, at most", SHARE),
            ("failures that open the breaker of the last policy", _counted(line)),
        ),
        assumptions=(
            "a client in the middle of an outage does the same from cooldown to cooldown",
            (
                "k is 1 where failures come now and then and a breaker counts them, or in a "
                "brown-out: fewer requests would open it later; no time is left out where a limit "
                "binds, or a brown-out fails about the share that opens a breaker"
            ),
            (
                "held against whole stretches: requests lost, moved and paid within 2 % of all, "
                "attempts within 3 %, as noise that the interval over episodes holds"
            ),
            "a conversation is warm away from home by the gaps of the log",
        ),
        source="stratified sampling in time: Cochran, Sampling techniques (1977), 5",
    )


def _counted(line: Line) -> int | None:
    return None if line.policy.breaker is None else line.policy.breaker.allowed_failures


def _hedges(found: Simulation) -> Explanation:
    return Explanation(
        of="hedging",
        formula="T = min(T1, h + T2) of a request whose answer is not there after h, the quantile "
        "q of T1: a share 1 - q of requests is sent twice, and P(T > t) = P(T1 > t) P(T2 > t - h) "
        "where the two are independent",
        numbers=tuple(
            number
            for item in found.hedges
            for number in (
                (f"h, {item.deployment} p{100 * item.share:g}, {item.origin}", item.after_s),
                *(
                    ()
                    if item.calls is None
                    else (
                        ("its interval from", item.low_s),
                        ("to", item.high_s if math.isfinite(item.high_s) else "beyond the log"),
                        ("calls", item.calls),
                    )
                ),
            )
        ),
        assumptions=(
            (
                "of the deployment's own answers when nothing is wrong; failed calls, and "
                "durations borrowed from other deployments, are no part of it"
            ),
            (
                "a deployment that follows the log is slow with the same requests as the log's "
                "own; one with its own latency is slow by chance"
            ),
            "both attempts are paid where both are answered",
        ),
        source="Dean, Barroso: The tail at scale (CACM 2013): a second request after the 95th "
        "percentile costs about 5 % more load",
    )


def _cold() -> Explanation:
    return Explanation(
        of="cost",
        formula="tokens x price by class; away from the deployment it prefers, a conversation's "
        "first request in five minutes pays all its input as fresh",
        numbers=(("seconds a cache is kept", LIFETIME_S),),
        assumptions=(
            "the log's cache reads are those of the preferred deployment",
            "attempts without an answer are not billed; perhaps_ratio says what they may cost",
            "a token of a class that a provider has no price for is input there",
        ),
        source="the price book (llmops prices show MODEL)",
    )
