"""The loop: every row once per order, within the cap, recorded as it was served, and resumable."""

import asyncio
import dataclasses
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli import audit_traces, read_calls
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.failover.policy import Backoff
from llmops_cli.live import (
    PAIR,
    QUALITY,
    Budget,
    Completion,
    Failure,
    Journal,
    Outcome,
    Request,
    Row,
    Settings,
    Stop,
    Template,
    Usage,
    collect_verdicts,
    open_client,
)
from llmops_cli.traffic import read_telemetry
from llmops_cli.traffic.decisions import read_decisions

PROVIDER = run_path(str(Path(__file__).with_name("provider.py")))
serving, Act, KEY = PROVIDER["serving"], PROVIDER["Act"], PROVIDER["KEY"]

FAST = Backoff(attempts=3, first_wait_s=0.001)
BOTH = pytest.mark.parametrize("provider", ["anthropic", "openai"])


def price(usage: Usage) -> float:
    return (usage.prompt_tokens * 1.0 + usage.output_tokens * 5.0) / 1e6


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)


def singles(n: int, **more: Any) -> list[Row]:  # noqa: ANN401 - carried columns
    return [
        Row(f"r{i}", {"question": f"secret q{i}", "answer": f"secret a{i}"}, dict(more))
        for i in range(n)
    ]


def pairs(n: int) -> list[Row]:
    texts = ("question", "answer_a", "answer_b")
    return [Row(f"r{i}", {name: f"{name} of <{i}>" for name in texts}) for i in range(n)]


def judge(template: str = QUALITY, **more: Any) -> Settings:  # noqa: ANN401 - fields of Settings
    labels = ("A", "B", "tie") if template == PAIR else ("accept", "reject")
    given = {"model": "judge-x", "retries": FAST, "max_output_tokens": 50, "labels": labels}
    return Settings(template=Template(template), **{**given, **more})


def run(
    folder: Path,
    rows: list[Row],
    how: Settings,
    client: Any,  # noqa: ANN401 - ours or a real one
    *,
    cap: float | None = None,
    resume: bool = False,
) -> Outcome:
    async def whole() -> Outcome:
        journal = Journal(
            folder / "d.jsonl", folder / "s.jsonl", settings=how.digest(client), resume=resume
        )
        try:
            budget = Budget(cap, price, spent_usd=journal.spent_usd)
            return await collect_verdicts(rows, client, how, journal, budget)
        finally:
            journal.close()
            await client.close()

    return asyncio.run(whole())


def asked(
    folder: Path,
    rows: list[Row],
    server: Any,  # noqa: ANN401 - of run_path
    provider: str = "openai",
    how: Settings | None = None,
    **more: Any,  # noqa: ANN401 - of run
) -> Outcome:
    timeout_s = more.pop("timeout_s", 20.0)
    client = open_client(provider, base_url=server.url(provider), timeout_s=timeout_s)
    return run(folder, rows, how or judge(), client, **more)


def decisions(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "d.jsonl").read_text("utf-8").splitlines()]


def spans(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "s.jsonl").read_text("utf-8").splitlines()
    exports = [json.loads(line)["resourceSpans"][0]["scopeSpans"][0] for line in lines]
    return [span for export in exports for span in export["spans"]]


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: next(iter(pair["value"].values())) for pair in span["attributes"]}


@BOTH
def test_spans_read_back_are_what_the_server_served(provider: str, tmp_path: Path) -> None:
    def script(prompt: str, before: int) -> Any:  # noqa: ANN401 - of run_path
        if "q3<" in prompt.replace("\n", "<") and before == 0:
            return Act(status=429, headers={"retry-after": "0.01"}, error="rate_limit_error")
        if "q5<" in prompt.replace("\n", "<") and before < 2:
            return Act(status=529, error="overloaded_error")
        return Act(verdict="reject" if "q1<" in prompt.replace("\n", "<") else "accept")

    with serving(script) as server:
        outcome = asked(tmp_path, singles(8), server, provider)
    assert (outcome.decided, outcome.left, outcome.requests) == (8, 0, 11)
    assert len(server.served) == 11
    calls = read_calls([tmp_path / "s.jsonl"]).calls
    good = [one for one in server.served if one.act.status == 200]
    assert len(calls) == len(good) == 8
    assert set(calls["request_model"]) == {"judge-x"}
    assert set(calls["response_model"]) == {"judge-x-served"}
    assert set(calls["provider_name"]) == {provider}
    assert sorted(calls["input_tokens"]) == sorted(one.input_tokens for one in good)
    assert calls["output_tokens"].sum() == sum(one.output_tokens for one in good)
    by_row = dict(zip(calls["conversation_id"], calls["attempts"], strict=True))
    assert by_row == {**{f"r{i}": 1 for i in range(8)}, "r3": 2, "r5": 3}
    assert calls["error_type"].isna().all()
    assert calls["evaluation_score"].isna().all()  # the verdict is on the answer, not on the judge
    made = {row["id"]: row["judge"] for row in decisions(tmp_path)}
    assert made == {**{f"r{i}": "accept" for i in range(8)}, "r1": "reject"}


