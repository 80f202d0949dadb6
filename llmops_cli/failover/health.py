"""What a client remembers between requests: each deployment's circuit breaker, the retry budget.

It reads no clock: the moment comes in, real or simulated.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from llmops_cli.failover.failures import HANDLING, FailureKind
from llmops_cli.failover.policy import Breaker, FailoverPolicy

__all__ = ["Health"]

_HOPELESS_S = 300.0
"""How long a deployment whose key, model or account is refused is left alone."""


@dataclass(slots=True)
class _Condition:
    """Of one deployment."""

    attempts: deque[tuple[float, bool]] = field(default_factory=deque[tuple[float, bool]])
    failures: int = 0
    open_until_s: float = float("-inf")
    was_open: bool = False
    probed_at_s: float | None = None

    def forget(self, before_s: float) -> None:
        while self.attempts and self.attempts[0][0] < before_s:
            self.failures -= self.attempts.popleft()[1]

    def open(self, until_s: float) -> None:
        self.open_until_s = max(self.open_until_s, until_s)
        self.was_open = True
        self.probed_at_s = None
        self.attempts.clear()
        self.failures = 0


class Health:
    """Of all deployments of a chain, by their place in it.

    Args:
        policy: its breaker and its retry budget.
        deployments: how many there are.
    """

    def __init__(self, policy: FailoverPolicy, deployments: int) -> None:
        self._policy = policy
        self._conditions = [_Condition() for _ in range(deployments)]
        self._balance = policy.budget_burst

    def available(self, place: int, now_s: float) -> bool:
        """Whether a deployment may be asked now."""
        condition = self._conditions[place]
        if now_s < condition.open_until_s:
            return False
        breaker = self._policy.breaker
        if breaker is None or not breaker.probes or not condition.was_open:
            return True
        # Half open: one request finds out, and a lost probe does not keep it shut for ever.
        asked = condition.probed_at_s
        return asked is None or now_s - asked > self._policy.timeout_s

    def opens_at_s(self, places: Sequence[int]) -> float:
        """When the first of some deployments may be asked again."""
        return min(self._conditions[place].open_until_s for place in places)

    def sent(self, place: int, now_s: float, *, again: bool) -> None:
        """An attempt goes out; ``again`` where it repeats a request."""
        condition = self._conditions[place]
        if condition.was_open and now_s >= condition.open_until_s:
            condition.probed_at_s = now_s
        budget = self._policy.retry_budget
        if budget is not None:
            paid = self._balance - 1 if again else self._balance + budget
            self._balance = min(paid, self._policy.budget_burst)

    def may_repeat(self) -> bool:
        """Whether the retry budget has room."""
        return self._policy.retry_budget is None or self._balance >= 1

    def answered(self, place: int, now_s: float) -> None:
        """An attempt succeeded."""
        condition = self._conditions[place]
        if condition.was_open and now_s >= condition.open_until_s:
            condition.was_open, condition.probed_at_s = False, None
        self._remember(condition, now_s, failed=False)

    def failed(
        self, place: int, now_s: float, kind: FailureKind, retry_after_s: float | None = None
    ) -> None:
        """An attempt failed; what was wrong with the request itself says nothing here."""
        handling, breaker = HANDLING[kind], self._policy.breaker
        if breaker is None or not handling.unhealthy:
            return
        condition = self._conditions[place]
        if now_s < condition.open_until_s:
            return  # sent before it opened: old news
        self._remember(condition, now_s, failed=True)
        if handling.hopeless:
            condition.open(now_s + max(_HOPELESS_S, breaker.cooldown_s))
        elif kind is FailureKind.RATE_LIMITED and breaker.opens_on_rate_limit:
            condition.open(now_s + (breaker.cooldown_s if retry_after_s is None else retry_after_s))
        elif (breaker.probes and condition.was_open) or _trips(breaker, condition):
            condition.open(now_s + breaker.cooldown_s)

    def _remember(self, condition: _Condition, now_s: float, *, failed: bool) -> None:
        breaker = self._policy.breaker
        if breaker is not None:
            condition.forget(now_s - breaker.window_s)
            condition.attempts.append((now_s, failed))
            condition.failures += failed


def _trips(breaker: Breaker, condition: _Condition) -> bool:
    allowed, share = breaker.allowed_failures, breaker.failure_share
    if allowed is not None and condition.failures > allowed:
        return True
    made = len(condition.attempts)
    if share is None or made < breaker.least_attempts:
        return False
    return condition.failures > share * made
