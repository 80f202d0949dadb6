"""Published figures about Anthropic's prompt cache, reproduced by price book and replay.

Cases A4 to A15 and the break-even figures are those of the project's caching reference: worked
examples of Anthropic's documentation, bills checked in its console, and closed-form theory.
"""

from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from llmops_cli import cache_estimate
from llmops_cli.cache import CacheParameters
from llmops_cli.calls import CallsTable, arrow_schema, from_arrow
from llmops_cli.prices import CLASSES, PriceBook
from llmops_cli.report import Report

BOOK = PriceBook()
DAY = date(2026, 9, 1)
START = datetime(2026, 9, 1, tzinfo=UTC)


def usd(model: str, tokens: list[int], on: date = DAY) -> dict[str, float]:
    row = BOOK.rates(model, on).usd(np.array([tokens]))[0]
    return dict(zip(CLASSES, row.tolist(), strict=True))


def calls_of(
    times: list[float], prompts: list[list[tuple[str, int, int]]], model: str, ttft_s: float = 0.0
) -> CallsTable:
    """Calls at the given seconds; a prompt is a list of (name, tokens, marker)."""
    rows: list[dict[str, object]] = []
    for number, (at, prompt) in enumerate(zip(times, prompts, strict=True)):
        last, hashes = b"", list[bytes]()
        for name, _, _ in prompt:
            last = blake2b(last + name.encode(), digest_size=16).digest()
            hashes.append(last)
        tokens = [size for _, size, _ in prompt]
        rows.append(
            {
                "start_time": START + timedelta(seconds=at),
                "ttft_s": ttft_s,
                "conversation_id": str(number % 50),
                "provider_name": "anthropic",
                "request_model": model,
                "input_tokens": sum(tokens),
                "output_tokens": 393,
                "tokens_estimated": True,
                "block_hashes": hashes,
                "block_tokens": tokens,
                "block_kinds": [2] * len(tokens),
                "block_markers": [marker for _, _, marker in prompt],
            }
        )
    return from_arrow(pa.Table.from_pylist(rows, schema=arrow_schema()))


def table(report: Report, name: str) -> pd.DataFrame:
    found = next(item for item in report.tables if item.name == name)
    return pd.DataFrame(found.rows, columns=[c.name for c in found.columns]).set_index("policy")


def test_a4_a_mixed_request_on_opus_5() -> None:
    cost = usd("claude-opus-5", [2048, 1800, 148, 100, 503])
    assert cost["output"] == pytest.approx(0.012575, abs=1e-12)
    assert sum(cost.values()) - cost["output"] == pytest.approx(0.013065, abs=1e-12)
    assert sum(cost.values()) == pytest.approx(0.025640, abs=1e-12)


@pytest.mark.parametrize("cached", [100_000, 200_000])
def test_a5_input_tokens_are_those_after_the_last_breakpoint(cached: int) -> None:
    document = ("document", cached, 1)
    prompts = [[document, ("hello", 50, 0)], [document, ("again", 50, 0)]]
    report = cache_estimate(calls_of([0, 60], prompts, "claude-sonnet-4-6"))
    tokens = table(report, "tokens").loc["logged markers"]
    first = np.array([50, 0, cached, 0])
    second = tokens.to_numpy()[:4] - first
    assert second.tolist() == [50, cached, 0, 0]
    assert second.sum() == cached + 50


def test_a9_a_session_on_opus_5_without_and_with_caching() -> None:
    assert sum(usd("claude-opus-5", [50_000, 0, 0, 0, 15_000]).values()) == pytest.approx(0.625)
    assert sum(usd("claude-opus-5", [10_000, 40_000, 0, 0, 15_000]).values()) == pytest.approx(
        0.445
    )


def test_a10_the_bill_of_the_console() -> None:
    cost = usd("claude-3-7-sonnet-20250219", [3, 0, 12_304, 0, 550])
    assert cost["cache_write_5m"] == pytest.approx(0.04614, abs=1e-9)
    assert cost["output"] == pytest.approx(0.00825, abs=1e-9)
    assert cost["input"] == pytest.approx(0.000009, abs=1e-12)
    assert sum(cost.values()) == pytest.approx(0.054399, abs=1e-9)


def test_a11_an_hourly_write_costs_twice_the_input_not_a_quarter_more() -> None:
    assert usd("claude-opus-5", [0, 0, 0, 344_139, 0])["cache_write_1h"] == pytest.approx(3.44139)
    assert usd("claude-opus-5", [0, 0, 344_139, 0, 0])["cache_write_5m"] == pytest.approx(
        2.15087, abs=1e-5
    )


def test_a12_hourly_writes_on_fable_5() -> None:
    assert usd("claude-fable-5", [0, 0, 0, 37_175, 0])["cache_write_1h"] == pytest.approx(0.7435)


def test_a14_the_book_of_the_documentation() -> None:
    book = ("Pride and Prejudice", 188_086, 1)
    prompts = [[book, ("question", 21, 0)]] * 2
    report = cache_estimate(calls_of([0, 30], prompts, "claude-opus-4-20250514"))
    row = table(report, "tokens").loc["logged markers"]
    assert row.to_list() == [2 * 21, 188_086, 188_086, 0, 2 * 393]


