"""The loop: every row is asked once per order, within the budget, and written down at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from llmops_cli.live.asking import Asker, Reply
from llmops_cli.live.budget import Budget
from llmops_cli.live.collect_model import FIRST, SWAPPED, Outcome, Row, Settings, Stop
from llmops_cli.live.completions import Client, Completion
from llmops_cli.live.journal import Asked, Journal
from llmops_cli.live.judge_tape import JudgeTape
from llmops_cli.live.prompts import UNPARSABLE, Verdict, read_verdict
from llmops_cli.live.recording import (
    CONFIDENCE,
    ORDER,
    ROW,
    VERDICT,
    Attempt,
    Recorder,
    RowTrace,
)
from llmops_cli.live.side_by_side import side_by_side
from llmops_cli.live.verdicts import about_row, decision, evaluations

__all__ = ["collect_verdicts"]

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
        LlmopsError: ``output-unwritable``, and ``cassette-without-request`` before anything is
            written, where the journal has a cassette.
    """
    outcome = Outcome(len(rows), before=sum(row.id in journal.done for row in rows))
    outcome.spent_usd = budget.spent_usd
    outcome.interrupted, outcome.interrupted_usd = journal.interrupted, journal.interrupted_usd
    asker = Asker(client, budget, settings.retries, lambda: outcome.stop is not None)
    left = [row for row in rows if row.id not in journal.done]
    tape = JudgeTape(journal.cassette, settings, client)
    tape.require(left)
    files = journal, settings.recorder(client), tape
    run = _Run(settings, asker, files, outcome, advance)
    todo = iter(left)
    await side_by_side(settings.concurrency, lambda: run.work(todo))
    return outcome


class _Run:
    """The state that rows in flight share."""

    def __init__(
        self,
        settings: Settings,
        asker: Asker,
        files: tuple[Journal, Recorder, JudgeTape],
        outcome: Outcome,
        advance: Advance,
    ) -> None:
        self._settings, self._asker = settings, asker
        self._journal, self._recorder, self._tape = files
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
                    self._keep(spans)
                trace, reply = await self._ask(row, order, trace)
                trace, found, spans = self._recorded(row, order, trace, reply)
                if found is None:
                    self._unanswered(row, trace, spans, reply)
                    return
            known[order] = found
        self._decide(row, trace, spans, known)

    async def _ask(self, row: Row, order: str, trace: RowTrace) -> tuple[RowTrace, Reply]:
        played = self._tape.play(row, order)
        if played is not None:
            recorded, reply = played
            # The second order belongs to the trace that the first began.
            return trace if trace.trace_id == recorded.trace_id else recorded, reply

        def note(attempts: Sequence[Attempt]) -> None:
            span = self._spans(row, order, trace, attempts)[-1]
            self._journal.note(span["spanId"], self._recorder.line([span]))

        reply = await self._asker.ask(self._settings.request(row, order), note)
        self._tape.record(row, order, trace, reply)
        return trace, reply

    def _recorded(
        self, row: Row, order: str, trace: RowTrace, reply: Reply
    ) -> tuple[RowTrace, Asked | None, list[dict[str, Any]]]:
        self._outcome.requests += 0 if reply.played else len(reply.attempts)
        self._outcome.played += reply.played
        if not reply.attempts:
            return trace, None, []
        first, last = reply.attempts[0], reply.attempts[-1]
        trace = trace if trace.started_ns else replace(trace, started_ns=first.started_ns)
        found = None
        if reply.completion is not None:
            seconds = (last.ended_ns - last.started_ns) / 1e9
            verdict = self._verdict(order, reply.completion)
            found = Asked(verdict, reply.charged_usd, seconds, last.ended_ns)
        return trace, found, self._spans(row, order, trace, reply.attempts)

    def _spans(
        self, row: Row, order: str, trace: RowTrace, attempts: Sequence[Attempt]
    ) -> list[dict[str, Any]]:
        said: dict[str, Any] = {ROW: row.id, ORDER: order}
        outcome = attempts[-1].outcome
        if isinstance(outcome, Completion):
            verdict = self._verdict(order, outcome)
            said |= {VERDICT: verdict.label, CONFIDENCE: verdict.confidence}
        prompt = self._settings.request(row, order).prompt if self._recorder.keep_content else ""
        belongs = row.conversation or row.id
        return self._recorder.attempts(
            attempts, trace, conversation=belongs, said=said, prompt=prompt
        )

    def _verdict(self, order: str, answer: Completion) -> Verdict:
        verdict = read_verdict(answer.text, self._settings.labels)
        return verdict.unswapped() if order == SWAPPED else verdict

    def _keep(self, spans: Sequence[dict[str, Any]]) -> None:
        self._journal.add_spans(self._recorder.line(spans), [span["spanId"] for span in spans])

    def _unanswered(
        self, row: Row, trace: RowTrace, spans: list[dict[str, Any]], reply: Reply
    ) -> None:
        """No verdict: what was sent is recorded all the same, and the trace ends here."""
        kind = "budget_exhausted" if reply.failure is None else reply.failure.kind
        if spans or trace.started_ns:
            ended = reply.attempts[-1].ended_ns if reply.attempts else trace.started_ns
            about = about_row(row.id, row.conversation or row.id, row.carried)
            whole = self._recorder.row(trace, ended, attributes=about, evaluations=(), failed=kind)
            self._keep([*spans, whole])
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
            self._keep([*spans, whole])
        at = datetime.fromtimestamp(known[FIRST].ended_ns / 1e9, tz=UTC)
        made = decision(row.id, self._settings.model, known[FIRST], swapped, at)
        self._journal.add_decision({**made, **row.carried})
        self._outcome.decided += 1
        self._outcome.unparsable += sum(item.verdict.label == UNPARSABLE for item in known.values())
