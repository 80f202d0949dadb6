"""Plans: the best depth, the load, classes, the gate, and what is said of the evidence."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.hardware.catalogue import gpu_named, model_named
from llmops_cli.hardware.fit import Measured
from llmops_cli.report import Report, Verdict
from llmops_cli.speculation import plan_speculation
from llmops_cli.speculation.analysis import Logged, analyse
from llmops_cli.speculation.decentralised import saved_per_token_s
from llmops_cli.speculation.latency import price_per_million, typical_batch
from llmops_cli.speculation.load import load_of_batches, load_of_spans, load_of_text
from llmops_cli.speculation.model import (
    Acceptance,
    Draft,
    Load,
    Machine,
    SpeculationParameters,
)
from llmops_cli.speculation.plan import at_batches, most_sequences, plan_draft
from llmops_cli.speculation.speedup import by_batch

Planted = Callable[..., Acceptance]

EAGLE = Draft(name="eagle", shape=model_named("EAGLE-Llama-3.1-8B"))
SMALL = Draft(name="small", shape=model_named("Llama-3.2-1B"))
NGRAM = Draft(name="ngram", kind="ngram")
MIXED = Load(batches=(1, 16, 128, 400), shares=(0.1, 0.4, 0.3, 0.2), source="test")
QUICK = SpeculationParameters(resamples=300)


def slugs(report: Report) -> set[str]:
    return {finding.slug for finding in report.findings}


@pytest.fixture
def seen(planted: Planted) -> Acceptance:
    generator = np.random.default_rng(1)
    return planted(generator.beta(7, 4, 60), 5, 150, generator)


@pytest.mark.parametrize("draft", [EAGLE, SMALL, NGRAM], ids=lambda draft: draft.name)
def test_the_best_depth_is_the_one_of_a_search_by_hand(
    machine: Machine, seen: Acceptance, draft: Draft
) -> None:
    plan = plan_draft(machine, draft, seen, MIXED, QUICK)
    here = at_batches(plan.costs, MIXED)
    worth = []
    for depth in range(1, 6):
        each = plan.tokens.value[depth] / here.needed[0, depth]
        curve = by_batch(plan.tokens, plan.costs, depth)[0]
        lost = np.flatnonzero(curve < 1)
        last = lost[0] if len(lost) else np.inf
        each = np.where(np.array(MIXED.batches) <= last, each, 1.0)
        worth.append(1 / (np.array(MIXED.shares) / each).sum())
    assert plan.depth == 1 + int(np.argmax(worth))
    assert plan.speedup.value == pytest.approx(max(worth))


def test_the_schedule_is_the_best_depth_of_every_batch(machine: Machine, seen: Acceptance) -> None:
    plan = plan_draft(machine, SMALL, seen, MIXED, QUICK)
    assert plan.stretches[0].first == 1
    assert plan.stretches[-1].last == len(plan.costs.batches)
    for item in plan.stretches:
        for batch in (item.first, item.last):
            worth = plan.tokens.value / plan.costs.needed[0, :, batch - 1]
            assert int(np.argmax(worth)) == item.depth


def test_adapting_is_worth_at_least_one_depth_and_that_at_least_drafting_always(
    machine: Machine, seen: Acceptance
) -> None:
    plan = plan_draft(machine, NGRAM, seen, MIXED, QUICK)
    assert plan.adaptive.value >= plan.speedup.value >= plan.always.value
    assert plan.speedup.low <= plan.speedup.value <= plan.speedup.high


def test_drafting_ends_above_the_break_even_batch(machine: Machine, planted: Planted) -> None:
    poor = planted([0.35] * 40, 4, 100, np.random.default_rng(0))
    near = replace(machine, context=64.0)
    plan = plan_draft(near, NGRAM, poor, MIXED, QUICK)
    assert 1 < plan.ends < 400
    assert plan.ends_low <= plan.ends
    assert plan.depths_of(MIXED).tolist()[-1] == 0
    curve = by_batch(plan.tokens, plan.costs, plan.depth)[0]
    assert curve[plan.ends - 1] >= 1 > curve[plan.ends]


def test_a_load_is_weighted_by_its_time(machine: Machine, seen: Acceptance) -> None:
    apart = [
        plan_draft(machine, EAGLE, seen, Load(batches=(b,), shares=(1.0,)), QUICK) for b in (1, 300)
    ]
    both = plan_draft(machine, EAGLE, seen, Load(batches=(1, 300), shares=(0.25, 0.75)), QUICK)
    each = [
        both.tokens.value[both.depth] / both.costs.needed[0, both.depth, batch - 1]
        for batch in (1, 300)
    ]
    # A quarter of the time shrinks by one speedup, the rest by the other.
    assert both.speedup.value == pytest.approx(1 / (0.25 / each[0] + 0.75 / each[1]))
    assert apart[0].speedup.value >= each[0] - 1e-9


def test_classes_where_it_loses_are_named(machine: Machine, planted: Planted) -> None:
    seen = planted([0.85] * 30 + [0.02] * 30, 5, 100, np.random.default_rng(2))
    seen = replace(seen, task=np.repeat([0, 1], 30), tasks=("code", "poetry"))
    load = Load(batches=(8,), shares=(1.0,), source="test")
    found = analyse(machine, [Logged(draft=SMALL, seen=seen)], load, QUICK)
    by_name = {item.task: item for item in found.slices}
    assert by_name["poetry"].loses
    assert not by_name["code"].loses
    assert [item.task for item in found.slices] == ["poetry", "code"]
    assert sum(item.token_share for item in found.slices) == pytest.approx(1)
    report = plan_speculation(machine, [Logged(draft=SMALL, seen=seen)], load, QUICK)
    told = next(f for f in report.findings if f.slug == "speculation-class-loses")
    assert "poetry" in told.message
    assert "code" not in told.message


@pytest.mark.parametrize(
    ("bound", "verdict", "word"),
    [(1.0, Verdict.PASS, "GO: "), (9.0, Verdict.FAIL, "NO-GO: "), (1.6, None, "INCONCLUSIVE: ")],
)
def test_the_gate_is_decided_on_the_interval(
    machine: Machine, seen: Acceptance, bound: float, verdict: Verdict | None, word: str
) -> None:
    given = replace(QUICK, min_speedup=bound)
    report = plan_speculation(machine, [Logged(draft=EAGLE, seen=seen)], MIXED, given)
    check = report.checks[0]
    assert check.verdict is (verdict or Verdict.INCONCLUSIVE)
    assert report.headline.startswith(word)
    assert bool(check.needed) == (verdict is None)


def test_rates_without_a_spread_decide_nothing(machine: Machine, seen: Acceptance) -> None:
    alone = seen.only(np.arange(60) == 0)
    given = replace(QUICK, min_speedup=1.01)
    report = plan_speculation(machine, [Logged(draft=EAGLE, seen=alone)], MIXED, given)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.measures[0].low is None
    assert "speculation-no-spread" in slugs(report)


def test_what_is_needed_names_steps_where_requests_would_not_help(
    machine: Machine, seen: Acceptance
) -> None:
    found = analyse(machine, [Logged(draft=EAGLE, seen=seen)], MIXED, QUICK)
    plan = found.best
    central = 1.02 * plan.speedup.low
    given = replace(QUICK, min_speedup=central)
    report = plan_speculation(machine, [Logged(draft=EAGLE, seen=seen)], MIXED, given)
    assert report.checks[0].verdict is Verdict.INCONCLUSIVE
    assert report.checks[0].needed.startswith("measured steps")
    given = replace(QUICK, min_speedup=plan.speedup.value * 1.005)
    report = plan_speculation(machine, [Logged(draft=EAGLE, seen=seen)], MIXED, given)
    assert "requests" in report.checks[0].needed


def test_drafts_are_ranked_and_the_order_is_as_sure_as_the_evidence(
    machine: Machine, planted: Planted
) -> None:
    good = planted([0.8] * 40, 4, 100, np.random.default_rng(1))
    poor = planted([0.4] * 40, 4, 100, np.random.default_rng(2))
    logged = [
        Logged(draft=replace(NGRAM, name="poor"), seen=poor),
        Logged(draft=replace(NGRAM, name="good"), seen=good),
        Logged(draft=replace(NGRAM, name="same"), seen=good),
    ]
    found = analyse(machine, logged, MIXED, QUICK)
    assert found.plans[-1].draft.name == "poor"
    first = dict(zip((plan.draft.name for plan in found.plans), found.first, strict=True))
    assert first["poor"] == 0
    assert 0.2 < first["good"] < 0.8
    assert sum(first.values()) == pytest.approx(1)


def test_warnings_of_the_evidence_fire(machine: Machine, planted: Planted) -> None:
    generator = np.random.default_rng(3)
    drifting = planted([0.85] * 30 + [0.5] * 30, 4, 100, generator)
    drifting = replace(drifting, temperature=np.full(60, 0.7))
    logged = [Logged(draft=EAGLE, seen=drifting)]
    given = replace(QUICK, temperature=0.0, min_speedup=1.0)
    report = plan_speculation(machine, logged, MIXED, given)
    assert {"speculation-drift", "speculation-other-temperature"} <= slugs(report)
    assert [check.verdict for check in report.checks] == [Verdict.INCONCLUSIVE]
    as_logged = plan_speculation(machine, logged, MIXED, replace(given, temperature=0.7))
    assert [check.verdict for check in as_logged.checks] == [Verdict.PASS]
    mixed = planted([0.8] * 60, 4, 100, generator)
    mixed = replace(mixed, temperature=np.tile([0.0, 1.0], 30))
    report = plan_speculation(machine, [Logged(draft=EAGLE, seen=mixed)], MIXED, QUICK)
    assert "speculation-temperatures" in slugs(report)
    table = next(item for item in report.tables if item.name == "temperatures")
    assert [row[:2] for row in table.rows] == [(0.0, 30), (1.0, 30)]
    assert "speculation-drift" not in slugs(report)
    outside = replace(drifting, batch=np.full(60, 4.0))
    report = plan_speculation(machine, [Logged(draft=EAGLE, seen=outside)], MIXED, QUICK)
    assert "speculation-batch-outside" in slugs(report)


@pytest.mark.parametrize(
    ("rates", "slug"),
    [([1.0] * 20, "speculation-all-or-nothing"), ([0.5] * 5, "speculation-few-requests")],
)
def test_thin_evidence_is_said(
    machine: Machine, planted: Planted, rates: list[float], slug: str
) -> None:
    seen = planted(rates, 3, 60, np.random.default_rng(0))
    report = plan_speculation(machine, [Logged(draft=EAGLE, seen=seen)], MIXED, QUICK)
    assert slug in slugs(report)


def test_measured_steps_that_do_not_fit_or_reach_the_load_are_said(
    machine: Machine, seen: Acceptance
) -> None:
    generator = np.random.default_rng(4)
    batch = np.tile([1.0, 4, 16, 64], 6)
    measured = Measured(
        batch=batch, tokens=np.ones(24), context=np.full(24, 500.0),
        seconds=0.01 * np.exp(generator.normal(0, 0.6, 24)), source="steps.csv",
    )  # fmt: skip
    timed = replace(machine, measured=measured)
    report = plan_speculation(timed, [Logged(draft=EAGLE, seen=seen)], MIXED, QUICK)
    assert {"speculation-poor-fit", "speculation-batch-outside"} <= slugs(report)
    assert "speculation-assumed-steps" not in slugs(report)


@pytest.mark.parametrize(
    ("more", "slug"),
    [
        ({"depth_assumed": True}, "speculation-depth-assumed"),
        ({"alike": True}, "speculation-positions-alike"),
    ],
)
def test_what_a_log_leaves_open_is_said(
    machine: Machine, seen: Acceptance, more: dict[str, bool], slug: str
) -> None:
    logged = [Logged(draft=EAGLE, seen=seen, **more)]
    given = replace(QUICK, temperature=0.0)
    found = slugs(plan_speculation(machine, logged, MIXED, given))
    assert {slug, "speculation-unknown-temperature"} <= found


def test_without_a_load_batch_one_is_said_to_be_an_assumption(
    machine: Machine, seen: Acceptance
) -> None:
    report = plan_speculation(machine, [Logged(draft=EAGLE, seen=seen)], None, QUICK)
    assert "speculation-no-load" in slugs(report)


def test_batches_that_do_not_fit_are_said(machine: Machine, seen: Acceptance) -> None:
    far = replace(machine, context=30_000.0)
    report = plan_speculation(far, [Logged(draft=EAGLE, seen=seen)], MIXED, QUICK)
    assert "speculation-beyond-the-cache" in slugs(report)


def test_the_report_is_the_same_for_the_same_seed(machine: Machine, seen: Acceptance) -> None:
    logged = [Logged(draft=EAGLE, seen=seen), Logged(draft=NGRAM, seen=seen)]
    one, two = (plan_speculation(machine, logged, MIXED, QUICK) for _ in range(2))
    assert one == two


def test_a_target_that_does_not_fit_is_refused(seen: Acceptance) -> None:
    machine = Machine(target=model_named("Llama-3.1-70B"), gpu=gpu_named("H100"))
    with pytest.raises(LlmopsError) as refused:
        plan_speculation(machine, [Logged(draft=NGRAM, seen=seen)], MIXED, QUICK)
    assert refused.value.slug == "hardware-no-room"


def test_a_pipeline_shares_the_weights_out() -> None:
    one = Machine(target=model_named("Llama-3.1-70B"), gpu=gpu_named("H200"))
    with pytest.raises(LlmopsError):
        most_sequences(one)
    two = replace(one, nodes=2)
    room = 0.9 * 143771 * 2**20 - 2 * 2**30 - 70.6e9
    assert most_sequences(two) == int(int(room // (327_680 / 2)) / 1025)


def test_a_tree_of_other_depth_than_its_log_is_refused(machine: Machine, seen: Acceptance) -> None:
    tree = replace(EAGLE, kind="tree", levels=(4, 8))
    with pytest.raises(LlmopsError) as refused:
        plan_draft(machine, tree, seen, MIXED, QUICK)
    assert refused.value.slug == "speculation-no-depth"


@pytest.mark.parametrize(
    ("machine_wrong", "given_wrong"),
    [
        ({"context": -1.0}, {}),
        ({"context": float("nan")}, {}),
        ({"reject_s": float("inf")}, {}),
        ({"nodes": 0}, {}),
        ({"hop_s": -0.1}, {}),
        ({}, {"max_batch": 0}),
        ({}, {"min_speedup": 0.0}),
        ({}, {"min_speedup": float("nan")}),
        ({}, {"temperature": -0.5}),
        ({}, {"gpu_usd_per_hour": -3.0}),
    ],
)
def test_numbers_that_cannot_be_are_refused(
    machine: Machine,
    seen: Acceptance,
    machine_wrong: dict[str, float],
    given_wrong: dict[str, float],
) -> None:
    with pytest.raises(LlmopsError) as refused:
        plan_speculation(
            replace(machine, **machine_wrong),
            [Logged(draft=NGRAM, seen=seen)],
            MIXED,
            replace(QUICK, **given_wrong),
        )
    assert refused.value.slug == "speculation-bad-machine"


def test_no_draft_is_refused(machine: Machine) -> None:
    with pytest.raises(LlmopsError) as refused:
        plan_speculation(machine, [], MIXED, QUICK)
    assert refused.value.slug == "speculation-no-draft"


def test_far_nodes_make_speculation_worth_its_tokens(machine: Machine, seen: Acceptance) -> None:
    apart = replace(machine, nodes=4, hop_s=0.02)
    found = analyse(apart, [Logged(draft=EAGLE, seen=seen)], MIXED, QUICK)
    worth = [plan.speedup.value for _, plan in found.hops]
    assert worth == sorted(worth)
    assert found.hops[0][0] == 0
    assert found.hops[0][1].speedup.value < found.best.speedup.value


def test_saved_latency_is_the_published_formula() -> None:
    # Four nodes 20 ms apart, three tokens a step: two of three traversals are spared.
    assert saved_per_token_s(4, 0.02, 3.0) == pytest.approx(3 * 0.02 * 2 / 3)
    assert saved_per_token_s(1, 0.02, 3.0) == 0


def test_a_price_is_that_of_the_gpus_over_their_tokens(machine: Machine) -> None:
    # 16 sequences at 10 ms a token are 1,600 tokens a second; an hour of them costs 3 dollars.
    assert price_per_million(machine, 3.0, 16, 0.010) == pytest.approx(3 / (1600 * 3600) * 1e6)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 20)), min_size=1, max_size=12))
def test_running_requests_are_those_of_every_second(runs: list[tuple[int, int]]) -> None:
    spans = np.array([[begun, begun + long] for begun, long in runs], np.float64)
    found = load_of_spans(spans, "log")
    seconds = [sum(a <= now < b for a, b in spans) for now in range(51)]
    busy = [count for count in seconds if count]
    shares = {size: busy.count(size) / len(busy) for size in sorted(set(busy))}
    assert found.batches == tuple(shares)
    assert found.shares == pytest.approx(tuple(shares.values()))


def test_a_load_is_read_from_when_requests_ran() -> None:
    spans = np.array([[0.0, 10.0], [2.0, 6.0], [20.0, 22.0], [np.nan, 3.0]])
    found = load_of_spans(spans, "log")
    assert found.batches == (1, 2)
    assert found.shares == pytest.approx((8 / 12, 4 / 12))
    assert load_of_spans(np.full((2, 2), np.nan), "log") is None


def test_a_load_is_read_from_the_batches_of_a_log() -> None:
    found = load_of_batches(np.array([4.0, 4, 8, np.nan]), np.array([10.0, 10, 20, 5]), "log")
    assert (found.batches, found.shares) == ((4, 8), (0.5, 0.5))
    assert typical_batch(found.batches, found.shares) == 4
    assert load_of_batches(np.array([np.nan]), np.ones(1), "log") is None


def test_a_load_adds_up_to_one() -> None:
    found = load_of_text("8:3,1:1")
    assert (found.batches, found.shares) == ((1, 8), (0.25, 0.75))
    assert typical_batch(found.batches, found.shares) == 8


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("1", "load-not-pairs"),
        ("a:1", "load-not-pairs"),
        ("0:1", "load-bad-batch"),
        ("1.5:1", "load-bad-batch"),
        ("1:-1", "load-bad-share"),
        ("1:0", "load-bad-share"),
        ("1:nan", "load-bad-share"),
    ],
)
def test_a_load_that_is_none_is_refused(text: str, slug: str) -> None:
    with pytest.raises(LlmopsError) as refused:
        load_of_text(text)
    assert refused.value.slug == slug
