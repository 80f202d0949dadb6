"""The format of a cassette: a line of JSON for each request that was asked to its end.

A line holds what came of it, attempt by attempt, and a digest of what was asked: no prompt and no
key. The answers are on it as they came.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Annotated, Any, Literal

import msgspec

from llmops_cli.live.completions import Completion, Failure

__all__ = ["SCHEMA", "Episode", "Failed", "Recorded", "cassette_schema", "digest_of", "recorded_of"]

SCHEMA = "llmops.cassette/1"

Count = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
SpanId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
TraceId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]


class Failed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an attempt brought no answer; of the headers only the wait that was asked for."""

    kind: str
    status: int | None = None
    retryable: bool = False
    fatal: bool = False
    retry_after_s: Seconds | None = None
    perhaps_billed: bool = False


class Recorded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt: an answer, a failure, or neither where another answered first."""

    provider: str
    model: str
    server: tuple[str, int]
    started_ns: Count
    ended_ns: Count
    span_id: SpanId
    charged_usd: Seconds | None = None
    answer: Completion | None = None
    failure: Failed | None = None

    @property
    def outcome(self) -> Completion | Failure | None:
        """What came of it, as when it was recorded."""
        if self.failure is None:
            return self.answer
        return Failure(
            self.failure.kind,
            status=self.failure.status,
            retryable=self.failure.retryable,
            fatal=self.failure.fatal,
            retry_after_s=self.failure.retry_after_s,
            perhaps_billed=self.failure.perhaps_billed,
        )


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """All attempts at one request.

    ``id`` names the row that asked; ``request`` is a digest of what it asked.
    """

    schema: Literal["llmops.cassette/1"] = SCHEMA
    id: str
    request: str
    trace_id: TraceId
    span_id: SpanId
    attempts: Annotated[list[Recorded], msgspec.Meta(min_length=1)]

    @property
    def answer(self) -> Completion | None:
        """The answer of the attempt that brought one."""
        return next((item.answer for item in self.attempts if item.answer is not None), None)


def recorded_of(outcome: Completion | Failure | None, **about: Any) -> Recorded:  # noqa: ANN401 - fields of Recorded
    """An attempt for the cassette.

    Args:
        outcome: what came of it.
        about: the other fields.
    """
    if not isinstance(outcome, Failure):
        return Recorded(answer=outcome, **about)
    failed = Failed(
        kind=outcome.kind,
        status=outcome.status,
        retryable=outcome.retryable,
        fatal=outcome.fatal,
        retry_after_s=outcome.retry_after_s,
        perhaps_billed=outcome.perhaps_billed,
    )
    return Recorded(failure=failed, **about)


def digest_of(asked: Sequence[Any] | Mapping[str, Any]) -> str:
    """Tells requests apart without showing them.

    Args:
        asked: of whom and what, as JSON; the order of keys does not count.
    """
    return blake2b(msgspec.json.encode(asked, order="deterministic"), digest_size=16).hexdigest()


def cassette_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a line of a cassette."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llmops cassette",
        **msgspec.json.schema(Episode),
    }