@pytest.mark.parametrize(
    ("tokens", "total"),
    [([10_000, 80_000, 0, 0, 1000], 0.0023), ([10_000, 100_000, 0, 0, 1000], 0.0125)],
)
def test_a15_a_long_prompt_pays_the_higher_price_for_all_of_it(
    tokens: list[int], total: float
) -> None:
    on = date(2026, 11, 1)
    assert sum(usd("claude-haiku-5-5", tokens, on).values()) == pytest.approx(total)


# Break-even: a write pays after n reads, n > (w - 1) / (1 - r).
@pytest.mark.parametrize(
    ("model", "policy", "reads"),
    [
        ("claude-opus-5", "automatic-5m", 1),
        ("claude-opus-5", "automatic-1h", 2),
        ("claude-opus-5-5", "automatic-5m", 1),
        ("claude-opus-5-5", "automatic-1h", 2),
        ("claude-fable-5-1", "automatic-5m", 1),
        ("claude-fable-5-1", "automatic-1h", 2),
    ],
)
def test_a_cache_write_pays_after_as_many_reads_as_published(
    model: str, policy: str, reads: int
) -> None:
    def saving(uses: int) -> float:
        prompts = [[("document", 10_000, 0)]] * uses
        log = calls_of([60.0 * n for n in range(uses)], prompts, model)
        value = cache_estimate(log, CacheParameters(policy=policy)).measures[0].value
        assert value is not None
        return value

    assert saving(reads + 1) > 0
    assert saving(reads) < 0


@pytest.mark.parametrize(
    ("model", "five_minutes", "one_hour"),
    [("claude-opus-5", 0.217, 0.526), ("claude-opus-5-5", 0.208, 0.513)],
)
def test_marking_every_time_needs_the_published_hit_probability(
    model: str, five_minutes: float, one_hour: float
) -> None:
    report = cache_estimate(calls_of([0, 1], [[("a", 1000, 0)]] * 2, model))
    found = next(item for item in report.explanations if item.of == "when a cache write pays")
    numbers = dict(found.numbers)
    assert numbers["p, 5 min"] == pytest.approx(five_minutes, abs=5e-4)
    assert numbers["p, 1 h"] == pytest.approx(one_hour, abs=5e-4)


# C(tau) = r + (w - r) exp(-gap): spend per token under Poisson reuse of one static prompt.
@pytest.mark.parametrize(
    ("gap_min", "five_minutes", "one_hour"),
    [
        (1, 0.108, 0.100),
        (2, 0.194, 0.100),
        (4, 0.429, 0.100),
        (10, 0.798, 0.105),
        (30, 1.073, 0.357),
        (60, 1.158, 0.799),
    ],
)
def test_poisson_reuse_costs_what_theory_says(
    gap_min: float, five_minutes: float, one_hour: float
) -> None:
    uses = 4000
    gaps = np.random.default_rng(7).exponential(60 * gap_min, uses)
    prompts = [[("static", 10_000, 0)]] * uses
    report = cache_estimate(calls_of(np.cumsum(gaps).tolist(), prompts, "claude-opus-5"))
    shares = table(report, "spend")["of_uncached"]
    for policy, expected, life, write in (
        ("automatic, 5 min", five_minutes, 5, 1.25),
        ("automatic, 1 h", one_hour, 60, 2.0),
    ):
        miss = np.exp(-life / gap_min)
        spread = (write - 0.1) * np.sqrt(miss * (1 - miss) / uses)
        assert shares[policy] == pytest.approx(expected, abs=4 * spread + 1.5e-3)


# O1: w = 1.25, r = 0.1 in units of one uncached prompt.
@pytest.mark.parametrize(("uses", "cached"), [(2, 1.35), (10, 2.15)])
def test_o1_a_write_and_its_reads_cost_what_openai_says(uses: int, cached: float) -> None:
    log = calls_of(
        [60.0 * n for n in range(uses)], [[("developer", 10_000, 0)]] * uses, "claude-opus-5"
    )
    parameters = CacheParameters(providers=("openai-implicit=gpt-5.6-sol",))
    shown = next(t for t in cache_estimate(log, parameters).tables if t.name == "providers")
    row = dict(zip((column.name for column in shown.columns), shown.rows[0], strict=True))
    found = {name: row[f"{name}_tokens"] for name in ("fresh", "read", "written")}
    assert found == {"fresh": 0, "read": 10_000 * (uses - 1), "written": 10_000}
    one = BOOK.rates("gpt-5.6-sol", DAY).usd(np.array([[10_000, 0, 0, 0, 0]])).sum()
    assert row["input_usd"] / one == pytest.approx(cached)
    assert row["of_uncached"] == pytest.approx(cached / uses)


def test_padding_to_the_minimum_breaks_even_where_published() -> None:
    # O2 with r = 0.1, w = 1.25, ten uses of a 1,024-token minimum: pad from 221 tokens on.
    def cost(tokens: int, uses: int, minimum: int) -> tuple[float, float]:
        log = calls_of(
            [30.0 * n for n in range(uses)], [[("p", minimum, 0)]] * uses, "claude-sonnet-5"
        )
        spend = table(cache_estimate(log), "spend")["input_usd"]
        alone = BOOK.rates("claude-sonnet-5", DAY).input
        assert alone is not None
        return float(spend["automatic, 5 min"]), tokens * uses * alone / 1e6

    padded, bare = cost(221, 10, 1024)
    assert padded < bare
    padded, bare = cost(220, 10, 1024)
    assert padded > bare
