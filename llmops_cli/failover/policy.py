"""What a client does about failures, as data: retries, circuit breaker, fallbacks, hedging.

``decision.py`` reads it; the client in ``live/`` and the simulator run the same one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

__all__ = ["Backoff", "Breaker", "Deployment", "FailoverPolicy"]

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]

_SPREAD_S = 0.2
"""Over which clients spread that were told the same wait, at full jitter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """One place where a request can be answered.

    Attributes:
        name: unique in the chain.
        provider: whose outages it shares.
        model: as the provider calls it.
        region: where it runs; outages may be of one region.
        weight: share of first attempts among deployments that carry one; 0 only as fallback.
        requests_per_minute: its limit; None for none.
        tokens_per_minute: its limit over input and output; None for none.
        context_window_tokens: input and output that fit; None where it does not matter.
    """

    name: str
    provider: str
    model: str
    region: str = ""
    weight: float = 0.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    context_window_tokens: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """When a deployment is asked again; a provider's own word on the wait comes first.

    The k-th wait is ``first_wait_s`` doubled k - 1 times, at most ``longest_backoff_s``, times a
    uniform draw from [``1 - jitter``, 1] ("equal jitter" at 0.5, "full jitter" at 1).

    Attributes:
        attempts: at one deployment, the first among them.
        first_wait_s: before the second attempt.
        longest_backoff_s: where doubling ends.
        longest_wait_s: a provider that asks for more than this is not waited for.
        jitter: share of the wait that is drawn, 0 to 1.
    """

    attempts: AtLeastOne = 3
    first_wait_s: NotNegative = 0.5
    longest_backoff_s: NotNegative = 8.0
    longest_wait_s: NotNegative = 60.0
    jitter: Share = 0.5

    def wait_s(self, attempt: int, retry_after_s: float | None, draw: float) -> float | None:
        """Seconds until the next attempt; None when there is none.

        Args:
            attempt: attempts made so far.
            retry_after_s: how long the provider asked to wait.
            draw: uniform in [0, 1); spreads clients that failed together.
        """
        if attempt >= self.attempts:
            return None
        if retry_after_s is not None:
            # Never earlier than asked, and not everybody at that same moment.
            spread = _SPREAD_S * self.jitter * draw
            return retry_after_s + spread if retry_after_s <= self.longest_wait_s else None
        step = min(self.first_wait_s * 2.0 ** (attempt - 1), self.longest_backoff_s)
        return step * (1 - self.jitter + self.jitter * draw)


@dataclass(frozen=True, kw_only=True, slots=True)
class Breaker:
    """When a deployment is left alone for a while.

    It opens when, within ``window_s``, more than ``allowed_failures`` attempts failed, or at
    least ``least_attempts`` were made and a share above ``failure_share`` of them failed.

    Attributes:
        allowed_failures: None leaves the count out.
        failure_share: None leaves the share out.
        least_attempts: below which the share says nothing.
        window_s: how far back it looks.
        cooldown_s: how long it stays open.
        opens_on_rate_limit: whether one 429 opens it.
        probes: whether one attempt is let through first when it closes again.
    """

    allowed_failures: Count | None = None
    failure_share: Share | None = 0.5
    least_attempts: AtLeastOne = 5
    window_s: Positive = 60.0
    cooldown_s: NotNegative = 30.0
    opens_on_rate_limit: bool = False
    probes: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class FailoverPolicy:
    """Everything a client does about failures.

    Attributes:
        name: what a report calls it.
        timeout_s: one attempt ends here.
        first_token_s: one attempt ends here if nothing has come of its answer; None for no limit.
        stall_s: one attempt ends when its answer stops coming for so long; None for no limit.
        deadline_s: the whole request ends here; None for never.
        backoff: retries at one deployment.
        breaker: None for none.
        max_fallbacks: deployments beyond the first that one request may try.
        moves_first: another healthy deployment comes before a retry at the same one.
        larger_window: a prompt that does not fit moves to a deployment with a larger window.
        other_provider: a refusal for content moves to another provider.
        retry_budget: retries and fallbacks as a share of requests in the long run; None for no
            limit. Each request pays in the share, each repetition takes 1 out, and the balance
            never exceeds ``budget_burst``.
        budget_burst: the balance there is at the start, and at most.
        hedge_after_s: a second attempt elsewhere starts when the first is not done by then: one
            wait, or one for each deployment by its name; those it leaves out are not hedged.
        when_all_open: what happens where every deployment is left alone: fail, or send all the
            same to the first.
    """

    name: str = "failover"
    timeout_s: Positive = 60.0
    first_token_s: Positive | None = None
    stall_s: Positive | None = None
    deadline_s: Positive | None = None
    backoff: Backoff = field(default_factory=Backoff)
    breaker: Breaker | None = field(default_factory=Breaker)
    max_fallbacks: Count = 5
    moves_first: bool = False
    larger_window: bool = True
    other_provider: bool = False
    retry_budget: Share | None = None
    budget_burst: NotNegative = 10.0
    hedge_after_s: Positive | Mapping[str, Positive] | None = None
    when_all_open: Literal["fail", "send"] = "send"

    def hedge_s(self, deployment: Deployment) -> float | None:
        """How long an answer of a deployment is waited for alone; None for as long as it takes."""
        after = self.hedge_after_s
        return after.get(deployment.name) if isinstance(after, Mapping) else after
