"""What happens next to a request: the one decision that client and simulator share.

A pure function of the policy, the chain, what the request has met so far and the health of the
deployments. It sends nothing, waits for nothing and draws nothing itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from llmops_cli.failover.failures import HANDLING, FailureKind
from llmops_cli.failover.health import Health
from llmops_cli.failover.policy import Deployment, FailoverPolicy

__all__ = ["Asked", "GiveUp", "Send", "Step", "Tried", "decide", "order_of"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the decision sees it.

    Attributes:
        arrived_s: when it came.
        order: places of the deployments in the chain, in the order of preference.
        tokens: input and the most output it may want, for the context windows; 0 if unknown.
    """

    arrived_s: float
    order: tuple[int, ...]
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt that failed."""

    place: int
    kind: FailureKind
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """The next attempt.

    Attributes:
        place: of the deployment in the chain.
        wait_s: until it is sent.
        hedge: place of the deployment that is asked as well, where the first takes too long.
        hedge_after_s: how long that is.
    """

    place: int
    wait_s: float = 0.0
    hedge: int | None = None
    hedge_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The request fails with what its last attempt met; None where none was made."""

    kind: FailureKind | None


Step = Send | GiveUp


def order_of(chain: Sequence[Deployment], draw: float) -> tuple[int, ...]:
    """Which deployments a request prefers: the first by weight, the others as the chain has them.

    Args:
        chain: in the order of preference; where none carries a weight, the first comes first.
        draw: uniform in [0, 1).
    """
    total = sum(item.weight for item in chain)
    first, reached = 0, 0.0
    for place, item in enumerate(chain):
        reached += item.weight
        if total and draw * total < reached:
            first = place
            break
    return (first, *(place for place in range(len(chain)) if place != first))


def decide(
    policy: FailoverPolicy,
    chain: Sequence[Deployment],
    request: Asked,
    tried: Sequence[Tried],
    health: Health,
    moment: tuple[float, float],
) -> Step:
    """The next step of a request.

    Args:
        policy: what to do about failures.
        chain: the deployments.
        request: which of them it prefers, when it came, how long it is.
        tried: its failed attempts, in order.
        health: of the deployments now; not changed.
        moment: the time in seconds, and a uniform draw in [0, 1) for the jitter.
    """
    now_s, draw = moment
    if not tried:
        return _first(policy, chain, request, health, now_s)
    last = tried[-1]
    if not HANDLING[last.kind].move:
        return GiveUp(last.kind)
    if not health.may_repeat():
        return GiveUp(last.kind)
    again = _again(policy, tried, health, now_s, draw)
    other = _other(policy, chain, request, tried, health, now_s)
    step = other or again if policy.moves_first else again or other
    if step is None or _too_late(policy, request, now_s + step.wait_s):
        return GiveUp(last.kind)
    return step


def _first(
    policy: FailoverPolicy,
    chain: Sequence[Deployment],
    request: Asked,
    health: Health,
    now_s: float,
) -> Step:
    fitting = [place for place in request.order if _fits(chain[place], request.tokens)]
    if not fitting:
        # Nobody's window is known to hold it: the provider says so better than a guess.
        fitting = list(request.order[:1])
    healthy = [place for place in fitting if health.available(place, now_s)]
    if healthy:
        after = policy.hedge_s(chain[healthy[0]])
        if after is None or not healthy[1:]:
            return Send(healthy[0])
        return Send(healthy[0], hedge=healthy[1], hedge_after_s=after)
    return Send(fitting[0]) if policy.when_all_open == "send" else GiveUp(None)


def _again(
    policy: FailoverPolicy, tried: Sequence[Tried], health: Health, now_s: float, draw: float
) -> Send | None:
    last = tried[-1]
    if not HANDLING[last.kind].repeat:
        return None
    made = sum(item.place == last.place for item in tried)
    wait = policy.backoff.wait_s(made, last.retry_after_s, draw)
    # A deployment that this failure has just closed off is not worth the wait.
    if wait is None or not health.available(last.place, now_s):
        return None
    return Send(last.place, wait)


def _other(
    policy: FailoverPolicy,
    chain: Sequence[Deployment],
    request: Asked,
    tried: Sequence[Tried],
    health: Health,
    now_s: float,
) -> Send | None:
    met = {item.place for item in tried}
    if len(met) > policy.max_fallbacks:
        return None
    last = tried[-1]
    for place in request.order:
        there = chain[place]
        may = _fits(there, request.tokens) and _may_help(
            policy, chain[last.place], there, last.kind
        )
        if may and place not in met and health.available(place, now_s):
            return Send(place)
    return None


def _may_help(
    policy: FailoverPolicy, here: Deployment, there: Deployment, kind: FailureKind
) -> bool:
    if kind is FailureKind.CONTEXT_WINDOW:
        known = here.context_window_tokens, there.context_window_tokens
        return policy.larger_window and None not in known and (known[1] or 0) > (known[0] or 0)
    if kind is FailureKind.CONTENT_POLICY:
        return policy.other_provider and there.provider != here.provider
    return True


def _fits(deployment: Deployment, tokens: int) -> bool:
    window = deployment.context_window_tokens
    return window is None or tokens <= window


def _too_late(policy: FailoverPolicy, request: Asked, sent_s: float) -> bool:
    return policy.deadline_s is not None and sent_s >= request.arrived_s + policy.deadline_s