@BOTH
def test_the_audit_finds_no_fault_in_the_spans(provider: str, tmp_path: Path) -> None:
    def script(prompt: str, before: int) -> Any:  # noqa: ANN401 - of run_path
        return Act(status=529) if "q2" in prompt and before == 0 else Act()

    with serving(script) as server:
        asked(tmp_path, singles(5), server, provider)
        asked(tmp_path, singles(9), server, provider, resume=True)
    read = read_telemetry([tmp_path / "s.jsonl"])
    report = audit_traces(read.calls, read.spans, joins=read.joins)
    found = {finding.slug for finding in report.findings}
    # No end user stands behind a judge's call; the other is no fault.
    assert found == {"user-id-absent", "retries-grouped"}


def test_an_attempt_is_a_span_linked_to_the_one_it_repeats(tmp_path: Path) -> None:
    def script(_prompt: str, before: int) -> Any:  # noqa: ANN401 - of run_path
        return Act() if before == 2 else Act(status=500)

    with serving(script) as server:
        asked(tmp_path, singles(1), server)
    *attempts, row = spans(tmp_path)
    assert [item["parentSpanId"] for item in attempts] == [row["spanId"]] * 3
    assert {item["traceId"] for item in attempts} == {row["traceId"]}
    linked = [item["links"][0]["spanId"] if item["links"] else None for item in attempts]
    assert linked == [None, attempts[0]["spanId"], attempts[1]["spanId"]]
    resent = [attributes(item).get("http.request.resend_count") for item in attempts]
    assert resent == [None, "1", "2"]
    states = [attributes(item).get("error.type") for item in attempts]
    assert states == ["api_error", "api_error", None]
    starts = [int(item["startTimeUnixNano"]) for item in attempts]
    ends = [int(item["endTimeUnixNano"]) for item in attempts]
    assert starts == sorted(starts)
    assert all(one <= other for one, other in zip(ends, starts[1:], strict=False))
    assert int(row["startTimeUnixNano"]) == starts[0]
    assert int(row["endTimeUnixNano"]) == ends[-1]


def test_prompts_stay_out_of_the_files_unless_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    with serving() as server:
        asked(tmp_path, singles(2), server)
        asked(tmp_path / "kept", singles(2), server, how=judge(keep_content=True))
    for name in ("s.jsonl", "d.jsonl"):
        text = (tmp_path / name).read_text("utf-8")
        assert "secret" not in text
        assert KEY not in text
    kept = (tmp_path / "kept" / "s.jsonl").read_text("utf-8")
    assert "secret q1" in kept
    assert KEY not in kept
    calls = read_calls([tmp_path / "kept" / "s.jsonl"]).calls
    assert [len(blocks) for blocks in calls["block_hashes"]] == [1, 1]


def test_pairs_are_asked_in_both_orders_and_won_by_their_own_names(tmp_path: Path) -> None:
    def script(prompt: str, _before: int) -> Any:  # noqa: ANN401 - of run_path
        if "<0>" in prompt:
            return Act(verdict="A")  # whatever stands first
        first_is_a = prompt.index("answer_a of") < prompt.index("answer_b of")
        return Act(verdict="A" if first_is_a else "B")  # answer a, wherever it stands

    with serving(script) as server:
        outcome = asked(tmp_path, pairs(4), server, how=judge(PAIR))
    assert (outcome.decided, outcome.requests) == (4, 8)
    orders = Counter(
        (one.prompt.index("answer_a of") < one.prompt.index("answer_b of")) for one in server.served
    )
    assert orders == {True: 4, False: 4}
    made = {row["id"]: (row["judge"], row["judge_swapped"]) for row in decisions(tmp_path)}
    assert made == {"r0": ("A", "B"), **{f"r{i}": ("A", "A") for i in range(1, 4)}}
    calls = read_calls([tmp_path / "s.jsonl"]).calls
    assert sorted(calls["attempts"]) == [1] * 8  # the second order is no retry of the first


