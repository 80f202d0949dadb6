"""The verb: spend, saving, gate, exclusions, refusals and what the report says of the log."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd
import pytest

from llmops_cli import cache_estimate
from llmops_cli.cache import CacheParameters
from llmops_cli.cache import replays as replays_module
from llmops_cli.calls import BlockKind, CallsTable
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.prices import PriceBook, Rates
from llmops_cli.report import Measure, Report, Verdict
from llmops_cli.views import render

Build = Callable[..., CallsTable]
Calls = list[dict[str, Any]]

SYSTEM = ("system", 4000)


def conversations(count: int, turns: int = 5, **extra: object) -> Calls:
    """Chats a minute a turn under one system prompt, an hour apart."""
    return [
        {
            "at": 3600 * c + 60 * t,
            "conversation_id": f"c{c}",
            "blocks": [SYSTEM, *((f"c{c} t{n}", 300) for n in range(t + 1))],
            **extra,
        }
        for c in range(count)
        for t in range(turns)
    ]


def measure(report: Report, name: str) -> Measure:
    return next(item for item in report.measures if item.name == name)


def value(report: Report, name: str) -> float:
    found = measure(report, name).value
    assert found is not None
    return found


def table(report: Report, name: str) -> pd.DataFrame:
    found = next(item for item in report.tables if item.name == name)
    frame = pd.DataFrame(found.rows, columns=[c.name for c in found.columns])
    return frame.set_index(frame.columns[0])


def findings(report: Report) -> dict[str, int]:
    return {item.slug: item.count for item in report.findings}


def test_the_spend_of_a_conversation_by_hand(log: Build) -> None:
    report = cache_estimate(log(*conversations(1, 3)), CacheParameters(policy="automatic-5m"))
    prompts = [4300, 4600, 4900]
    uncached = sum(prompts) * 3 / 1e6
    cached = (4300 * 3.75 + (4300 + 4600) * 0.3 + 2 * 300 * 3.75) / 1e6
    spend = table(report, "spend")
    assert spend.loc["no caching", "input_usd"] == pytest.approx(uncached)
    assert spend.loc["logged markers", "input_usd"] == pytest.approx(uncached)
    assert spend.loc["automatic, 5 min", "input_usd"] == pytest.approx(cached)
    assert spend.loc["least possible", "input_usd"] == pytest.approx(
        (4300 * 3.75 + (4300 + 4600) * 0.3 + 300 * 3.75 + 300 * 3) / 1e6
    )
    assert value(report, "saving") == pytest.approx(1 - cached / uncached)
    assert value(report, "saving_usd") == pytest.approx(uncached - cached)
    assert value(report, "hit_rate") == pytest.approx(8900 / sum(prompts))
    assert value(report, "output_usd") == pytest.approx(3 * 10 * 15 / 1e6)


def test_money_classes_add_up_in_every_row(log: Build) -> None:
    spend = table(cache_estimate(log(*conversations(6))), "spend").drop(index="least possible")
    classes = spend[["fresh_usd", "read_usd", "write_5_min_usd", "write_1_h_usd"]]
    assert classes.astype(float).sum(axis=1).to_numpy() == pytest.approx(
        spend["input_usd"].to_numpy(dtype=float)
    )


def test_the_cheapest_policy_is_recommended(log: Build) -> None:
    report = cache_estimate(log(*conversations(5)))
    assert report.parameters["policy"] == "automatic-5m"
    assert report.headline.startswith("Automatic caching with 5-minute entries would cut input")
    slow = [{**call, "at": 1000.0 * n} for n, call in enumerate(conversations(5))]
    assert cache_estimate(log(*slow)).parameters["policy"] == "automatic-1h"


def test_useless_markers_are_better_taken_out(log: Build) -> None:
    calls = [
        {"at": 60 * n, "conversation_id": str(n), "blocks": [(f"unique {n}", 5000, "5m")]}
        for n in range(9)
    ]
    report = cache_estimate(log(*calls))
    assert report.parameters["policy"] == "none"
    assert value(report, "saving") == pytest.approx(0.2)
    assert report.headline.startswith("Taking the logged markers out would cut input spend by 20.0")


@pytest.mark.parametrize(
    ("tokens", "headline"),
    [
        (5000, "Prompt caching does not pay: automatic caching with 5-minute entries would cost "),
        (500, "Prompt caching would change nothing: input spend stays "),
    ],
)
def test_a_log_without_repetition_is_told_so(log: Build, tokens: int, headline: str) -> None:
    calls = ({"at": 60 * n, "blocks": [(f"unique {n}", tokens)]} for n in range(9))
    assert cache_estimate(log(*calls)).headline.startswith(headline)


def test_where_automatic_caching_does_not_pay_markers_that_do_are_named(log: Build) -> None:
    # Something shared before ever other messages: a write at the tail is never read.
    shared = ("shared", 4000)
    calls = ({"at": 60 * n, "blocks": [shared, (f"unique {n}", 9000)]} for n in range(9))
    report = cache_estimate(log(*calls))
    assert report.parameters["policy"] == "none"
    assert "more than the $" in report.headline
    assert "'best 4, 5 min' would save " in report.headline


def test_a_policy_that_costs_more_says_how_much(log: Build) -> None:
    calls = ({"at": 60 * n, "blocks": [(f"unique {n}", 5000)]} for n in range(4))
    report = cache_estimate(log(*calls), CacheParameters(policy="automatic-1h"))
    assert "would cost 100.0 % more" in report.headline
    assert value(report, "saving") == pytest.approx(-1.0)


def test_logged_markers_are_judged_against_no_caching(log: Build) -> None:
    calls = conversations(4)
    for call in calls:
        call["blocks"] = [("system", 4000, "5m"), *call["blocks"][1:]]
    report = cache_estimate(log(*calls), CacheParameters(policy="as-logged"))
    spend = table(report, "spend")["input_usd"]
    assert value(report, "saving") == pytest.approx(
        1 - spend["logged markers"] / spend["no caching"]
    )
    assert report.headline.startswith("The logged markers cut input spend by")


# The gate is the one-sided 95 % bound: mixed traffic makes the interval wide enough to doubt.
@pytest.mark.parametrize(
    ("bound", "verdict"),
    [(0.2, Verdict.PASS), (0.9, Verdict.FAIL), (0.55, Verdict.INCONCLUSIVE), (None, Verdict.PASS)],
)
def test_the_gate_has_three_states(log: Build, bound: float | None, verdict: Verdict) -> None:
    mixed = conversations(6) + [
        {"at": 900_000 + n, "conversation_id": f"single {n}", "blocks": [(f"single {n}", 2500)]}
        for n in range(6)
    ]
    report = cache_estimate(log(*mixed), CacheParameters(min_saving=bound))
    saving = measure(report, "saving")
    assert saving.low is not None
    assert saving.high is not None
    assert saving.low < 0.55 < saving.high
    assert (saving.level, saving.n) == (0.9, 12)
    assert report.verdict is verdict
    assert len(report.checks) == (bound is not None)
    needed = report.checks[0].needed if report.checks else ""
    assert ("conversations instead of 12" in needed) == (verdict is Verdict.INCONCLUSIVE)


def test_one_conversation_decides_nothing(log: Build) -> None:
    report = cache_estimate(log(*conversations(1)), CacheParameters(min_saving=0.1))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert (measure(report, "saving").low, measure(report, "saving").high) == (-1.0, 1.0)


@pytest.mark.slow
def test_workers_change_nothing(log: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [{**call, "isolation_domain": f"w{n % 7}"} for n, call in enumerate(conversations(14))]
    monkeypatch.setattr("llmops_cli.cache.kernel._PART_BLOCKS", 40)
    monkeypatch.setattr("llmops_cli.cache.replays._SHARED_BLOCKS", 40)
    jobs: list[int] = []
    real = replays_module.map_merge

    def counted(kernel: object, parts: list[object], *rest: object, **given: object) -> object:
        jobs.append(len(parts))
        return real(kernel, parts, *rest, **given)

    monkeypatch.setattr(replays_module, "map_merge", counted)
    alone = cache_estimate(log(*calls))
    assert cache_estimate(log(*calls), jobs=2) == alone
    assert jobs == [1, 7]


def test_the_same_seed_gives_the_same_bytes(log: Build) -> None:
    calls = log(*conversations(9))
    first, second = (render(cache_estimate(calls), "json") for _ in range(2))
    assert first == second
    other = cache_estimate(calls, CacheParameters(seed=5))
    assert other.tables == cache_estimate(calls).tables


def test_what_cannot_be_replayed_is_counted_and_placed(log: Build) -> None:
    calls = log(
        *conversations(2),
        {"error_type": "overloaded_error", "blocks": [SYSTEM]},
        {"provider_name": "openai", "request_model": "gpt-5.1", "blocks": [SYSTEM]},
        {"blocks": []},
        {"blocks": []},
        {"start_time": None, "blocks": [SYSTEM]},
        {"request_model": None, "blocks": [SYSTEM]},
        {"at": 5, "blocks": [(f"m{n}", 900, "5m") for n in range(5)]},
    )
    report = cache_estimate(calls)
    assert findings(report) == {
        "cache-failed-calls": 1,
        "cache-other-provider": 1,
        "cache-no-content": 2,
        "cache-no-time": 1,
        "cache-no-model": 1,
        "cache-too-many-breakpoints": 1,
    }
    placed = next(item for item in report.findings if item.slug == "cache-no-content")
    assert (placed.file, placed.line) == ("log.jsonl", 13)
    assert measure(report, "saving_usd").n == 10


def test_calls_of_other_providers_are_priced_as_billed(log: Build) -> None:
    other = {"provider_name": "openai", "request_model": "gpt-5.1", "blocks": [("x", 1000)]}
    unknown = {"provider_name": "vllm", "request_model": "llama-tuned", "blocks": [("x", 1000)]}
    report = cache_estimate(log(*conversations(2), other, other, unknown))
    rows = table(report, "elsewhere")
    assert rows.loc["openai", ["calls", "input_tokens"]].tolist() == [2, 2000]
    assert rows.loc["openai", "usd"] == pytest.approx(2 * (1000 * 1.25 + 10 * 10) / 1e6)
    assert pd.isna(rows.loc["vllm", "usd"])


def test_a_log_of_another_provider_alone_is_refused_with_the_reason(log: Build) -> None:
    calls = log({"provider_name": "openai", "request_model": "gpt-5.1", "blocks": [SYSTEM]})
    with pytest.raises(LlmopsError, match="1 are not served by Anthropic's API") as refusal:
        cache_estimate(calls)
    assert refusal.value.slug == "cache-nothing-to-replay"
    assert refusal.value.exit_code is ExitCode.BAD_INPUT
    assert (refusal.value.file, refusal.value.line) == ("log.jsonl", 1)


def test_price_as_asks_what_the_traffic_would_cost_there(log: Build) -> None:
    calls = conversations(3, provider_name="openai", request_model="gpt-5.1")
    report = cache_estimate(log(*calls), CacheParameters(price_as="claude-opus-5"))
    ours = cache_estimate(log(*conversations(3, request_model="claude-opus-5")))
    assert value(report, "input_usd") == pytest.approx(value(ours, "input_usd"))
    assert "cache-priced-as" in findings(report)


def test_price_as_serves_a_log_without_a_model(log: Build) -> None:
    calls = log(*conversations(3, request_model=None, provider_name=None))
    with pytest.raises(LlmopsError, match="name no model"):
        cache_estimate(calls)
    assert value(cache_estimate(calls, CacheParameters(price_as="claude-opus-5")), "saving") > 0


def test_a_claude_model_without_a_provider_is_anthropics(log: Build) -> None:
    assert value(cache_estimate(log(*conversations(3, provider_name=None))), "saving") > 0


@pytest.mark.parametrize(
    ("given", "slug", "code"),
    [
        ({"price_as": "claude-opus-99"}, "price-unknown-model", ExitCode.BAD_INPUT),
        ({"price_as": "gpt-5.1"}, "cache-not-anthropic", ExitCode.BAD_INPUT),
        ({"policy": "automatic"}, "cache-unknown-policy", ExitCode.USAGE),
        ({"min_saving": 20.0}, "cache-bad-gate", ExitCode.USAGE),
        ({"min_saving": float("nan")}, "cache-bad-gate", ExitCode.USAGE),
        ({"min_hit_rate": 1.1}, "cache-bad-gate", ExitCode.USAGE),
        ({"max_unexplained_miss": -0.1}, "cache-bad-gate", ExitCode.USAGE),
        ({"max_regression": float("nan")}, "cache-bad-gate", ExitCode.USAGE),
        ({"max_regression": 0.1}, "cache-bad-gate", ExitCode.USAGE),
        ({"baseline_saving": 0.5}, "cache-bad-gate", ExitCode.USAGE),
        ({"invoice_usd": -1.0}, "cache-bad-invoice", ExitCode.USAGE),
        (
            {"invoice_usd": 9.0, "price_as": "claude-opus-5"},
            "cache-bad-invoice",
            ExitCode.USAGE,
        ),
        ({"minimum_tokens": 0}, "cache-bad-minimum", ExitCode.USAGE),
        ({"refresh": "all"}, "cache-unknown-refresh", ExitCode.USAGE),
    ],
)
def test_questions_that_make_no_sense(
    log: Build, given: dict[str, Any], slug: str, code: ExitCode
) -> None:
    with pytest.raises(LlmopsError) as refusal:
        cache_estimate(log(*conversations(2)), CacheParameters(**given))
    assert (refusal.value.slug, refusal.value.exit_code) == (slug, code)


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        ({"request_model": "claude-opus-77"}, "price-unknown-model"),
        ({"request_model": "claude-fable-5-2"}, "cache-unknown-minimum"),
        ({"start_time": None}, "calls-missing-column"),
    ],
)
def test_logs_that_cannot_be_estimated(log: Build, change: dict[str, Any], slug: str) -> None:
    with pytest.raises(LlmopsError) as refusal:
        cache_estimate(log(*conversations(2, **change)))
    assert refusal.value.slug == slug


class NoHourlyPrice(PriceBook):
    """A book in which nobody sells one-hour entries."""

    def rates(self, model: str, on: date, *, provider: str = "", service_tier: str = "") -> Rates:
        known = super().rates(model, on, provider=provider, service_tier=service_tier)
        return replace(known, cache_write_1h=None)


def test_a_class_without_a_price_is_refused_where_it_is_needed(log: Build) -> None:
    with pytest.raises(LlmopsError, match="cache write 1h") as refusal:
        cache_estimate(log(*conversations(2)), book=NoHourlyPrice())
    assert refusal.value.slug == "price-class-missing"


def test_an_empty_table_is_refused(log: Build) -> None:
    with pytest.raises(LlmopsError) as refusal:
        cache_estimate(log())
    assert refusal.value.slug == "calls-empty"


@pytest.mark.parametrize(
    ("extra", "slug"),
    [
        ({"tokens_estimated": True}, "cache-tokens-estimated"),
        ({"conversation_id": None}, "cache-no-conversation"),
        ({"ttft_s": None}, "cache-no-response-time"),
        ({"service_tier": "batch"}, "cache-batch"),
        ({"service_tier": "priority"}, "cache-untiered"),
    ],
)
def test_what_the_log_does_not_say_is_a_finding(
    log: Build, extra: dict[str, Any], slug: str
) -> None:
    assert findings(cache_estimate(log(*conversations(2, **extra)))) == {slug: 10}


def test_a_batch_costs_half(log: Build) -> None:
    whole, half = (
        value(cache_estimate(log(*conversations(2, service_tier=tier))), "input_usd")
        for tier in ("standard", "batch")
    )
    assert half == pytest.approx(whole / 2)


def test_estimated_tokens_have_no_bill(log: Build) -> None:
    report = cache_estimate(log(*conversations(2, tokens_estimated=True, output_tokens=None)))
    assert measure(report, "output_usd").value is None
    assert "as billed, by the log" not in table(report, "spend").index


def test_reads_that_the_bill_does_not_show_are_a_finding(log: Build) -> None:
    calls = conversations(3)
    for call in calls:
        call["blocks"][-1] = (*call["blocks"][-1], "5m")
    report = cache_estimate(log(*calls))
    assert "cache-replay-differs" in findings(report)
    assert value(report, "hit_rate_today") == 0


def test_the_day_decides_the_price(log: Build) -> None:
    calls = log(*conversations(2, request_model="claude-sonnet-5-5"))
    before = cache_estimate(calls, CacheParameters(policy="automatic-5m"))
    after = cache_estimate(calls, CacheParameters(policy="automatic-5m", on=date(2026, 11, 1)))
    read = [
        table(report, "spend").loc["automatic, 5 min", "read_usd"] for report in (before, after)
    ]
    assert read[0] == pytest.approx(2 * read[1])
    assert after.parameters["on"] == "2026-11-01"


def test_models_are_told_apart(log: Build) -> None:
    calls = conversations(2) + conversations(3, request_model="claude-opus-5")
    rows = table(cache_estimate(log(*calls)), "models")
    assert rows["calls"].to_dict() == {"claude-opus-5": 15, "claude-sonnet-4-5": 10}
    total = table(cache_estimate(log(*calls)), "spend").loc["no caching", "input_usd"]
    assert rows["uncached_usd"].sum() == pytest.approx(total)


def test_every_explanation_carries_numbers_and_a_source(log: Build) -> None:
    report = cache_estimate(log(*conversations(2)), CacheParameters(providers=("all",)))
    said = [item.of for item in report.explanations]
    assert len(set(said)) == len(said)
    for measure in report.measures:
        if measure.unit == "share":
            assert any(measure.title.startswith(of) for of in said), measure.title
    for item in report.explanations:
        assert item.formula
        assert item.numbers
        assert item.source


@pytest.mark.parametrize("look", ["text", "markdown", "html", "json", "github"])
def test_every_view_can_show_it(log: Build, look: str) -> None:
    assert "cache" in render(cache_estimate(log(*conversations(2))), look)


def test_an_invoice_is_held_against_the_whole_log(log: Build) -> None:
    other = {"provider_name": "openai", "request_model": "gpt-5.1", "blocks": [("x", 1000)]}
    calls = log(*conversations(2), other)
    parts = [cache_estimate(calls, CacheParameters(invoice_usd=amount)) for amount in (1.0, 2.0)]
    explained = [value(report, "invoice_explained") for report in parts]
    assert explained[0] == pytest.approx(2 * explained[1])
    prompts = 2 * sum(4000 + 300 * turn for turn in range(1, 6))
    ours = (prompts * 3 + 10 * 10 * 15) / 1e6
    theirs = (1000 * 1.25 + 10 * 10) / 1e6
    assert explained[0] == pytest.approx(ours + theirs)
    assert "cache-invoice-differs" in findings(parts[0])
    exact = cache_estimate(calls, CacheParameters(invoice_usd=ours + theirs))
    assert "cache-invoice-differs" not in findings(exact)


def test_another_providers_bill_is_no_test_of_these_rules(log: Build) -> None:
    calls = conversations(3, provider_name="openai", request_model="gpt-5.1")
    for call in calls:
        call |= {"input_tokens": 0, "cache_read_tokens": sum(b[1] for b in call["blocks"])}
    report = cache_estimate(log(*calls), CacheParameters(price_as="claude-opus-5"))
    assert not {"unexplained_miss", "replay_error"} & {item.name for item in report.measures}


def test_a_log_without_usage_widens_the_saving(log: Build) -> None:
    # Tools are off by another factor than words; of one kind alone it would cancel out.
    calls = conversations(9)
    for call in calls:
        call["blocks"][0] = (*SYSTEM, "", BlockKind.TOOL)
    known, guessed = (
        measure(cache_estimate(log(*calls)), "saving")
        for calls in (calls, [call | {"tokens_estimated": True} for call in calls])
    )
    assert known.value == pytest.approx(guessed.value)
    assert guessed.low is not None
    assert known.low is not None
    assert guessed.low < known.low - 0.01
    assert guessed.method.endswith("widened by the error of estimated tokens")


def test_a_fall_below_the_baseline_fails(log: Build) -> None:
    calls = log(*conversations(9))
    before = value(cache_estimate(calls), "saving")
    for lost, verdict in ((0.0, Verdict.PASS), (0.2, Verdict.FAIL)):
        given = CacheParameters(baseline_saving=before + lost, max_regression=0.05)
        assert cache_estimate(calls, given).verdict is verdict
