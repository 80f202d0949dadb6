"""The reference's worked cases: replays by request, token counters as logged, bills in USD.

A-cases are Anthropic's documentation and console, O-cases OpenAI's, X-cases xAI's; the
traps are those that OpenAI's guide warns of. Cases of money alone are in the claims.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from llmops_cli import cache_estimate, read_calls
from llmops_cli.cache.kernel import Plan, cut, replay, replay_plan, whole
from llmops_cli.cache.messages import explicit_plan, implicit_plan
from llmops_cli.cache.policies import plan
from llmops_cli.cache.providers import under_rules
from llmops_cli.cache.rules import load_rules, provider_names, provider_rules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import order_visits
from llmops_cli.calls import BlockKind, CallsTable

Build = Callable[..., CallsTable]
Bill = Callable[..., npt.NDArray[np.int64]]
Trace = Callable[..., CacheTrace]
Blocks = list[tuple[Any, ...]]

TOOL, SYSTEM, USER, SAID = (
    BlockKind.TOOL,
    BlockKind.SYSTEM,
    BlockKind.USER,
    BlockKind.ASSISTANT,
)


def tiers(
    system: int, messages: int, *, tail: int = 0, seed: str = "", marker: str = "5m"
) -> Blocks:
    """A marked system prompt, marked messages and a tail; ``seed`` is what R12 mixes in."""
    blocks: Blocks = []
    if system:
        blocks.append((f"system{seed}", system, marker, SYSTEM))
    if messages:
        blocks.append((f"messages{seed}", messages, marker, USER))
    return [*blocks, (f"tail{seed}{tail}", tail, "", USER)] if tail else blocks


# Calls in order; per call (creation, read, input), as `usage` reports it (R18).
USAGE: dict[str, tuple[str, list[Blocks], list[tuple[int, int, int]]]] = {
    "A5 100,000 cached and 50 new": (
        "claude-sonnet-4-6",
        [tiers(100_000, 0, tail=50)] * 2,
        [(100_000, 0, 50), (0, 100_000, 50)],
    ),
    "A6 pre-warm (R20): an ordinary write whose answer is empty": (
        "claude-sonnet-5",
        [tiers(5120, 0, tail=8), tiers(5120, 0, tail=60)],
        [(5120, 0, 8), (0, 5120, 60)],
    ),
    "A7 the thinking budget changes (R12)": (
        "claude-sonnet-4-6",
        [
            tiers(1370, 0, tail=17),
            tiers(1370, 0, tail=303),
            tiers(1370, 0, tail=747, seed=" budget 8000"),
        ],
        [(1370, 0, 17), (0, 1370, 303), (1370, 0, 747)],
    ),
    "A8 the effort changes (R12)": (
        "claude-sonnet-4-6",
        [
            tiers(3546, 0, tail=15),
            tiers(3546, 0, tail=1062),
            tiers(3546, 0, tail=2706, seed=" effort medium"),
        ],
        [(3546, 0, 15), (0, 3546, 1062), (3546, 0, 2706)],
    ),
    "A14 a book": (
        "claude-opus-4-20250514",
        [tiers(188_086, 0, tail=21)] * 2,
        [(188_086, 0, 21), (0, 188_086, 21)],
    ),
    "R12 messages change, tools and system stay": (
        "claude-sonnet-5",
        [
            [("system", 2000, "5m", SYSTEM), ("messages", 500, "5m")],
            [("system", 2000, "5m", SYSTEM), ("messages, tool_choice any", 500, "5m")],
        ],
        [(2500, 0, 0), (500, 2000, 0)],
    ),
    "R13 stripped thinking: messages after the first stripped block miss": (
        "claude-haiku-4-5",
        [
            [
                ("q", 5000, "5m"),
                ("thought", 900, "", BlockKind.THINKING),
                ("said", 200, "5m", SAID),
            ],
            [("q", 5000, "5m"), ("said", 200, "", SAID), ("next", 100, "5m")],
        ],
        [(6100, 0, 0), (300, 5000, 0)],
    ),
    "R14 a later system message or tool reference is appended and invalidates nothing": (
        "claude-opus-5",
        [
            tiers(2000, 600),
            [*tiers(2000, 600), ("mode: brief", 40, "5m", SYSTEM)],
            [*tiers(2000, 600), ("mode: brief", 40, "5m", SYSTEM), ("tool_reference", 90, "5m")],
        ],
        [(2600, 0, 0), (40, 2600, 0), (90, 2640, 0)],
    ),
}


@pytest.mark.parametrize("case", USAGE)
def test_usage_is_that_of_the_documentation(log: Build, bill: Bill, case: str) -> None:
    model, prompts, expected = USAGE[case]
    calls = ({"at": 30 * n, "blocks": b, "request_model": model} for n, b in enumerate(prompts))
    rows = bill(log(*calls))
    assert [(w5 + w1, read, fresh) for fresh, read, w5, w1 in rows.tolist()] == expected


def test_r15_a_5_minute_write_beside_hourly_markers_is_billed_apart(log: Build, bill: Bill) -> None:
    # A server tool's result is marked for 5 minutes by the provider, whatever the markers say.
    first = [("system", 3000, "1h", SYSTEM), ("question", 200, "1h"), ("search result", 800, "5m")]
    assert bill(log({"blocks": first})).tolist() == [[0, 0, 800, 3200]]


def test_r18_the_classes_of_a_call_add_up_to_its_prompt(log: Build, bill: Bill) -> None:
    prompt = [("system", 3000, "1h", SYSTEM), ("question", 200, "5m"), ("tail", 100)]
    for row in bill(log(*({"at": 30 * n, "blocks": prompt} for n in range(3)))).tolist():
        assert sum(row) == 3300


def test_r19_hits_in_batches_are_best_effort_and_the_report_says_so(log: Build) -> None:
    call = {"blocks": tiers(3000, 500), "service_tier": "batch"}
    found = cache_estimate(log(call, {"at": 9, **call})).findings
    assert any("R19" in item.message and "30 % to 98 %" in item.hint for item in found)


@pytest.mark.parametrize(
    ("name", "counted"),
    [("anthropic", ("fresh", "written")), ("openai-implicit", ("fresh", "read", "written"))],
)
def test_r21_what_counts_to_the_rate_limit(name: str, counted: tuple[str, ...]) -> None:
    assert provider_rules(name).rate_limited == counted


@pytest.mark.parametrize(
    ("model", "auto", "forced"),
    [("claude-opus-5", 286, 406), ("claude-sonnet-5", 354, 474), ("claude-opus-4-5", 0, 0)],
)
def test_r22_tools_add_a_hidden_constant(model: str, auto: int, forced: int) -> None:
    rules = load_rules()
    assert (rules.hidden_tokens(model), rules.hidden_tokens(model, forced=True)) == (auto, forced)


def test_r6_upgrades_a_short_entry_to_an_hour_for_the_price_of_a_delta(
    log: Build, bill: Bill
) -> None:
    # Why LB3 lets a read renew for an hour: the prefix was only ever written for 5 minutes.
    calls = log(
        {"blocks": [("p", 5000, "5m")]},
        {"at": 200, "blocks": [("p", 5000), ("q", 100, "1h")]},
        {"at": 2000, "blocks": [("p", 5000), ("q", 100, "1h")]},
    )
    assert bill(calls).tolist() == [[0, 0, 5000, 0], [0, 5000, 0, 100], [0, 5100, 0, 0]]


# --- OpenAI since GPT-5.6 -------------------------------------------------------------------


def openai(
    trace: CacheTrace, *modes: str, marked: npt.NDArray[np.bool_] | None = None
) -> list[int]:
    """Tokens read per call, each call in its own mode."""
    rules = provider_rules("openai-implicit")
    local = trace.shared_by(trace.domain, 1024)
    both = {
        "implicit": implicit_plan(local, rules),
        "explicit": explicit_plan(local, provider_rules("openai-explicit"), marked),
    }
    mine = np.array(modes)[local.call] == "explicit"
    mixed = Plan(
        np.where(mine, both["explicit"].look, both["implicit"].look),
        np.where(mine, both["explicit"].write, both["implicit"].write),
        both["implicit"].lives_us,
    )
    visits = order_visits(local.node, local.offsets)
    return replay_plan(whole(local, {}), mixed, visits)[:, 1].tolist()


SHARED = ("developer", 3000, "", SYSTEM)


def test_trap_1_a_shared_prefix_with_a_varying_suffix_reads_nothing_implicitly(
    log: Build, traced: Trace
) -> None:
    calls = ({"at": 9 * n, "blocks": [SHARED, (f"question {n}", 200)]} for n in range(3))
    trace = traced(log(*calls))
    assert openai(trace, *["implicit"] * 3) == [0, 0, 0]
    assert openai(trace, *["explicit"] * 3) == [0, 3000, 3000]


def test_trap_2_an_implicit_write_is_not_found_by_an_explicit_request(
    log: Build, traced: Trace
) -> None:
    first = [SHARED, ("question", 200)]
    calls = log(
        {"blocks": first}, {"at": 9, "blocks": [*first, ("answer", 90, "", SAID), ("go", 9)]}
    )
    trace = traced(calls)
    marked = np.zeros(len(trace.node), np.bool_)
    marked[-1] = True  # the follow-up marks its own end alone
    assert openai(trace, "implicit", "explicit", marked=marked) == [0, 0]
    assert openai(trace, "implicit", "implicit") == [0, 3200]


def test_trap_3_extending_the_same_message_misses(log: Build, traced: Trace) -> None:
    first = [SHARED, ("part one", 200)]
    longer = [*first, ("part two of the same message", 100)]
    trace = traced(log({"blocks": first}, {"at": 9, "blocks": longer}))
    assert openai(trace, "implicit", "implicit") == [0, 0]


def test_trap_4_a_later_developer_message_is_no_boundary(log: Build, traced: Trace) -> None:
    later = [SHARED, ("question", 200), ("answer", 90, "", SAID), ("be brief", 50, "", SYSTEM)]
    trace = traced(log({"blocks": later}, {"at": 9, "blocks": [*later, ("go", 9)]}))
    # Written and found at the question, not at the developer message after it.
    assert openai(trace, "implicit", "implicit") == [0, 3200]


@pytest.mark.parametrize(("pause", "reads"), [(1800, 3200), (1800.001, 0)])
def test_openai_entries_live_for_half_an_hour(
    log: Build, traced: Trace, pause: float, reads: int
) -> None:
    blocks = [SHARED, ("question", 200)]
    trace = traced(log({"blocks": blocks}, {"at": pause, "blocks": blocks}))
    assert openai(trace, "implicit", "implicit") == [0, reads]


def test_implicit_look_ups_go_back_twenty_message_ends(log: Build, traced: Trace) -> None:
    def turns(count: int) -> Blocks:
        pairs = ((f"q{n}", 100) if n % 2 == 0 else (f"a{n}", 100, "", SAID) for n in range(count))
        return [SHARED, *pairs]

    for more, reads in ((20, 3100), (21, 0)):
        trace = traced(log({"blocks": turns(1)}, {"at": 9, "blocks": turns(1 + 2 * more)}))
        assert openai(trace, "implicit", "implicit")[1] == reads


def test_explicit_look_ups_are_the_first_two_and_the_latest_fifty(
    log: Build, traced: Trace
) -> None:
    def prompt(marks: int) -> Blocks:
        return [("dev", 2000, "", SYSTEM), *((f"b{n}", 50) for n in range(marks))]

    def reads(stored: int, marks: int) -> int:
        trace = traced(log({"blocks": prompt(stored)}, {"at": 9, "blocks": prompt(marks)}))
        return openai(trace, "explicit", "explicit", marked=np.ones(len(trace.node), np.bool_))[1]

    # The first request writes its first marker and its last three.
    assert reads(10, 59) == 2500  # marker 11 of 60 is the first of the latest fifty
    assert reads(10, 61) == 2000  # markers 9 to 11 of 62 are skipped: the first one remains


# --- The other providers --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tokens", "reads"),
    [
        ("openai-classic", 1023, 0),
        ("openai-classic", 1024, 1024),
        ("openai-classic", 1279, 1152),
        ("openai-5.5", 2047, 0),
        ("openai-5.5", 5000, 4096),
        ("xai", 125, 0),
        ("xai", 300, 256),
        ("gemini-implicit", 5001, 5001),
        ("vllm", 160, 144),
        ("vllm", 161, 160),
        ("sglang", 161, 160),
        ("deepseek", 161, 161),
    ],
)
def test_a_repeated_prompt_is_read_in_the_steps_of_its_provider(
    log: Build, traced: Trace, name: str, tokens: int, reads: int
) -> None:
    trace = traced(log(*({"at": 9 * n, "blocks": [("p", tokens)]} for n in range(2))))
    rules = provider_rules(name)
    minimum = rules.minimum(rules.priced_as).tokens
    assert under_rules(trace, rules, minimum).tokens[:, 1].tolist() == [0, reads]


def test_deepseek_stores_what_two_prompts_share(log: Build, traced: Trace) -> None:
    # The guide's examples: A+B then A+B+C reads; A+B, A+C misses and stores A, A+D reads A.
    a, b = ("A", 1000, "", SYSTEM), ("B", 50)
    chat = [a, b, ("answer", 30, "", SAID), ("C", 20)]

    def reads(*prompts: Blocks) -> list[int]:
        trace = traced(log(*({"at": 9 * n, "blocks": p} for n, p in enumerate(prompts))))
        return under_rules(trace, provider_rules("deepseek"), 1).tokens[:, 1].tolist()

    assert reads([a, b], chat) == [0, 1080]
    assert reads([a, b], [a, ("C", 40)], [a, ("D", 60)]) == [0, 0, 1000]


def test_an_object_is_stored_for_its_hour_and_no_longer(log: Build, traced: Trace) -> None:
    calls = (
        {"at": at, "blocks": [("system", 5000, "", SYSTEM), (f"q{at}", 100)]}
        for at in (0, 1800, 3600, 3601)
    )
    rules = provider_rules("gemini-explicit")
    found = under_rules(traced(log(*calls)), rules, 4096)
    assert found.tokens[:, 1].tolist() == [0, 5000, 5000, 0]
    assert found.tokens[:, 2].tolist() == [5000, 0, 0, 5000]
    assert found.token_hours == 10_000
    assert (rules.storage_usd("gemini-3-pro-preview"), rules.storage_usd("gemini-2.5-flash")) == (
        4.5,
        1.0,
    )


@pytest.mark.parametrize("name", provider_names())
def test_organisations_never_share_and_servers_do(log: Build, traced: Trace, name: str) -> None:
    prompt = [("system", 9000, "", SYSTEM), ("q", 9000)]
    calls = ({"at": 9 * n, "blocks": prompt, "isolation_domain": f"o{n}"} for n in range(2))
    rules = provider_rules(name)
    reads = under_rules(traced(log(*calls)), rules, 1024).tokens[:, 1].tolist()
    assert bool(reads[1]) is (rules.isolation == "server")


@pytest.mark.parametrize("name", provider_names())
def test_every_provider_row_can_be_audited(name: str) -> None:
    rules = provider_rules(name)
    assert len(rules.source) > 20
    assert "://" not in rules.source
    assert rules.checked_on.year == 2026
    assert rules.minimums
    assert all(len(row.source) > 20 and row.checked_on.year == 2026 for row in rules.minimums)
    assert all(knob.why for knob in rules.knobs.values())
    assert not rules.priced_as or rules.serve(rules.priced_as)


# --- Counters as logged: subsets are taken apart (O3, X1, A13) --------------------------------

CHAT = {
    "created": 1_788_249_600,
    "choices": [{"message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
}
COUNTERS: dict[str, tuple[dict[str, Any], list[int]]] = {
    "O3 OpenAI: 17,903 input of which 17,817 cached": (
        {
            "model": "gpt-5.1",
            "usage": {
                "prompt_tokens": 17_903,
                "completion_tokens": 10,
                "total_tokens": 17_913,
                "prompt_tokens_details": {"cached_tokens": 17_817},
            },
        },
        [86, 17_817],
    ),
    "X1 xAI: 125 of which 98 cached": (
        {
            "model": "grok-4",
            "usage": {
                "prompt_tokens": 125,
                "completion_tokens": 10,
                "total_tokens": 135,
                "prompt_tokens_details": {"cached_tokens": 98},
            },
        },
        [27, 98],
    ),
}


@pytest.mark.parametrize("case", COUNTERS)
def test_cached_tokens_are_taken_out_of_the_prompt(tmp_path: Path, case: str) -> None:
    response, expected = COUNTERS[case]
    messages = [{"role": "user", "content": "is it?"}]
    line = {
        "request": {"model": response["model"], "messages": messages},
        "response": {"id": "c1", "object": "chat.completion", **CHAT, **response},
    }
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    calls = read_calls([path]).calls
    assert calls[["input_tokens", "cache_read_tokens"]].iloc[0].tolist() == expected


def test_a13_a_total_that_includes_the_cache_is_not_summed_again(tmp_path: Path) -> None:
    usage = {
        "input_tokens": 5,
        "cache_read_input_tokens": 128_955,
        "cache_creation_input_tokens": 1253,
        "output_tokens": 9,
    }
    line = {
        "timestamp": "2026-09-01T08:00:00Z",
        "request": {"model": "claude-opus-5", "messages": [{"role": "user", "content": "q"}]},
        "response": {"type": "message", "id": "m", "model": "claude-opus-5", "usage": usage},
    }
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    calls = read_calls([path]).calls
    classes = ["input_tokens", "cache_read_tokens", "cache_write_5m_tokens"]
    assert calls[classes].iloc[0].tolist() == [5, 128_955, 1253]
    assert int(calls[classes].iloc[0].sum()) == 130_213
    assert int(sum(calls["block_tokens"].iloc[0])) == 130_213


def test_one_cut_serves_every_plan(log: Build, traced: Trace) -> None:
    trace, rules = (
        traced(log({"blocks": tiers(3000, 500)}, {"at": 9, "blocks": tiers(3000, 500)})),
        load_rules(),
    )
    plans = {name: plan(trace, name, rules) for name in ("none", "as-logged")}
    found = replay(cut(trace, plans)[0])
    assert found.in_order("none")[:, 1].tolist() == [0, 0]
    assert found.in_order("as-logged")[:, 1].tolist() == [0, 3500]
