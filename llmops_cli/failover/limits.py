"""A provider's rate limits: requests and tokens per minute, as buckets that refill steadily."""

from dataclasses import dataclass, field

from llmops_cli.failover.policy import Deployment

__all__ = ["Limiter"]

_MINUTE_S = 60.0


@dataclass(slots=True)
class _Bucket:
    """Holds a minute's worth at most.

    Source:
        Anthropic and OpenAI document token buckets that are continuously replenished.
    """

    per_minute: float
    left: float
    at_s: float = 0.0

    def refill(self, now_s: float) -> None:
        grown = self.left + (now_s - self.at_s) * self.per_minute / _MINUTE_S
        self.left, self.at_s = min(grown, self.per_minute), now_s

    def wait_s(self, wanted: float) -> float:
        # What is larger than a minute's worth passes when the bucket is full.
        lacking = min(wanted, self.per_minute) - self.left
        return max(lacking, 0.0) * _MINUTE_S / self.per_minute


@dataclass(slots=True)
class Limiter:
    """Of one deployment.

    Attributes:
        refused: attempts refused so far.
    """

    buckets: tuple[tuple[_Bucket, bool], ...]
    refused: int = field(default=0)

    @classmethod
    def of(cls, deployment: Deployment) -> "Limiter":
        """A limiter of a deployment's limits; full at the start."""
        limits = (
            (deployment.requests_per_minute, False),
            (deployment.tokens_per_minute, True),
        )
        return cls(
            tuple(
                (_Bucket(float(limit), float(limit)), counts_tokens)
                for limit, counts_tokens in limits
                if limit is not None
            )
        )

    def wait_s(self, now_s: float, tokens: int) -> float:
        """0 where an attempt is let through, and counted; else seconds until one would be."""
        if not self.buckets:
            return 0.0
        wait = 0.0
        for bucket, counts_tokens in self.buckets:
            bucket.refill(now_s)
            wait = max(wait, bucket.wait_s(tokens if counts_tokens else 1.0))
        if wait > 0:
            self.refused += 1
            return wait
        for bucket, counts_tokens in self.buckets:
            bucket.left -= tokens if counts_tokens else 1.0
        return 0.0
