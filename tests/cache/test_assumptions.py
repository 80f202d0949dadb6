"""Undocumented behaviour is a knob: its default changes nothing, its value does as it says."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.cache.assumptions import Assumption, assumed, assumptions, machines, missed
from llmops_cli.cache.providers import asked_for, under_rules
from llmops_cli.cache.rules import provider_names, provider_rules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.calls import BlockKind, CallsTable
from llmops_cli.errors import ExitCode, LlmopsError

Build = Callable[..., CallsTable]
Trace = Callable[..., CacheTrace]

SETTABLE = {"lifetime", "miss_rate", "overflow", "step_tokens"}
STATED = {"refresh", "intervals", "object", "kv_tokens", "output"}


def test_every_knob_of_the_rules_can_be_set_or_is_known_to_be_fixed() -> None:
    knobs = {name for rules in map(provider_rules, provider_names()) for name in rules.knobs}
    assert knobs == SETTABLE | STATED


@pytest.mark.parametrize("name", provider_names())
def test_a_knob_set_to_its_default_changes_nothing(name: str) -> None:
    rules = provider_rules(name)
    for knob in rules.knobs.values():
        if knob.name in SETTABLE:
            same = assumed(rules, assumptions([f"{name}.{knob.name}={knob.default}"]))
            assert same.knobs[knob.name].given
            for field in ("life_5m_us", "miss_rate", "overflow_per_minute", "step_tokens"):
                assert getattr(same, field) == getattr(rules, field), (name, knob.name, field)


def test_a_knob_is_set_for_all_who_have_it_or_for_the_one_that_is_named() -> None:
    asked = ["openai-5.5", "openai-classic", "vllm"]
    everywhere = dict(zip(asked, asked_for(asked, ["lifetime=77"]), strict=True))
    assert [rules.life_5m_us for rules, _ in everywhere.values()] == [77_000_000, 77_000_000, 0]
    named = [rules for rules, _ in asked_for(asked, ["openai-5.5.lifetime=77", "lifetime=9"])]
    assert [rules.life_5m_us for rules in named] == [9_000_000, 9_000_000, 0]
    one = [rules for rules, _ in asked_for(asked, ["openai-5.5.lifetime=77"])]
    assert [rules.life_5m_us for rules in one] == [77_000_000, 300_000_000, 0]
    assert one[0].knobs["lifetime"].default == "77"


@pytest.mark.parametrize(
    ("text", "slug", "hint"),
    [
        ("overflow", "cache-bad-assumption", "requests a minute"),
        ("overflow=0", "cache-bad-assumption", "requests a minute"),
        ("miss_rate=1.5", "cache-bad-assumption", "share"),
        ("miss_rate=nan", "cache-bad-assumption", "share"),
        ("lifetime=inf", "cache-bad-assumption", "seconds"),
        ("step_tokens=1e3", "cache-bad-assumption", "tokens"),
        ("mis_rate=0.4", "cache-unknown-assumption", "miss_rate"),
        ("intervals=512", "cache-unknown-assumption", "one of"),
        ("refresh=marked", "cache-unknown-assumption", "--refresh"),
        ("vllm.miss_rate=0.4", "cache-unknown-assumption", "gemini-implicit"),
        ("openai.overflow=15", "cache-unknown-provider", "openai"),
        ("miss_rate=0.4", "cache-idle-assumption", "--provider gemini-implicit"),
        ("=", "cache-unknown-assumption", "one of"),
    ],
)
def test_what_nobody_can_assume_is_a_usage_error(text: str, slug: str, hint: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        asked_for(["vllm"], [text])
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)
    assert hint in caught.value.hint


def busy(log: Build, times: list[float]) -> CallsTable:
    prompt = [("developer", 3000, "", BlockKind.SYSTEM), ("question", 200)]
    return log(*({"at": at, "blocks": prompt, "conversation_id": f"c{at}"} for at in times))


def reads(trace: CacheTrace, name: str, *assume: str, seed: int = 0) -> list[int]:
    ((rules, model),) = asked_for([name], assume)
    minimum = rules.minimum(model).tokens
    return under_rules(trace, rules, minimum, seed=seed).tokens[:, 1].tolist()


@pytest.mark.parametrize("name", ["openai-implicit", "openai-explicit"])
def test_beyond_fifteen_a_minute_another_machine_begins_with_an_empty_cache(
    log: Build, traced: Trace, name: str
) -> None:
    trace = traced(busy(log, [2.0 * n for n in range(20)]))
    assert reads(trace, name) == [0] + [3200] * 19
    # The sixteenth of the minute is the first on the second machine.
    assert reads(trace, name, "overflow=15") == [0] + [3200] * 14 + [0] + [3200] * 4
    slow = traced(busy(log, [4.1 * n for n in range(20)]))
    assert reads(slow, name, "overflow=15") == [0] + [3200] * 19


def test_other_prefixes_and_organisations_do_not_crowd_a_machine(log: Build, traced: Trace) -> None:
    calls = (
        {
            "at": 2.0 * n,
            "isolation_domain": f"org {n % 2}",
            "blocks": [(f"developer {n % 4}", 3000, "", BlockKind.SYSTEM), ("question", 200)],
        }
        for n in range(28)
    )
    # Seven requests a minute of each of four prefixes.
    trace = traced(log(*calls))
    assert reads(trace, "openai-implicit", "overflow=7") == reads(trace, "openai-implicit")
    assert reads(trace, "openai-implicit", "overflow=6") != reads(trace, "openai-implicit")


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from("ab"), st.sampled_from("xy")),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 5),
)
def test_a_machine_is_told_by_the_requests_of_the_last_minute(
    log: Build, traced: Trace, requests: list[tuple[int, str, str]], per_minute: int
) -> None:
    calls = [
        {"at": float(at), "isolation_domain": domain, "blocks": [(prefix, 2000)]}
        for at, prefix, domain in sorted(requests, key=lambda item: item[0])
    ]
    trace = traced(log(*calls))
    local = trace.shared_by(trace.domain, 1024)
    expected = list[int]()
    for number, call in enumerate(calls):
        before = [
            other
            for other in calls[:number]
            if other["isolation_domain"] == call["isolation_domain"]
            and other["blocks"] == call["blocks"]
            and float(call["at"]) - float(other["at"]) < 60
        ]
        expected.append(len(before) // per_minute)
    assert machines(local, per_minute).tolist() == expected


def test_random_misses_are_seeded_grow_with_their_rate_and_cost_reads_alone(
    log: Build, traced: Trace
) -> None:
    prompt = [("system", 5000, "", BlockKind.SYSTEM), ("question", 200)]
    trace = traced(log(*({"at": 2.0 * n, "blocks": prompt} for n in range(400))))
    name = "gemini-implicit"
    whole = reads(trace, name)
    assert reads(trace, name, "miss_rate=0") == whole == [0] + [5200] * 399
    some, more = (reads(trace, name, f"miss_rate={rate}") for rate in (0.4, 0.6))
    assert (
        some == reads(trace, name, "miss_rate=0.4") != reads(trace, name, "miss_rate=0.4", seed=1)
    )
    assert sum(read == 0 for read in some) / 400 == pytest.approx(0.4, abs=0.08)
    assert all(less <= read for less, read in zip(more, some, strict=True))
    assert reads(trace, name, "miss_rate=1") == [0] * 400
    fresh = under_rules(trace, asked_for([name], ["miss_rate=0.4"])[0][0], 4096).tokens
    assert (fresh.sum(axis=1) == 5200).all()


def test_the_draws_are_of_the_calls_and_not_of_the_rate() -> None:
    few, many = missed(1000, 0.2, 3), missed(1000, 0.5, 3)
    assert (many | ~few).all()
    assert not missed(1000, 0.0, 3).any()
    assert missed(1000, 1.0, 3).all()
    assert np.array_equal(few, missed(1000, 0.2, 3))


def test_an_assumption_holds_where_it_is_meant() -> None:
    rules = provider_rules("gemini-implicit")
    assert Assumption("", "miss_rate", "0.4").holds_for(rules)
    assert not Assumption("xai", "lifetime", "9").holds_for(rules)
    assert not Assumption("", "overflow", "15").holds_for(rules)
