"""What every export of a failover plan says of itself: what its target cannot express."""

from collections.abc import Iterator

from llmops_cli.failover.model import FailoverPlan

__all__ = ["RETRIED", "lost_in"]

RETRIED = (408, 409, 429, 500, 502, 503, 504, 529)
"""Statuses of failures that pass; those of a refused key, account or model only move."""


def lost_in(plan: FailoverPlan, *, breaker: bool, limits: bool) -> Iterator[str]:
    """Sentences on what of a plan a target cannot say.

    Args:
        plan: the policy and its chain.
        breaker: whether the target has a circuit breaker.
        limits: whether it knows limits of a deployment.
    """
    policy = plan.policy
    if policy.breaker is not None and not breaker:
        yield "The circuit breaker has no place here: every request tries the first again."
    if policy.retry_budget is not None:
        yield (
            f"The retry budget of {100 * policy.retry_budget:g} % has no place here: in a full "
            f"outage every request makes {policy.backoff.attempts} attempts at each deployment."
        )
    if policy.hedge_after_s is not None:
        yield "Hedging has no place here."
    if policy.deadline_s is not None:
        yield f"The deadline of {policy.deadline_s:g} s has no place here, only that of an attempt."
    if policy.first_token_s is not None:
        yield "The limit on the first token has no place here: a silent stream costs the timeout."
    if policy.stall_s is not None:
        yield "The limit on a stalled stream has no place here."
    rated = any(d.requests_per_minute or d.tokens_per_minute for d in plan.chain)
    if rated and not limits:
        yield "Rate limits of the deployments have no place here: they answer 429 by themselves."