@BOTH
def test_answers_without_a_verdict_are_kept_as_such(provider: str, tmp_path: Path) -> None:
    def script(prompt: str, _before: int) -> Any:  # noqa: ANN401 - of run_path
        if "q1" in prompt:
            return Act(text="I cannot help with that; I accept no such task.")
        return Act(verdict="perhaps") if "q2" in prompt else Act()

    with serving(script) as server:
        outcome = asked(tmp_path, singles(4, gold="accept"), server, provider)
    assert (outcome.decided, outcome.unparsable, outcome.failed) == (4, 2, 0)
    made = {row["id"]: row["judge"] for row in decisions(tmp_path)}
    assert made == {"r0": "accept", "r1": "unparsable", "r2": "unparsable", "r3": "accept"}
    read = read_decisions([tmp_path / "d.jsonl"])
    assert (len(read.frame), read.bad_rows) == (4, ())
    assert sorted(read.frame["judge"]) == [1, 1, read.labels.missing, read.labels.missing]


def test_the_spans_alone_are_decisions_too(tmp_path: Path) -> None:
    rows = [*singles(3, gold="accept", task="easy"), *singles(5, gold="reject", task="hard")[3:]]
    with serving(lambda p, _: Act(verdict="reject" if "q4" in p else "accept")) as server:
        asked(tmp_path, rows, server)
    told = read_decisions([tmp_path / "s.jsonl"]).frame
    made = read_decisions([tmp_path / "d.jsonl"]).frame
    for name in ("judge", "gold", "confidence", "task"):
        assert sorted(told[name]) == sorted(made[name])
    assert len(told) == 5


def test_an_evaluation_joins_the_judged_answer_where_its_id_is_known(tmp_path: Path) -> None:
    (tmp_path / "judged").mkdir()
    row = Row("r", {"question": "q", "answer": "a"})
    with serving(lambda _prompt, _before: Act(verdict="reject")) as server:
        asked(tmp_path / "judged", [row], server, "anthropic")  # any call will do: msg_1
        asked(tmp_path, [dataclasses.replace(row, response_id="msg_1")], server)
    calls = read_calls([tmp_path / "judged" / "s.jsonl", tmp_path / "s.jsonl"]).calls
    scores = dict(zip(calls["call_id"], calls["evaluation_score"].isna(), strict=True))
    assert scores == {"msg_1": False, "chatcmpl-2": True}
    assert calls["evaluation_score"].dropna().tolist() == [0.0]


def test_a_failing_provider_ends_the_run_long_before_all_rows_are_tried(tmp_path: Path) -> None:
    with serving(lambda _prompt, _before: Act(status=500)) as server:
        outcome = asked(tmp_path, singles(200), server, how=judge(concurrency=1))
    assert (outcome.stop, outcome.decided, outcome.failed) == (Stop.PROVIDER, 0, 5)
    assert len(server.served) == 5 * FAST.attempts
    assert outcome.failure is not None
    assert outcome.failure.words == "HTTP 500, api_error"
    calls = read_calls([tmp_path / "s.jsonl"]).calls
    assert sorted(calls["attempts"]) == [3] * 5
    assert set(calls["error_type"]) == {"api_error"}


def test_a_refused_key_ends_the_run_at_once(tmp_path: Path) -> None:
    with serving(lambda _prompt, _before: Act(status=401)) as server:
        outcome = asked(tmp_path, singles(50), server, how=judge(concurrency=2))
    assert outcome.stop is Stop.PROVIDER
    assert len(server.served) <= 2


def test_one_row_that_fails_costs_no_other_row(tmp_path: Path) -> None:
    def script(prompt: str, before: int) -> Any:  # noqa: ANN401 - of run_path
        return Act(status=400) if "q3" in prompt and before == 0 else Act()

    with serving(script) as server:
        first = asked(tmp_path, singles(9), server)
        again = asked(tmp_path, singles(9), server, resume=True)
    assert (first.stop, first.decided, first.failed) == (None, 8, 1)
    assert (again.before, again.decided, again.requests) == (8, 1, 1)


