"""The loop: every row is asked once per order, within the budget, and written down at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from hashlib import blake2b
from typing import Any

from llmops_cli.failover.policy import Backoff
from llmops_cli.live.asking import Asker, Reply
from llmops_cli.live.budget import Budget
from llmops_cli.live.completions import Client, Failure, Request
from llmops_cli.live.journal import Asked, Journal
from llmops_cli.live.prompts import UNPARSABLE, Template, read_verdict, verdict_schema
from llmops_cli.live.recording import CONFIDENCE, ORDER, ROW, VERDICT, Recorder, RowTrace
from llmops_cli.live.side_by_side import side_by_side
from llmops_cli.live.verdicts import about_row, decision, evaluations

__all__ = ["Outcome", "Row", "Settings", "Stop", "collect_verdicts"]

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
        spent_usd: by all runs into these files.
        stop: why it ended early.
        failure: the last one.
    """

    rows: int
    before: int = 0
    decided: int = 0
    unparsable: int = 0
    failed: int = 0
    requests: int = 0
    spent_usd: float = 0.0
    stop: Stop | None = None
    failure: Failure | None = None

    @property
    def left(self) -> int:
        """Rows without a decision."""
        return self.rows - self.before - self.decided


Advance = Callable[[Outcome], None]


async def collect_verdicts(
    rows: Sequence[Row],
    client: Client,
    settings: Settings,
    journal: Journal,
    budget: Budget,
    advance: Advance = lambda _: None,
) -> Outcome:
    """Ask for the verdict on every row that has none yet.

    Args:
        rows: with ids of their own.
        client: of the judge's provider.
        settings: how they are judged.
        journal: what is done already, and where the rest is written.
        budget: never exceeded, by all runs into these files together.
        advance: told after each row.

    Raises:
        LlmopsError: ``output-unwritable``.
    """
    outcome = Outcome(len(rows), before=sum(row.id in journal.done for row in rows))
    outcome.spent_usd = budget.spent_usd
    asker = Asker(client, budget, settings.retries, lambda: outcome.stop is not None)
    run = _Run(settings, asker, journal, settings.recorder(client), outcome, advance)
    todo = iter([row for row in rows if row.id not in journal.done])
    await side_by_side(settings.concurrency, lambda: run.work(todo))
    return outcome


class _Run:
    """The state that rows in flight share."""

    def __init__(
        self,
        settings: Settings,
        asker: Asker,
        journal: Journal,
        recorder: Recorder,
        outcome: Outcome,
        advance: Advance,
    ) -> None:
        self._settings, self._asker = settings, asker
        self._journal, self._recorder = journal, recorder
        self._outcome, self._advance = outcome, advance
        self._failed_in_a_row = 0

    async def work(self, todo: Iterator[Row]) -> None:
        """Judge rows until there are none or the run ends."""
        while self._outcome.stop is None and (row := next(todo, None)) is not None:
            await self._judge(row)
            self._outcome.spent_usd = self._asker.budget.spent_usd
            self._advance(self._outcome)

    async def _judge(self, row: Row) -> None:
        trace = self._journal.trace(row.id) or RowTrace()
        known: dict[str, Asked] = {}
        spans: list[dict[str, Any]] = []
        for order in self._settings.orders:
            found = self._journal.asked(row.id, order)
            if found is None:
                if spans:  # an answer is paid for: on the disk before the next request
                    self._journal.add_spans(self._recorder.line(spans))
                reply = await self._asker.ask(self._settings.request(row, order))
                trace, found, spans = self._recorded(row, order, trace, reply)
                if found is None:
                    self._unanswered(row, trace, spans, reply)
                    return
            known[order] = found
        self._decide(row, trace, spans, known)

    def _recorded(
        self, row: Row, order: str, trace: RowTrace, reply: Reply
    ) -> tuple[RowTrace, Asked | None, list[dict[str, Any]]]:
        self._outcome.requests += len(reply.attempts)
        if not reply.attempts:
            return trace, None, []
        first, last = reply.attempts[0], reply.attempts[-1]
        trace = trace if trace.started_ns else replace(trace, started_ns=first.started_ns)
        said: dict[str, Any] = {ROW: row.id, ORDER: order}
        found = None
        if reply.completion is not None:
            verdict = read_verdict(reply.completion.text, self._settings.labels)
            verdict = verdict.unswapped() if order == SWAPPED else verdict
            said |= {VERDICT: verdict.label, CONFIDENCE: verdict.confidence}
            seconds = (last.ended_ns - last.started_ns) / 1e9
            found = Asked(verdict, reply.charged_usd, seconds, last.ended_ns)
        prompt = self._settings.request(row, order).prompt if self._recorder.keep_content else ""
        belongs = row.conversation or row.id
        spans = self._recorder.attempts(
            reply.attempts, trace, conversation=belongs, said=said, prompt=prompt
        )
        return trace, found, spans

    def _unanswered(
        self, row: Row, trace: RowTrace, spans: list[dict[str, Any]], reply: Reply
    ) -> None:
        """No verdict: what was sent is recorded all the same, and the trace ends here."""
        kind = "budget_exhausted" if reply.failure is None else reply.failure.kind
        if spans or trace.started_ns:
            ended = reply.attempts[-1].ended_ns if reply.attempts else trace.started_ns
            about = about_row(row.id, row.conversation or row.id, row.carried)
            whole = self._recorder.row(trace, ended, attributes=about, evaluations=(), failed=kind)
            self._journal.add_spans(self._recorder.line([*spans, whole]))
        if reply.failure is None:
            self._outcome.stop = self._outcome.stop or Stop.CAP
            return
        self._outcome.failed += 1
        self._outcome.failure = reply.failure
        self._failed_in_a_row += 1
        if reply.failure.fatal or self._failed_in_a_row >= self._settings.give_up_after:
            self._outcome.stop = Stop.PROVIDER

    def _decide(
        self, row: Row, trace: RowTrace, spans: list[dict[str, Any]], known: dict[str, Asked]
    ) -> None:
        self._failed_in_a_row = 0
        swapped = known.get(SWAPPED)
        if spans:
            ended = max(item.ended_ns for item in known.values())
            events = evaluations(
                known[FIRST].verdict,
                swapped.verdict if swapped else None,
                labels=self._settings.labels,
                gold=row.carried.get("gold"),
                response_id=row.response_id,
            )
            about = about_row(row.id, row.conversation or row.id, row.carried)
            whole = self._recorder.row(trace, ended, attributes=about, evaluations=events)
            self._journal.add_spans(self._recorder.line([*spans, whole]))
        at = datetime.fromtimestamp(known[FIRST].ended_ns / 1e9, tz=UTC)
        made = decision(row.id, self._settings.model, known[FIRST], swapped, at)
        self._journal.add_decision({**made, **row.carried})
        self._outcome.decided += 1
        self._outcome.unparsable += sum(item.verdict.label == UNPARSABLE for item in known.values())
