"""Figures, differences and searches, against the same reckoned by hand and against curves known."""

from dataclasses import replace
from math import inf, isnan

import numpy as np
import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.hardware.catalogue import gpu_named, model_named
from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.capacity import TOLERANCE, Capacity, find_capacity
from llmops_cli.serving.comparison import Played
from llmops_cli.serving.counted import Counted
from llmops_cli.serving.differences import differences
from llmops_cli.serving.machines import Machines
from llmops_cli.serving.measures import FIGURES, Figure, figures_of, interval
from llmops_cli.serving.model import Outcome, Policy
from llmops_cli.serving.policies import policy_of
from llmops_cli.serving.policy_lines import parse_line
from llmops_cli.serving.question import Search, ServingParameters, Slo, parse_slo
from llmops_cli.serving.warm_up import warm_up_of
from llmops_cli.stats.block_bootstrap import stretches_of

MACHINES = Machines(model=model_named("llama-3.1-8b"), gpu=gpu_named("h100"))
POLICY = policy_of(parse_line("name=p router=kv replicas=2"), MACHINES, 16)
SLO = Slo(ttft_s=0.5, tpot_s=0.02)


def trace_of(n: int, draw: np.random.Generator) -> RequestTrace:
    lengths = draw.integers(1, 200, n)
    counts = -(-lengths // 16)
    return RequestTrace(
        arrival_s=np.arange(n, dtype=np.float64),
        input_tokens=lengths,
        output_tokens=draw.integers(1, 5, n),
        starts=np.concatenate([[0], np.cumsum(counts)]),
        blocks=np.arange(int(counts.sum())),
        block_tokens=16,
        session=np.full(n, -1),
    )


def outcome_of(trace: RequestTrace, draw: np.random.Generator, slower: float = 1.0) -> Outcome:
    """A made-up outcome: waits, prefill and decode times drawn, nothing simulated."""
    n = len(trace)
    begun = trace.arrival_s + slower * draw.exponential(0.1, n)
    first = begun + slower * draw.exponential(0.2, n)
    each = draw.exponential(0.015, n)
    return Outcome(
        policy=POLICY,
        arrival_s=trace.arrival_s,
        scheduled_s=begun,
        first_token_s=first,
        finish_s=first + each * (trace.output_tokens - 1),
        longest_gap_s=each,
        replica=np.zeros(n, np.int64),
        decode_replica=np.zeros(n, np.int64),
        hit_tokens=trace.input_tokens // 3 * (np.arange(n) % 2),
        second_tier_tokens=np.zeros(n, np.int64),
        preemptions=(np.arange(n) % 7 == 0).astype(np.int64),
        busy_s=np.array([30.0, 10.0]),
        iterations=np.array([5, 5]),
        computed_tokens=np.array([5, 5]),
        peak_blocks=np.array([5, 5]),
    )


def counted_of(n: int = 200, slower: float = 1.0, slo: Slo | None = SLO) -> Counted:
    trace = trace_of(n, np.random.default_rng(1))
    warm_up = warm_up_of(trace, 10**9, 20.0)
    return Counted(
        trace=trace,
        outcome=outcome_of(trace, np.random.default_rng(2), slower),
        warm_up=warm_up,
        stretches=stretches_of(trace.arrival_s[warm_up.counted], 10, resamples=200),
        slo=slo,
        gpus=2,
        usd_per_hour=3.0,
    )


def played_of(counted: Counted) -> Played:
    return Played(POLICY, MACHINES, counted.outcome, counted, figures_of(counted))


def test_every_figure_is_what_its_name_says() -> None:
    counted = counted_of()
    found = {name: each.value for name, each in figures_of(counted).items()}
    out, trace = counted.outcome, counted.trace
    rows = range(20, 200)
    ttft = sorted(out.first_token_s[row] - out.arrival_s[row] for row in rows)
    tpot = [
        (out.finish_s[row] - out.first_token_s[row]) / (trace.output_tokens[row] - 1)
        for row in rows
        if trace.output_tokens[row] > 1
    ]
    assert found["ttft_mean_s"] == pytest.approx(sum(ttft) / 180)
    assert (found["ttft_p50_s"], found["ttft_p90_s"]) == (ttft[89], ttft[161])
    assert found["ttft_p99_s"] == ttft[178]
    assert found["tpot_mean_s"] == pytest.approx(sum(tpot) / len(tpot))
    good = sum(
        out.first_token_s[row] - row <= 0.5
        and (out.finish_s[row] - out.first_token_s[row])
        <= 0.02 * (trace.output_tokens[row] - 1) + 1e-15
        for row in rows
    )
    lasted = max(out.finish_s) - 20
    assert found["goodput_share"] == pytest.approx(good / 180)
    assert found["goodput_per_s"] == pytest.approx(good / lasted)
    assert found["requests_per_s"] == pytest.approx(180 / lasted)
    tokens = sum(trace.output_tokens[row] for row in rows)
    assert found["output_tokens_per_s"] == pytest.approx(tokens / lasted)
    hits = sum(out.hit_tokens[row] for row in rows)
    asked = sum(trace.input_tokens[row] for row in rows)
    assert found["hit_rate_tokens"] == pytest.approx(hits / asked)
    assert found["hit_rate_requests"] == sum(out.hit_tokens[row] > 0 for row in rows) / 180
    assert found["preemptions"] == sum(row % 7 == 0 for row in rows)
    assert found["utilisation"] == pytest.approx(40 / (2 * max(out.finish_s)))
    hours = 1e6 * 2 * lasted / 3600 / tokens
    assert found["gpu_hours_per_million_output"] == pytest.approx(hours)
    assert found["usd_per_million_output"] == pytest.approx(3 * hours)
    assert found["usd_per_million_tokens"] == pytest.approx(3 * hours * tokens / (tokens + asked))


def test_what_was_not_asked_for_is_unknown() -> None:
    found = figures_of(replace_of(counted_of(slo=None), usd_per_hour=None))
    unknown = {name for name, each in found.items() if isnan(each.value)}
    assert unknown == {"goodput_share", "goodput_per_s", "usd_per_million_output",
                       "usd_per_million_tokens"}  # fmt: skip


def replace_of(counted: Counted, **changes: float | None) -> Counted:
    return replace(counted, **changes)


def test_intervals_lie_about_their_values() -> None:
    for name, each in figures_of(counted_of()).items():
        low, high = interval(each.samples)
        if low is not None and high is not None:
            assert low <= each.value <= high or FIGURES[name].unit == "s", name
    assert interval(None) == (None, None)
    assert interval(np.array([1.0, np.nan])) == (None, None)


def test_the_same_outcome_does_not_differ_from_itself() -> None:
    one = played_of(counted_of())
    found = differences(one, one)
    assert found
    assert all((each.change, each.low, each.high) == (0, 0, 0) for each in found)
    assert not any(each.shown for each in found)


def test_pairs_show_what_single_intervals_cannot() -> None:
    one, two = played_of(counted_of()), played_of(counted_of(slower=1.05))
    (found,) = differences(one, two, ["ttft_mean_s"])
    own = interval(one.figures["ttft_mean_s"].samples)
    assert found.shown
    assert not found.better
    assert own[1] is not None
    assert own[1] > two.figures["ttft_mean_s"].value  # alone, the two cannot be told apart


def searched(
    share_of: "Figure | object", find: Search, policy: Policy = POLICY, least: float = 0.9
) -> Capacity:
    assert callable(share_of)
    trace = trace_of(101, np.random.default_rng(3))
    given = ServingParameters(slo=Slo(ttft_s=1, share=least), find=find)

    def within(load: RequestTrace, fleet: Policy) -> Figure:
        rate = float(trace.arrival_s[-1] / load.arrival_s[-1])
        share = float(share_of(rate, fleet.replicas))
        return Figure(share, np.linspace(share - 0.05, share + 0.05, 101))

    return find_capacity(trace, policy, given, within)


@pytest.mark.parametrize("capacity", [0.013, 0.5, 1.0, 1.01, 3.7, 900.0])
def test_the_largest_rate_is_found_within_its_tolerance(capacity: float) -> None:
    found = searched(lambda rate, _: 0.9 * capacity / rate, "rate")
    assert found.value is not None
    assert capacity / (1 + TOLERANCE) <= found.value <= capacity * (1 + 1e-9)
    assert found.low is not None
    assert found.high is not None
    # Where share +- 0.0475 crosses 0.9.
    assert found.low == pytest.approx(capacity * 0.9 / 0.9475, rel=TOLERANCE)
    assert found.high == pytest.approx(capacity * 0.9 / 0.8525, rel=TOLERANCE)
    assert found.requests_per_s == pytest.approx(found.value * 101 / 100)
    sizes = [trial.size for trial in found.trials]
    assert sizes == sorted(set(sizes))


def test_no_rate_at_all() -> None:
    assert searched(lambda *_: 0.1, "rate").value is None
    endless = searched(lambda *_: 1.0, "rate")
    assert (endless.value, endless.requests_per_s) == (None, None)


@pytest.mark.parametrize("needed", [1, 2, 7, 64, 65])
def test_the_fewest_replicas_are_found(needed: int) -> None:
    found = searched(lambda _, replicas: 0.9 + (replicas - needed) / 200, "replicas")
    assert found.value == needed
    # An end of the share's interval is 0.0475 away: so many replicas on either side.
    assert (found.low, found.high) == (max(needed - 9, 1), needed + 10)


def test_too_few_replicas_whatever_their_number() -> None:
    assert searched(lambda *_: 0.1, "replicas").value is None


def test_pools_keep_their_proportion_and_neither_is_empty() -> None:
    policy = policy_of(parse_line("replicas=8 decode=2"), MACHINES, 16)
    seen: dict[int, int] = {}

    def within(_: RequestTrace, fleet: Policy) -> Figure:
        assert fleet.pools is not None
        seen[fleet.replicas] = fleet.pools.decode_replicas
        return Figure(float(fleet.replicas >= 12))

    trace = trace_of(20, np.random.default_rng(3))
    given = ServingParameters(slo=SLO, find="replicas")
    found = find_capacity(trace, policy, given, within)
    assert (found.value, found.low, found.high) == (12, 12, 12)
    assert seen == {2: 1, 4: 1, 8: 2, 16: 4, 12: 3, 10: 2, 11: 3}


@pytest.mark.parametrize(
    ("text", "slo"),
    [
        ("ttft=2,tpot=0.05", Slo(ttft_s=2, tpot_s=0.05)),
        ("e2e=30,share=0.99", Slo(e2e_s=30, share=0.99)),
    ],
)
def test_an_slo_in_words(text: str, slo: Slo) -> None:
    assert parse_slo(text) == slo
    assert parse_slo(str(slo)) == replace(slo, share=0.9)


@pytest.mark.parametrize(
    "text", ["", "ttft", "ttft=0", "ttft=fast", "latency=2", "share=0.9", "ttft=2,share=0",
             "ttft=2,share=2", "ttft=inf", "ttft=nan"]
)  # fmt: skip
def test_what_is_no_slo(text: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        parse_slo(text)
    assert caught.value.slug == "serving-bad-slo"


@pytest.mark.parametrize(
    ("fields", "slug"),
    [
        ({"find": "rate"}, "serving-no-slo"),
        ({"min_goodput": 0.9}, "serving-no-slo"),
        ({"find": "money", "slo": SLO}, "serving-bad-search"),
        ({"min_hit_rate": 1.5}, "serving-bad-gate"),
        ({"min_goodput": -0.1, "slo": SLO}, "serving-bad-gate"),
        ({"max_ttft_p99_s": -1}, "serving-bad-amount"),
        ({"warm_up_s": inf}, "serving-bad-amount"),
        ({"gpu_usd_per_hour": float("nan")}, "serving-bad-amount"),
    ],
)
def test_questions_that_cannot_be_asked(fields: dict[str, object], slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        ServingParameters(**fields)
    assert caught.value.slug == slug