def test_what_may_have_been_billed_counts_against_the_cap(tmp_path: Path) -> None:
    def script(_prompt: str, before: int) -> Any:  # noqa: ANN401 - of run_path
        return Act(wait_s=0.4) if before == 0 else Act()

    with serving(script) as server:
        outcome = asked(tmp_path, singles(1), server, timeout_s=0.1)
    stalled, answered, _ = spans(tmp_path)
    assert attributes(stalled)["error.type"] == "timeout"
    charged = [attributes(span)["llmops.judge.charged_usd"] for span in (stalled, answered)]
    assert charged[0] > charged[1] > 0
    assert outcome.spent_usd == pytest.approx(sum(charged))


@pytest.mark.parametrize("concurrency", [1, 5])
def test_the_cap_is_never_exceeded_and_nearly_used(concurrency: int, tmp_path: Path) -> None:
    cap, how = 0.005, judge(concurrency=concurrency)
    with serving() as server:
        outcome = asked(tmp_path, singles(99), server, how=how, cap=cap)
        billed = sum(price(Usage(one.input_tokens, one.output_tokens)) for one in server.served)
        assert outcome.stop is Stop.CAP
        assert outcome.left > 0
        assert outcome.spent_usd == pytest.approx(billed)
        one_more = 0.0025  # what a call is reserved for: its bytes and its longest answer
        assert cap - one_more < billed <= cap
        requests = len(server.served)
        again = asked(tmp_path, singles(99), server, how=how, cap=cap, resume=True)
        assert (again.stop, again.decided, len(server.served)) == (Stop.CAP, 0, requests)
        more = asked(tmp_path, singles(99), server, how=how, cap=1.5 * cap, resume=True)
    assert more.decided > 0
    assert more.spent_usd <= 1.5 * cap


class Local:
    """A client without a network, for what is tried hundreds of times."""

    provider, server = "openai", ("localhost", 1)

    def __init__(self, answers: Callable[[Request], Completion | Failure]) -> None:
        self.answers = answers
        self.prompts: list[str] = []

    async def complete(self, request: Request) -> Completion:
        self.prompts.append(request.prompt)
        await asyncio.sleep(0)
        found = self.answers(request)
        if isinstance(found, Failure):
            raise found
        return found

    async def close(self) -> None:
        """Nothing is open."""


