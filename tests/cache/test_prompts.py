"""Which calls are one prompt, what it loses, and the one change that wins most back."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from llmops_cli.cache.lineage import lineage
from llmops_cli.cache.miss_reasons import miss_reasons
from llmops_cli.cache.policies import plan
from llmops_cli.cache.prompts import Change, Losses, Prompt, families, top_prompts
from llmops_cli.cache.rules import load_rules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.calls import BlockKind, CallsTable

Build = Callable[..., CallsTable]
Trace = Callable[..., CacheTrace]
Bill = Callable[..., npt.NDArray[np.int64]]
Calls = list[dict[str, Any]]

PRICE = np.array([3e-6, 0.3e-6, 3.75e-6, 6e-6, 15e-6])
SYSTEM = ("system", 3000, "", BlockKind.SYSTEM)
SHOWN = ("none", "automatic-5m", "automatic-1h", "static-prefix-5m")


@pytest.fixture
def top(log: Build, traced: Trace, bill: Bill) -> Callable[..., tuple[Prompt, ...]]:
    def judge(calls: Calls, target: str = "automatic-5m", most: int = 10) -> tuple[Prompt, ...]:
        whole = log(*calls)
        trace, rules = traced(whole), load_rules()
        per_token = np.tile(PRICE, (len(calls), 1))
        billed = {name: bill(whole, name) for name in {*SHOWN, target}}
        found = lineage(trace)
        misses = miss_reasons(
            trace, billed[target], per_token, rules, plan=plan(trace, target, rules), found=found
        )
        spends = {name: (rows * PRICE[:4]).sum(axis=1) for name, rows in billed.items()}
        life = rules.life_1h_us if target.endswith("1h") else rules.life_5m_us
        losses = Losses(trace, found, misses, spends, target, per_token, life)
        return top_prompts(losses, most=most)

    return judge


Top = Callable[..., tuple[Prompt, ...]]


def test_calls_under_one_prompt_belong_together(log: Build, traced: Trace) -> None:
    calls = log(
        {"at": 0, "conversation_id": "a", "blocks": [SYSTEM, ("q1", 10)]},
        {"at": 1, "conversation_id": "b", "blocks": [("other", 900, "", BlockKind.SYSTEM)]},
        {"at": 2, "conversation_id": "c", "blocks": [SYSTEM, ("q2", 10)]},
        {"at": 3, "conversation_id": "d", "blocks": [("system!", 3010, "", BlockKind.SYSTEM)]},
        {"at": 4, "conversation_id": "e", "blocks": [("bare", 50)]},
        {"at": 5, "conversation_id": "e", "blocks": [("bare edited", 50)]},
        {"at": 6, "conversation_id": "f", "blocks": [("bare", 50), ("more", 9)]},
    )
    trace = traced(calls)
    assert families(trace, lineage(trace)).tolist() == [0, 1, 0, 0, 4, 4, 4]


def test_a_long_chain_leads_to_its_first_call(log: Build, traced: Trace) -> None:
    calls = log(
        *(
            {"at": n, "conversation_id": str(n), "blocks": [(f"v{n}", 3000, "", BlockKind.SYSTEM)]}
            for n in range(40)
        )
    )
    trace = traced(calls)
    assert set(families(trace, lineage(trace)).tolist()) == {0}


def test_the_prompt_that_loses_most_comes_first(top: Top) -> None:
    calls = [
        {"at": 420 * n, "conversation_id": f"a{n}", "blocks": [("small", 2000)]} for n in range(4)
    ]
    calls += [
        {"at": 420 * n, "conversation_id": f"b{n}", "blocks": [SYSTEM, ("big", 9000)]}
        for n in range(4)
    ]
    first, second = top(calls)
    assert (first.calls, second.calls) == (4, 4)
    assert first.static_tokens == 3000
    assert first.loss_usd > second.loss_usd > 0
    assert first.loss_usd == pytest.approx(3 * 12_000 * 3.45e-6)
    assert first.input_usd == pytest.approx(4 * 12_000 * 3.75e-6)
    assert len(top(calls, most=1)) == 1


def test_a_pause_beyond_the_lifetime_is_mended_by_a_longer_one(
    top: Top, bill: Bill, log: Build
) -> None:
    calls = [{"at": 420 * n, "blocks": [SYSTEM]} for n in range(6)]
    (found,) = top(calls)
    assert found.reason == "expired"
    assert found.change.policy == "automatic-1h"
    usd = [(bill(log(*calls), name) * PRICE[:4]).sum() for name in ("automatic-5m", "automatic-1h")]
    assert found.change.saving_usd == pytest.approx(usd[0] - usd[1])
    assert found.change.words == "switch to automatic, 1 h"


def test_a_drift_is_mended_in_the_prompt_and_its_worth_is_what_pauses_allow(top: Top) -> None:
    def at(times: list[float]) -> Calls:
        return [
            {"at": at, "blocks": [(f"it is {at}", 3000, "", BlockKind.SYSTEM), ("q", 400)]}
            for at in times
        ]

    (quick,) = top(at([0, 60, 120, 180]))
    assert quick.reason == "system_changed"
    assert (quick.change.reason, quick.change.detail) == ("system_changed", "block 1, system")
    assert quick.change.words == "move what varies to the end: block 1, system"
    assert quick.change.saving_usd == pytest.approx(3 * 3400 * 3.45e-6)
    # Two of three calls come too late for any entry of five minutes.
    (slow,) = top(at([0, 60, 4000, 8000]), target="automatic-5m")
    assert slow.loss_usd == pytest.approx(quick.loss_usd)
    assert slow.change.policy == "none" or slow.change.saving_usd < quick.change.saving_usd


def test_a_prompt_under_the_minimum_is_worth_lengthening(top: Top) -> None:
    (found,) = top([{"at": 60 * n, "blocks": [("prompt", 1014)]} for n in range(6)])
    assert found.reason == "minimum"
    assert found.change.detail == "from 1,014 to 1,024 tokens"
    # O2: one write and five reads of 1,024 tokens for six times 1,014 of fresh input.
    padded = 1024 * (3.75e-6 + 5 * 0.3e-6)
    assert found.change.saving_usd == pytest.approx(6 * 1014 * 3e-6 - padded)


@pytest.mark.parametrize(("tokens", "pays"), [(221, True), (219, False)])
def test_padding_pays_from_where_the_reference_says(top: Top, tokens: int, *, pays: bool) -> None:
    # O2: M = 1,024 and ten calls break even at 220.16 tokens.
    (found,) = top([{"at": 60 * n, "blocks": [("prompt", tokens)]} for n in range(10)])
    assert (found.change.reason == "minimum") is pays
    assert (found.change.words == "nothing pays") is not pays


def test_parallel_calls_are_told_to_wait_for_the_first(top: Top) -> None:
    calls = [{"at": 0.1 * n, "blocks": [SYSTEM], "ttft_s": 20.0} for n in range(5)]
    (found,) = top(calls)
    assert found.change == Change(pytest.approx(4 * 3000 * 3.45e-6), reason="visibility")


def test_clean_traffic_has_nothing_to_change(top: Top) -> None:
    calls = [{"at": 60 * n, "blocks": [SYSTEM]} for n in range(5)]
    (found,) = top(calls)
    assert (found.loss_usd, found.reason, found.change.words) == (0.0, "", "nothing pays")
