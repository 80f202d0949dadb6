"""Each call's reason, which block changed, and against which call it was compared."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from llmops_cli.cache.kernel import Plan
from llmops_cli.cache.leaks import leaks, summed
from llmops_cli.cache.lineage import lineage
from llmops_cli.cache.miss_reasons import REASONS, Misses, miss_reasons
from llmops_cli.cache.policies import plan
from llmops_cli.cache.rules import load_rules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.calls import BlockKind, CallsTable

Build = Callable[..., CallsTable]
Trace = Callable[..., CacheTrace]
Bill = Callable[..., npt.NDArray[np.int64]]
Calls = list[dict[str, Any]]

TOOLS = ("tools", 3000, "", BlockKind.TOOL)
SYSTEM = ("system", 3000, "", BlockKind.SYSTEM)
PRICE = [3e-6, 0.3e-6, 3.75e-6, 6e-6, 15e-6]


@pytest.fixture
def judged(log: Build, traced: Trace, bill: Bill) -> Callable[..., Misses]:
    def judge(calls: Calls, policy: str = "automatic-5m", *, with_plan: bool = True) -> Misses:
        whole = log(*calls)
        trace, rules = traced(whole), load_rules()
        looked: Plan | None = plan(trace, policy, rules) if with_plan else None
        per_token = np.tile(PRICE, (len(calls), 1))
        return miss_reasons(trace, bill(whole, policy), per_token, rules, plan=looked)

    return judge


Judge = Callable[..., Misses]


def turns(count: int, *, first: tuple[Any, ...] = SYSTEM) -> list[tuple[Any, ...]]:
    kinds = (BlockKind.USER, BlockKind.ASSISTANT)
    return [first, *((f"turn {n}", 500, "", kinds[n % 2]) for n in range(count))]


def test_the_changed_block_has_a_place_and_a_kind(judged: Judge) -> None:
    calls = [
        {"at": 60 * n, "blocks": [TOOLS, (f"it is {n}", 3000, "", BlockKind.SYSTEM), ("q", 400)]}
        for n in range(3)
    ]
    misses = judged(calls)
    assert misses.main().tolist() == ["", "system_changed", "system_changed"]
    assert misses.changed.tolist() == [-1, 1, 1]
    assert misses.kind.tolist() == [-1, BlockKind.SYSTEM, BlockKind.SYSTEM]
    assert misses.compared.tolist() == [-1, 0, 1]
    # The tools were written with the tail each time, and had nothing changed they would be read.
    assert misses.tokens["system_changed"].tolist() == [0, 6400, 6400]
    assert misses.usd["system_changed"][1] == pytest.approx(6400 * (3.75e-6 - 0.3e-6))
    leak = summed(misses)[0]
    assert (leak.block, leak.kind, leak.example, leak.calls) == (1, "system", 1, 2)


def test_a_drifting_prompt_is_found_without_a_conversation(judged: Judge) -> None:
    # Single questions, each a conversation of its own: only the size of the prompt is alike.
    calls = [
        {
            "at": 60 * n,
            "conversation_id": f"c{n}",
            "blocks": [(f"it is {n:02d}", 3000 + n % 2, "", BlockKind.SYSTEM), (f"q {n}", 40 * n)],
        }
        for n in range(1, 6)
    ]
    misses = judged(calls)
    assert misses.main().tolist() == ["", *["system_changed"] * 4]
    assert misses.tokens["system_changed"].tolist() == [0, 3000, 3000, 3000, 3000]


def test_different_applications_are_not_a_drift(judged: Judge) -> None:
    calls = [
        {
            "at": 60 * n,
            "conversation_id": f"c{n}",
            "blocks": [(f"app {n % 3}", 2000 + 1000 * (n % 3), "", BlockKind.SYSTEM), ("q", 40)],
        }
        for n in range(9)
    ]
    assert not any(name.endswith("changed") for name in judged(calls).main())


def test_two_questions_under_one_prompt_rewrite_no_history(judged: Judge) -> None:
    calls = [
        {"at": 60 * n, "blocks": [SYSTEM, (f"question {n}", 900, "", BlockKind.USER)]}
        for n in range(4)
    ]
    misses = judged(calls)
    assert misses.main().tolist() == ["", "marker", "marker", "marker"]
    assert misses.tokens["messages_changed"].sum() == 0


def test_a_side_call_in_a_conversation_is_no_change_of_its_prompt(judged: Judge) -> None:
    title = ("name this chat", 2500, "", BlockKind.SYSTEM)
    calls = [{"at": 60 * n, "blocks": turns(2 * n + 1)} for n in range(4)]
    calls[2:2] = [{"at": 90, "blocks": [title, ("turn 0", 500, "", BlockKind.USER)]}]
    misses = judged(calls)
    assert misses.tokens["system_changed"][3:].sum() == 0
    assert misses.tokens["messages_changed"].sum() == 0


@pytest.mark.parametrize(("new", "reason"), [(21, "lookback"), (19, "marker"), (5, "marker")])
def test_an_entry_out_of_reach_is_told_from_no_entry(judged: Judge, new: int, reason: str) -> None:
    # R4: 20 positions count the breakpoint itself.
    blocks = [SYSTEM, *((f"part {n}", 100, "", BlockKind.USER) for n in range(new))]
    calls: Calls = [
        {"at": 0, "blocks": [SYSTEM]},
        {"at": 60, "blocks": blocks},
        {"at": 120, "blocks": [*blocks[:-1], ("other", 100, "", BlockKind.USER)]},
    ]
    misses = judged(calls)
    assert misses.main()[2] == ("marker" if reason == "marker" else "lookback")
    if reason == "lookback":
        assert misses.main()[1] == "lookback"
        assert misses.tokens["lookback"][1] == 3000


def test_without_the_plan_an_entry_out_of_reach_counts_as_none(judged: Judge) -> None:
    blocks = [SYSTEM, *((f"part {n}", 100, "", BlockKind.USER) for n in range(25))]
    calls = [{"at": 0, "blocks": [SYSTEM]}, {"at": 60, "blocks": blocks}]
    assert judged(calls).main()[1] == "lookback"
    assert judged(calls, with_plan=False).main()[1] == "marker"


def test_an_entry_that_was_passed_but_not_renewed_has_expired(judged: Judge) -> None:
    # R8 with refresh "hit": later turns read the tail; the static entry is left to age.
    calls: Calls = []
    for n in range(8):
        call = {"at": 100 * n, "conversation_id": "c", "blocks": turns(2 * n + 1)}
        call["blocks"][0] = (*SYSTEM[:2], "5m", BlockKind.SYSTEM)
        call["blocks"][-1] = (*call["blocks"][-1][:2], "5m", BlockKind.USER)
        calls.append(call)
    new = turns(1)
    new[0] = (*SYSTEM[:2], "5m", BlockKind.SYSTEM)
    new[1] = ("another question", 500, "", BlockKind.USER)
    calls.append({"at": 710, "conversation_id": "d", "blocks": new})
    misses = judged(calls, "as-logged")
    assert misses.main()[8] == "expired"
    assert misses.tokens["expired"][8] == 3000


def test_a_history_that_the_log_never_saw_is_named_and_ranked_last(judged: Judge) -> None:
    calls = [{"at": 60 * n, "conversation_id": "c", "blocks": turns(6 + 2 * n)} for n in range(3)]
    misses = judged(calls)
    assert misses.main()[0] == "previous_message_not_found"
    assert misses.tokens["previous_message_not_found"].tolist() == [3000, 0, 0]
    blip = [{"at": 900, "conversation_id": "d", "blocks": [("x", 1100)]}]
    blip += [{"at": 1500, "conversation_id": "d", "blocks": [("x", 1100)]}]
    found = summed(judged([*calls, *blip]))
    assert [leak.reason for leak in found] == ["expired", "previous_message_not_found"]
    assert found[0].usd < found[1].usd


def test_another_workspace_is_the_models_reason(judged: Judge) -> None:
    # R16: entries are shared inside one workspace.
    calls = [
        {"at": 60 * n, "blocks": turns(2 * n + 1), "isolation_domain": f"w{n // 2}"}
        for n in range(3)
    ]
    misses = judged(calls)
    assert misses.main().tolist() == ["", "", "model_changed"]
    assert misses.changed.tolist() == [-1, -1, -1]


def test_lost_tokens_cost_what_they_were_billed_beyond_a_read(judged: Judge) -> None:
    calls = [{"at": 420 * n, "blocks": [TOOLS, SYSTEM]} for n in range(3)]
    written = judged(calls).usd["expired"]
    assert written == pytest.approx([0, 6000 * 3.45e-6, 6000 * 3.45e-6])
    fresh = judged(calls, "none").usd["expired"]
    assert fresh == pytest.approx([0, 6000 * 2.7e-6, 6000 * 2.7e-6])


def test_every_reason_has_words_and_a_change() -> None:
    assert all(reason.title and reason.change for reason in REASONS.values())


def test_repeated_tokens_are_read_or_have_exactly_one_reason(
    log: Build, traced: Trace, bill: Bill
) -> None:
    draw = np.random.default_rng(7)
    calls: Calls = []
    at = 0.0
    for _ in range(60):
        at += float(draw.choice([1, 60, 299, 301, 4000]))
        c, length = int(draw.integers(4)), int(draw.integers(1, 30))
        blocks = turns(length)[:1] + [(f"c{c} b{n}", 300) for n in range(length)]
        marked = set(draw.integers(0, length + 1, 2).tolist())
        blocks = [
            (name, size, "5m" if n in marked else "", BlockKind.USER)
            for n, (name, size, *_) in enumerate(blocks)
        ]
        wait = float(draw.choice([0, 0, 5]))
        calls.append({"at": at, "conversation_id": f"c{c}", "blocks": blocks, "ttft_s": wait})
    whole = log(*calls)
    trace, rules = traced(whole), load_rules()
    tokens = bill(whole)
    misses = miss_reasons(
        trace, tokens, np.tile(PRICE, (60, 1)), rules, plan=plan(trace, "as-logged", rules)
    )
    ours = ("minimum", "expired", "visibility", "lookback", "marker")
    lost = np.sum([misses.tokens[name] for name in ours], axis=0)
    found = lineage(trace)
    still = misses.tokens["messages_changed"] == 0
    assert still.any()
    assert (tokens[:, 1] + lost)[still].tolist() == found.shared[still].tolist()
    assert all((count >= 0).all() for count in misses.tokens.values())


def test_a_leak_is_the_sum_of_its_calls(log: Build, traced: Trace, bill: Bill) -> None:
    calls = [{"at": 420 * n, "blocks": [TOOLS, SYSTEM]} for n in range(5)]
    whole = log(*calls)
    found = leaks(traced(whole), bill(whole, "automatic-5m"), np.tile(PRICE, (5, 1)), load_rules())
    assert [(leak.reason, leak.calls, leak.tokens) for leak in found] == [("expired", 4, 24000)]
