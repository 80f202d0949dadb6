"""Where a replay keeps what it did: its budget, its spans, and a cassette where it records one."""

from dataclasses import dataclass

from llmops_cli.live.budget import Budget
from llmops_cli.live.cassette import Cassette
from llmops_cli.live.episodes import Episode, recorded_of
from llmops_cli.live.shadow_file import ShadowFile
from llmops_cli.live.shadow_spans import Shadowed

__all__ = ["Ledger"]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Of one run.

    Attributes:
        budget: never exceeded, by all runs into the file together.
        file: what was answered before, and where the rest is written.
        cassette: played first; what is asked is recorded on it.
    """

    budget: Budget
    file: ShadowFile
    cassette: Cassette | None = None

    def add(self, shadow: Shadowed, request: str | None) -> None:
        """Write one prompt that was asked; it is on the disk when this returns.

        Args:
            shadow: with its attempts.
            request: digest of what was asked; None for what the cap broke off, which is no answer.

        Raises:
            LlmopsError: ``output-unwritable``.
        """
        if self.cassette is not None and request is not None:
            # First: what a kill leaves on the cassette alone is played into the file.
            self.cassette.add(_episode(shadow, request))
        self.file.add(shadow)


def _episode(shadow: Shadowed, request: str) -> Episode:
    """The recording of one prompt.

    Args:
        shadow: with its attempts.
        request: digest of what was asked.
    """
    attempts = [
        recorded_of(
            item.outcome,
            provider=item.provider,
            model=item.model,
            server=item.server,
            started_ns=item.started_ns,
            ended_ns=item.ended_ns,
            charged_usd=item.charged_usd,
            span_id=item.span_id,
        )
        for item in shadow.attempts
    ]
    return Episode(
        id=shadow.call_id,
        request=request,
        trace_id=shadow.trace_id,
        span_id=shadow.span_id,
        attempts=attempts,
    )
