"""A replay that dies at any request: what was in flight counts against the cap of the next run.

The files are written without a buffer, so what is in them when a request is sent is what a kill
at that moment leaves. Each such moment is gone on with, as the next run would.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli import audit_traces
from llmops_cli.errors import LlmopsError
from llmops_cli.failover.policy import Backoff, Deployment, FailoverPolicy
from llmops_cli.live.budget import Budget
from llmops_cli.live.cassette import Cassette, RecordMode
from llmops_cli.live.completions import Completion, Failure, Patience, Usage
from llmops_cli.live.inflight import InFlight, beside, left_in
from llmops_cli.live.ledger import Ledger
from llmops_cli.live.lines import objects
from llmops_cli.live.prompted import Prompted
from llmops_cli.live.replay_model import ReplayOutcome, ReplaySettings, Target, most_usage
from llmops_cli.live.replaying import replay_prompts
from llmops_cli.live.shadow_file import ShadowFile
from llmops_cli.traffic import read_telemetry

GOOD = Completion("yes", "m-1", "r", "stop", Usage(5, 7), first_s=1e-6)
FAULTS = {
    "busy": Failure("rate_limit_error", status=429, retryable=True),
    "cut": Failure("cut_short", retryable=True, perhaps_billed=True),
    "bad": Failure("invalid_request_error", status=400),
}
SETTINGS = ReplaySettings(
    policy=FailoverPolicy(backoff=Backoff(attempts=2, first_wait_s=0.0), breaker=None),
    max_output_tokens=10,
    concurrency=3,
)


def price(usage: Usage) -> float:
    return usage.input_tokens / 1e6 + usage.output_tokens / 1e3


def prompts(count: int) -> list[Prompted]:
    def body(at: int) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": f"question {at}"}]}

    return [Prompted(f"c{at}", f"c{at}", "", {"openai": body(at)}, (0,)) for at in range(count)]


MOST_USD = price(most_usage({"model": "m", "max_completion_tokens": 10,
                             **prompts(1)[0].bodies["openai"]}, 10))  # fmt: skip


@dataclass
class Moment:
    """What a kill at one request leaves: two files, and a bill nobody has seen the end of."""

    spans: bytes
    inflight: bytes
    requests: int
    billed_usd: float


@dataclass
class Provider:
    """Answers by script, and keeps what a kill at each request would leave."""

    path: Path
    script: list[str]
    asked: Counter[str] = field(default_factory=Counter[str])
    requests: int = 0
    billed_usd: float = 0.0
    moments: list[Moment] = field(default_factory=list[Moment])
    provider: str = "openai"
    server: tuple[str, int] = ("localhost", 80)

    async def converse(self, body: Mapping[str, Any], patience: Patience) -> Completion:
        del patience
        fault = self.script[self.requests % len(self.script)]
        self.requests += 1
        self.asked[body["messages"][0]["content"]] += 1
        # The provider answers and bills whatever becomes of the one who asked.
        self.billed_usd += {"cut": MOST_USD, "ok": price(GOOD.usage)}.get(fault, 0.0)
        files = self.path.read_bytes(), beside(self.path).read_bytes()
        self.moments.append(Moment(*files, self.requests, self.billed_usd))
        await asyncio.sleep(0)
        if fault in FAULTS:
            raise FAULTS[fault]
        return GOOD

    async def close(self) -> None:
        """Nothing is open."""


def run(
    path: Path, script: list[str], count: int, cap_usd: float, tape: Path | None = None
) -> tuple[ReplayOutcome, Any]:
    async def replayed() -> tuple[ReplayOutcome, Provider]:
        client = Provider(path, script)
        target = Target(Deployment(name="a", provider="openai", model="m"), "openai",
                        client, price)  # type: ignore[arg-type]  # fmt: skip
        cassette = None if tape is None else Cassette(tape, RecordMode.NEW_EPISODES)
        recorded = frozenset() if cassette is None else cassette.span_ids
        file = ShadowFile(path, settings="same", resume=True, recorded=recorded)
        budget = Budget(cap_usd, lambda _: 0.0, spent_usd=file.spent_usd)
        try:
            return await replay_prompts(
                prompts(count), [target], SETTINGS, Ledger(budget, file, cassette)
            ), client
        finally:
            file.close()
            if cassette is not None:
                cassette.close()

    return asyncio.run(replayed())


def attempts(path: Path) -> list[tuple[str, str, float]]:
    """Span, call and charge of every attempt in the file."""
    found = []
    for _, export in objects(path):
        for span in export["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            about = {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}
            if span["parentSpanId"]:
                known = about["llmops.replay.call_id"], about["llmops.replay.charged_usd"]
                found.append((span["spanId"], *known))
    return found


@settings(max_examples=8)
@given(
    script=st.lists(st.sampled_from(["ok", "ok", "ok", *FAULTS]), min_size=1, max_size=9),
    count=st.integers(1, 7),
    share=st.floats(0.2, 2.0),
)
def test_a_run_that_dies_at_any_request_never_exceeds_the_cap_with_the_next(
    script: list[str], count: int, share: float
) -> None:
    cap = count * MOST_USD * share
    with TemporaryDirectory() as folder:
        _, first = run(Path(folder) / "s.jsonl", script, count, cap)
        for at, moment in enumerate(first.moments):
            path = Path(folder) / f"killed{at}.jsonl"
            path.write_bytes(moment.spans)
            beside(path).write_bytes(moment.inflight)
            outcome, again = run(path, ["ok"], count, cap)
            # All that both runs may have been billed, and what they hold against the cap.
            assert moment.billed_usd + again.billed_usd <= outcome.spent_usd + 1e-9
            assert outcome.spent_usd <= cap + 1e-9
            found = attempts(path)
            assert len(found) == len({span for span, _, _ in found})
            assert len(found) == moment.requests + again.requests
            assert sum(usd for _, _, usd in found) == pytest.approx(outcome.spent_usd)
            assert 1 <= outcome.interrupted <= SETTINGS.concurrency
            assert outcome.interrupted_usd == pytest.approx(outcome.interrupted * MOST_USD)
            assert not beside(path).exists()
            # And once more: nothing is counted twice.
            file = ShadowFile(path, settings="same", resume=True)
            file.close()
            assert file.spent_usd == pytest.approx(outcome.spent_usd)


def test_what_a_kill_left_on_the_cassette_alone_is_played_and_not_asked_again(
    tmp_path: Path,
) -> None:
    path, tape = tmp_path / "s.jsonl", tmp_path / "c.jsonl"
    _, first = run(path, ["busy", "ok", "ok", "ok", "ok"], 4, 1.0, tape)
    whole = path.read_bytes()
    *lines, _ = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(lines))
    beside(path).write_bytes(first.moments[-1].inflight)
    outcome, again = run(path, ["ok"], 4, 1.0, tape)
    assert (again.requests, outcome.left, outcome.played) == (0, 0, 1)
    assert path.read_bytes() == whole


def test_what_was_in_flight_is_a_span_that_the_audit_takes(tmp_path: Path) -> None:
    _, first = run(tmp_path / "s.jsonl", ["ok", "busy"], 3, 1.0)
    moment = first.moments[-1]
    path = tmp_path / "killed.jsonl"
    path.write_bytes(moment.spans)
    beside(path).write_bytes(moment.inflight)
    outcome, _ = run(path, ["ok"], 3, 1.0)
    assert outcome.interrupted
    assert "interrupted" in path.read_text()
    read = read_telemetry([path])
    report = audit_traces(read.calls, read.spans, joins=read.joins)
    assert [item.slug for item in report.findings if item.severity != "note"] == []


def test_a_file_whose_first_calls_were_in_flight_is_not_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    _, first = run(path, ["ok"], 1, 1.0)
    path.write_bytes(b"")
    beside(path).write_bytes(first.moments[0].inflight)
    with pytest.raises(LlmopsError) as caught:
        ShadowFile(path, settings="same", resume=False)
    assert caught.value.slug == "collect-output-exists"
    with pytest.raises(LlmopsError) as caught:
        ShadowFile(path, settings="other", resume=True)
    assert caught.value.slug == "replay-other-settings"
    assert beside(path).read_bytes() == first.moments[0].inflight  # the money is not forgotten


@pytest.mark.parametrize("line", [b"no json\n", b"[]\n", b'{"resourceSpans": [{}]}\n'])
def test_a_journal_of_something_else_is_refused_by_line(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    beside(path).write_bytes(line)
    with pytest.raises(LlmopsError) as caught:
        ShadowFile(path, settings="same", resume=True)
    assert (caught.value.slug, caught.value.line) == ("collect-damaged", 1)
    assert caught.value.file == str(beside(path))
    assert beside(path).read_bytes() == line


def line_of(span: int) -> bytes:
    scoped = b'{"spans":[{"spanId":"%d","attributes":[]}]}' % span
    return b'{"resourceSpans":[{"resource":{"attributes":[]},"scopeSpans":[%s]}]}\n' % scoped


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_the_journal_holds_what_is_in_flight_and_stays_small(
    steps: list[tuple[int, bool]],
) -> None:
    with TemporaryDirectory() as folder:
        spans = Path(folder) / "s.jsonl"
        journal = InFlight(spans, crowded=4)
        open_now: set[str] = set()
        for span, ends in steps:
            if ends:
                journal.written([str(span)])
                open_now.discard(str(span))
            else:
                journal.note(str(span), line_of(span))
                open_now.add(str(span))
            assert beside(spans).read_bytes().count(b"\n") <= len(open_now) + 4
            left = left_in(beside(spans))
            assert open_now <= set(left)
        journal.close()
        assert beside(spans).exists() == bool(open_now)
