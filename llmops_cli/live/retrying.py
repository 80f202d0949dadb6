"""Whether a failed attempt is repeated, and when: a pure decision, for client and simulator."""

from dataclasses import dataclass

from llmops_cli.live.completions import Failure

__all__ = ["RetryPolicy"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with jitter; a provider's own word on the wait comes first.

    Attributes:
        attempts: requests per call at most, the first among them.
        first_wait_s: before the second attempt; doubled before each later one.
        longest_backoff_s: where doubling ends.
        longest_wait_s: a provider that asks for more than this is not waited for.
    """

    attempts: int = 5
    first_wait_s: float = 0.5
    longest_backoff_s: float = 16.0
    longest_wait_s: float = 60.0

    def wait_s(self, attempt: int, failure: Failure, draw: float) -> float | None:
        """Seconds until the next attempt; None when there is none.

        Args:
            attempt: attempts made so far.
            failure: of the last one.
            draw: uniform in [0, 1); spreads clients that failed together.
        """
        if attempt >= self.attempts or not failure.retryable:
            return None
        asked = failure.retry_after_s
        if asked is not None:
            # Never earlier than asked, and not everybody at that same moment.
            return asked + 0.1 * draw if asked <= self.longest_wait_s else None
        step = min(self.first_wait_s * 2.0 ** (attempt - 1), self.longest_backoff_s)
        return step * (0.5 + 0.5 * draw)
