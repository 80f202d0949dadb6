"""What is asked of a model and what comes back, whoever serves it; no SDK is imported here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Client", "Completion", "Failure", "Patience", "Request", "Usage"]


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model.

    Attributes:
        model: as the provider calls it.
        prompt: the user's message.
        schema: JSON schema of the answer; None asks for plain text.
        max_output_tokens: the answer ends here, reasoning included.
    """

    model: str
    prompt: str
    schema: Mapping[str, Any] | None
    max_output_tokens: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer in the disjoint classes of the calls table."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int | None = None

    @property
    def prompt_tokens(self) -> int:
        """All input, cached or not: what the conventions call input tokens."""
        return self.input_tokens + self.cache_read_tokens + self.cache_creation_tokens

    @property
    def cache_creation_tokens(self) -> int:
        """Written to the cache, whatever its lifetime."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer.

    Attributes:
        text: what was said; of a structured answer its JSON.
        model: that answered.
        response_id: the provider's id of the answer.
        finish_reason: why generation stopped, in the provider's word.
        usage: tokens billed.
        service_tier: where the provider says one.
        first_s: seconds until something of it came; None where it came whole.
        body: the answer in the API's own words, tool calls and all; None where only text counts.
    """

    text: str
    model: str
    response_id: str
    finish_reason: str
    usage: Usage
    service_tier: str | None = None
    first_s: float | None = None
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a stream is waited for.

    Attributes:
        first_token_s: until something of the answer comes; None for as long as it takes.
        stall_s: between two pieces of it; None for as long as it takes.
    """

    first_token_s: float | None = None
    stall_s: float | None = None


class Failure(Exception):  # noqa: N818 - it is a result as often as it is raised
    """An attempt without an answer; holds nothing the server or the user wrote but a plain code.

    Args:
        kind: the provider's error code where it is a plain word, else ours.
        status: HTTP status; None where no answer came.
        retryable: whether the same request may succeed later.
        fatal: whether no other request can succeed either: the key, the model, the account.
        retry_after_s: how long the provider asks to wait.
        perhaps_billed: whether the provider may have answered, and charged, all the same.
    """

    def __init__(
        self,
        kind: str,
        *,
        status: int | None = None,
        retryable: bool = False,
        fatal: bool = False,
        retry_after_s: float | None = None,
        perhaps_billed: bool = False,
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.status = status
        self.retryable = retryable
        self.fatal = fatal
        self.retry_after_s = retry_after_s
        self.perhaps_billed = perhaps_billed

    @property
    def words(self) -> str:
        """What happened, for a message."""
        return self.kind if self.status is None else f"HTTP {self.status}, {self.kind}"


class Client(Protocol):
    """A provider as the rest of this room sees it."""

    @property
    def provider(self) -> str:
        """As OpenTelemetry names it."""
        ...

    @property
    def server(self) -> tuple[str, int]:
        """Host and port."""
        ...

    async def complete(self, request: Request) -> Completion:
        """Send one request, once.

        Raises:
            Failure: there is no answer that can be read.
        """
        ...

    async def converse(self, body: Mapping[str, Any], patience: Patience) -> Completion:
        """Send a whole conversation, once, and take the answer as a stream.

        Args:
            body: as the provider's API wants it, without ``stream``.
            patience: how long the stream is waited for.

        Raises:
            Failure: no whole answer came.
        """
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...