def accepting(_request: Request) -> Completion:
    said = '{"verdict": "A", "confidence": 0.5}'
    return Completion(said, "judge-x", "id", "stop", Usage(10, 5))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a run over pairs that ended well."""
    folder = tmp_path_factory.mktemp("finished")
    run(folder, pairs(6), judge(PAIR, concurrency=3), Local(accepting))
    return folder


@settings(max_examples=25)
@given(spans_left=st.floats(0, 1), decisions_left=st.floats(0, 1))
def test_a_run_that_is_cut_off_anywhere_pays_for_nothing_twice(
    finished: Path, spans_left: float, decisions_left: float
) -> None:
    whole_spans = (finished / "s.jsonl").read_bytes()
    whole_decisions = (finished / "d.jsonl").read_bytes()
    left = whole_spans[: round(spans_left * len(whole_spans))]
    # A decision is written after its spans are on the disk: only such may be there.
    recorded = left[: left.rfind(b"\n") + 1]
    ended = [
        line for line in whole_decisions.splitlines(keepends=True)
        if f'"stringValue":"{json.loads(line)["id"]}"'.encode() in recorded
        and recorded.count(f'"stringValue":"{json.loads(line)["id"]}"'.encode()) >= 6
    ]  # fmt: skip
    kept = b"".join(ended)
    kept = kept[: round(decisions_left * len(kept))]
    paid = recorded.count(b"llmops.judge.verdict")
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "s.jsonl").write_bytes(left)
        (folder / "d.jsonl").write_bytes(kept)
        client = Local(accepting)
        outcome = run(folder, pairs(6), judge(PAIR, concurrency=3), client, resume=True)
        assert len(client.prompts) == 12 - paid
        assert outcome.left == 0
        assert sorted(row["id"] for row in decisions(folder)) == [f"r{i}" for i in range(6)]
        assert {row["judge"] + row["judge_swapped"] for row in decisions(folder)} == {"AB"}
        traffic = read_telemetry([folder / "s.jsonl"])
        assert len(traffic.calls) == 12
        assert "missing-parent" not in traffic.joins
        assert "duplicate-span" not in traffic.joins
        assert outcome.spent_usd == pytest.approx(12 * price(Usage(10, 5)))


def test_a_finished_run_is_resumed_without_a_request(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    client = Local(accepting)
    outcome = run(tmp_path, pairs(6), judge(PAIR), client, resume=True)
    assert (outcome.before, outcome.decided, client.prompts) == (6, 0, [])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_pair_whose_second_order_failed_is_asked_for_that_order_only(tmp_path: Path) -> None:
    def script(request: Request) -> Completion | Failure:
        swapped = request.prompt.index("answer_b of") < request.prompt.index("answer_a of")
        return Failure("400", status=400) if swapped else accepting(request)

    first = run(tmp_path, pairs(3), judge(PAIR), Local(script))
    assert (first.failed, first.requests) == (3, 6)
    client = Local(accepting)
    again = run(tmp_path, pairs(3), judge(PAIR), client, resume=True)
    assert (again.decided, len(client.prompts)) == (3, 3)
    traffic = read_telemetry([tmp_path / "s.jsonl"])
    assert not {"missing-parent", "duplicate-span"} & traffic.joins.keys()


@pytest.mark.parametrize(
    "other",
    [
        judge(model="another"),
        judge("{question} {answer}"),
        judge(labels=("accept", "reject", "unsure")),
        judge(structured=False),
    ],
)
def test_verdicts_of_different_judges_are_not_mixed(other: Settings, tmp_path: Path) -> None:
    run(tmp_path, singles(1), judge(), Local(accepting))
    with pytest.raises(LlmopsError) as caught:
        run(tmp_path, singles(2), other, Local(accepting), resume=True)
    assert (caught.value.slug, caught.value.exit_code) == ("collect-other-settings", ExitCode.USAGE)


def test_without_a_price_nothing_is_charged_and_nothing_stops(tmp_path: Path) -> None:
    async def whole() -> Outcome:
        client, how = Local(accepting), judge()
        paths = (tmp_path / "d.jsonl", tmp_path / "s.jsonl")
        journal = Journal(*paths, settings=how.digest(client), resume=False)
        outcome = await collect_verdicts(singles(9), client, how, journal, Budget(0.0, None))
        journal.close()
        return outcome

    outcome = asyncio.run(whole())
    assert (outcome.decided, outcome.spent_usd) == (9, 0.0)
    assert {row["judge_cost_usd"] for row in decisions(tmp_path)} == {None}


def test_a_full_disk_ends_the_run_with_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LlmopsError) as caught:
        run(tmp_path, singles(9), judge(concurrency=3), Local(accepting))
    assert caught.value.slug == "output-unwritable"


@pytest.mark.parametrize("cap_usd", [0.004, 0.0085, 1.0])
def test_a_run_that_dies_at_any_request_counts_what_was_in_flight(
    cap_usd: float, tmp_path: Path
) -> None:
    left: list[tuple[dict[str, bytes], int]] = []

    def answers(request: Request) -> Completion | Failure:
        # The files are written without a buffer: this is what a kill leaves.
        files = {path.name: path.read_bytes() for path in tmp_path.glob("*.jsonl*")}
        left.append((files, len(first.prompts)))
        busy = Failure("rate_limit_error", status=429, retryable=True)
        return busy if len(left) == 2 else accepting(request)

    def again(folder: Path, *, client: Local) -> Outcome:
        given = judge(PAIR, concurrency=3, max_output_tokens=100)
        return run(folder, pairs(3), given, client, cap=cap_usd, resume=True)

    first = Local(answers)
    again(tmp_path, client=first)
    assert len(left) >= 2
    for at, (files, before) in enumerate(left):
        folder = tmp_path / f"killed{at}"
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        client = Local(accepting)
        outcome = again(folder, client=client)
        sent = before + len(client.prompts)
        assert sent * price(Usage(10, 5)) <= outcome.spent_usd + 1e-9
        assert outcome.spent_usd <= cap_usd + 1e-9
        assert 1 <= outcome.interrupted <= 3
        assert sorted(path.name for path in folder.iterdir()) == ["d.jsonl", "s.jsonl"]
        found = read_telemetry([folder / "s.jsonl"])
        asked_for = [span for span in spans(folder) if span["parentSpanId"]]
        assert len(asked_for) == sent
        assert "duplicate-span" not in found.joins
        if not outcome.left:
            assert "missing-parent" not in found.joins
