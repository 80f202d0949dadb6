"""What a judge is asked to judge, how, and what a run comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from typing import Any

from llmops_cli.failover.policy import Backoff
from llmops_cli.live.completions import Client, Failure, Request
from llmops_cli.live.otlp_export import Exported
from llmops_cli.live.prompts import Template, verdict_schema
from llmops_cli.live.recording import Recorder

__all__ = ["FIRST", "SWAPPED", "Outcome", "Row", "Settings", "Stop"]

FIRST, SWAPPED = "first", "swapped"


@dataclass(frozen=True, slots=True)
class Row:
    """One row to judge.

    Attributes:
        id: under which its verdict is filed; asked once.
        values: the text of each column of the template.
        carried: columns that go into its decision as they are.
        conversation: what the row belongs to; itself where nothing says it.
        response_id: of the judged answer in its own log, where it is known.
    """

    id: str
    values: Mapping[str, str]
    carried: Mapping[str, Any] = field(default_factory=dict[str, Any])
    conversation: str = ""
    response_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How rows are judged.

    Attributes:
        model: the judge.
        template: its prompt.
        labels: the verdicts it may give.
        max_output_tokens: of one answer.
        structured: whether the verdict is asked for by schema.
        concurrency: calls in flight.
        retries: when a failed request is sent again.
        give_up_after: rows that fail one after another before the run ends.
        keep_content: whether prompts and answers go into the spans.
    """

    model: str
    template: Template
    labels: tuple[str, ...]
    max_output_tokens: int = 1024
    structured: bool = True
    concurrency: int = 4
    retries: Backoff = field(default_factory=Backoff)
    give_up_after: int = 5
    keep_content: bool = False

    @property
    def orders(self) -> tuple[str, ...]:
        """The orders in which a row is asked; pairs in both."""
        return (FIRST, SWAPPED) if self.template.pairwise else (FIRST,)

    def request(self, row: Row, order: str) -> Request:
        """What is sent about a row."""
        prompt = self.template.filled(row.values, swapped=order == SWAPPED)
        schema = verdict_schema(self.labels) if self.structured else None
        return Request(self.model, prompt, schema, self.max_output_tokens)

    def digest(self, client: Client) -> str:
        """Tells runs apart whose verdicts must not be mixed."""
        where = (client.provider, client.server)
        parts = (*where, self.model, self.template.digest, self.labels, self.structured)
        return blake2b(repr(parts).encode(), digest_size=8).hexdigest()

    def recorder(self, client: Client) -> Recorder:
        """Writes the spans of a run."""
        return Recorder(
            provider=client.provider,
            server=client.server,
            model=self.model,
            max_output_tokens=self.max_output_tokens,
            output_type="json" if self.structured else "text",
            settings=self.digest(client),
            keep_content=self.keep_content,
        )


class Stop(Enum):
    """Why a run ended before its rows did."""

    CAP = "cap"
    PROVIDER = "provider"


@dataclass(slots=True)
class Outcome:
    """What a run came to.

    Attributes:
        rows: all rows given.
        before: of them done by earlier runs.
        decided: done by this run.
        unparsable: verdicts of this run that could not be read.
        failed: rows of this run that got no answer.
        requests: sent by this run, retries among them.
        played: calls of this run that were answered by a cassette.
        spent_usd: by all runs into these files.
        interrupted: calls that were in flight when one of them died.
        interrupted_usd: the most that these can have cost; in ``spent_usd``.
        stop: why it ended early.
        failure: the last one.
        exported: what came of the spans at an OTLP endpoint; None where none was asked for.
    """

    rows: int
    before: int = 0
    decided: int = 0
    unparsable: int = 0
    failed: int = 0
    requests: int = 0
    played: int = 0
    spent_usd: float = 0.0
    interrupted: int = 0
    interrupted_usd: float = 0.0
    stop: Stop | None = None
    failure: Failure | None = None
    exported: Exported | None = None

    @property
    def left(self) -> int:
        """Rows without a decision."""
        return self.rows - self.before - self.decided
