"""A judge's calls on a cassette: each row in each order is a line, played instead of asked."""

from collections.abc import Iterable
from typing import Any

from llmops_cli.live.asking import Reply
from llmops_cli.live.cassette import Cassette
from llmops_cli.live.collect_model import Row, Settings
from llmops_cli.live.completions import Client, Completion, Failure
from llmops_cli.live.episodes import Episode, Recorded, digest_of, recorded_of
from llmops_cli.live.recording import Attempt, RowTrace

__all__ = ["JudgeTape"]


class JudgeTape:
    """What a cassette holds of a judge.

    Args:
        cassette: to play and to record on; None asks everything and records nothing.
        settings: how rows are judged.
        client: of the judge's provider.
    """

    def __init__(self, cassette: Cassette | None, settings: Settings, client: Client) -> None:
        self._cassette, self._settings, self._client = cassette, settings, client

    def require(self, rows: Iterable[Row]) -> None:
        """Refuse rows that are not on it, where nothing may be sent.

        Raises:
            LlmopsError: ``cassette-without-request``.
        """
        if self._cassette is not None:
            orders = self._settings.orders
            self._cassette.require(self._name(row, order) for row in rows for order in orders)

    def holds(self, row: Row) -> bool:
        """Whether a row is judged without a call."""
        tape = self._cassette
        names = (self._name(row, order) for order in self._settings.orders)
        return tape is not None and all(tape.answers(*name) for name in names)

    def play(self, row: Row, order: str) -> tuple[RowTrace, Reply] | None:
        """What came of a call when it was recorded; None where it is to be asked."""
        tape = self._cassette
        episode = None if tape is None else tape.find(*self._name(row, order))
        if tape is None or episode is None or (episode.answer is None and tape.records):
            return None
        first = episode.attempts[0].started_ns
        trace = RowTrace(first, episode.trace_id, episode.span_id)
        attempts = tuple(_attempt(item) for item in episode.attempts)
        outcome = attempts[-1].outcome
        failure = outcome if isinstance(outcome, Failure) else None
        return trace, Reply(attempts, completion=episode.answer, failure=failure, played=True)

    def record(self, row: Row, order: str, trace: RowTrace, reply: Reply) -> None:
        """Keep what came of a call; what the cap broke off is no answer."""
        tape = self._cassette
        if tape is None or reply.played or reply.unaffordable or not reply.attempts:
            return
        name, request = self._name(row, order)
        about = {
            "provider": self._client.provider,
            "model": self._settings.model,
            "server": self._client.server,
        }
        tape.add(
            Episode(
                id=name,
                request=request,
                trace_id=trace.trace_id,
                span_id=trace.span_id,
                attempts=[_recorded(item, about) for item in reply.attempts],
            )
        )

    def _name(self, row: Row, order: str) -> tuple[str, str]:
        asked = self._settings.request(row, order)
        limit = asked.max_output_tokens
        what = [self._client.provider, asked.model, asked.prompt, asked.schema, limit]
        return f"{row.id}/{order}", digest_of(what)


def _attempt(item: Recorded) -> Attempt:
    outcome = item.outcome
    if outcome is None:  # a judge has no second deployment to answer first
        outcome = Failure("cancelled")
    return Attempt(item.started_ns, item.ended_ns, outcome, item.charged_usd, item.span_id)


def _recorded(attempt: Attempt, about: dict[str, Any]) -> Recorded:
    outcome: Completion | Failure = attempt.outcome
    return recorded_of(
        outcome,
        started_ns=attempt.started_ns,
        ended_ns=attempt.ended_ns,
        charged_usd=attempt.charged_usd,
        span_id=attempt.span_id,
        **about,
    )
