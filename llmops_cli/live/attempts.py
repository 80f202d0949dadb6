"""The attempts at one prompt: each is written down before it is sent, and again as it went."""

import time
from collections.abc import Sequence
from dataclasses import replace

from llmops_cli.live.completions import Completion, Failure
from llmops_cli.live.failing_over import Made
from llmops_cli.live.inflight import INTERRUPTED
from llmops_cli.live.replay_model import Target
from llmops_cli.live.shadow_file import ShadowFile
from llmops_cli.live.shadow_spans import Shadowed, Tried

__all__ = ["Attempts"]


class Attempts:
    """Of one prompt, by their numbers from 0.

    Args:
        shadow: the prompt, without attempts yet.
        file: of the replay.
    """

    def __init__(self, shadow: Shadowed, file: ShadowFile) -> None:
        self._shadow, self._file = shadow, file
        self._clock = time.time_ns() - time.monotonic_ns()
        self._tried: dict[int, Tried] = {}

    def begin(self, number: int, target: Target, most_usd: float) -> None:
        """About to be sent; written as it looks where nothing more is heard of it.

        Raises:
            LlmopsError: ``output-unwritable``.
        """
        now = time.time_ns()
        self._tried[number] = Tried(
            provider=target.client.provider,
            model=target.deployment.model,
            server=target.client.server,
            started_ns=now,
            ended_ns=now,
            outcome=Failure(INTERRUPTED, perhaps_billed=True),
            charged_usd=None if target.price is None else most_usd,
        )
        self._note(number)

    def ended(self, number: int, outcome: Completion | Failure, charged_usd: float) -> None:
        """What came of it; written at once, for the call is settled and others may follow.

        Raises:
            LlmopsError: ``output-unwritable``.
        """
        tried = replace(self._tried[number], ended_ns=time.time_ns(), outcome=outcome)
        if tried.charged_usd is not None:
            tried = replace(tried, charged_usd=charged_usd)
        self._tried[number] = tried
        self._note(number)

    def finished(self, made: Sequence[Made]) -> Shadowed | None:
        """The prompt with all of them, by the clock of the client of the whole chain.

        Args:
            made: by that client; those that were never sent among them.

        Returns:
            None where none was sent.
        """
        attempts = [
            replace(
                self._tried[item.number],
                started_ns=self._clock + round(1e9 * item.sent_s),
                ended_ns=self._clock + round(1e9 * item.ended_s),
                outcome=item.outcome,
            )
            for item in made
            if item.number in self._tried
        ]
        return replace(self._shadow, attempts=attempts) if attempts else None

    def _note(self, number: int) -> None:
        until = [tried for at, tried in sorted(self._tried.items()) if at <= number]
        self._file.note(replace(self._shadow, attempts=until))
