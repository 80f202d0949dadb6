"""What the usage of every row must satisfy, and where the first row that does not is."""

from collections.abc import Callable
from typing import Any

import pytest

from llmops_cli.cache.identities import Usage, broken_identities, identities, minimum_brackets
from llmops_cli.cache.rules import load_rules
from llmops_cli.calls import CallsTable

Build = Callable[..., CallsTable]
Call = dict[str, Any]

GOOD: Call = {"blocks": [("system", 4000, "5m"), ("question", 400)]}
WRITES: Call = GOOD | {"input_tokens": 400, "cache_write_5m_tokens": 4000}
READS: Call = GOOD | {"input_tokens": 400, "cache_read_tokens": 4000}
OPENAI: Call = {
    "provider_name": "openai",
    "request_model": "gpt-5.1",
    "blocks": [("prompt", 4400)],
    "input_tokens": 1200,
    "cache_read_tokens": 3200,
}


def broken(calls: CallsTable) -> dict[str, int]:
    found = identities(Usage.of(calls), load_rules())
    return {item.slug: item.broken for item in found if item.broken}


def test_usage_that_follows_the_rules_breaks_nothing(log: Build) -> None:
    hourly = {"blocks": [("system", 4000, "1h")], "input_tokens": 0, "cache_write_1h_tokens": 4000}
    newer = OPENAI | {"request_model": "gpt-5.6-sol", "cache_read_tokens": 0}
    newer |= {"cache_write_5m_tokens": 3200}
    automatic = {"blocks": [("s", 4000)], "automatic_cache": 2, "input_tokens": 0}
    automatic |= {"cache_write_1h_tokens": 4000}
    calls = log(WRITES, READS, GOOD, hourly, automatic, OPENAI, newer)
    assert broken(calls) == {}
    checked = {item.slug: item.checked for item in identities(Usage.of(calls), load_rules())}
    assert checked["usage-blocks-differ"] == 7
    assert checked["usage-without-breakpoint"] == 5
    assert checked["usage-odd-read"] == 1


@pytest.mark.parametrize(
    ("row", "slug", "field"),
    [
        (WRITES | {"input_tokens": 401}, "usage-blocks-differ", "block_tokens"),
        (
            READS | {"blocks": [("system", 4000), ("question", 400)]},
            "usage-without-breakpoint",
            "block_markers",
        ),
        (
            WRITES | {"cache_write_5m_tokens": 0, "cache_write_1h_tokens": 4000},
            "usage-other-lifetime",
            "cache_write_1h_tokens",
        ),
        (
            {"blocks": [("s", 900, "5m")], "input_tokens": 0, "cache_read_tokens": 900},
            "usage-under-minimum",
            "cache_read_tokens",
        ),
        (
            OPENAI | {"input_tokens": 1201, "cache_read_tokens": 3199},
            "usage-odd-read",
            "cache_read_tokens",
        ),
        (
            OPENAI | {"input_tokens": 3888, "cache_read_tokens": 512},
            "usage-odd-read",
            "cache_read_tokens",
        ),
        (
            OPENAI | {"cache_read_tokens": 0, "cache_write_5m_tokens": 3200},
            "usage-unbilled-write",
            "cache_write_5m_tokens",
        ),
    ],
)
def test_a_broken_identity_is_placed_and_counted(
    log: Build, row: Call, slug: str, field: str
) -> None:
    calls = log(GOOD, row, row)
    assert broken(calls) == {slug: 2}
    (found,) = broken_identities(identities(Usage.of(calls), load_rules()))
    assert (found.slug, found.field, found.count) == (slug, field, 2)
    assert (found.file, found.line) == ("log.jsonl", 2)
    assert found.severity == "warning"
    assert found.hint


@pytest.mark.parametrize("change", [{"tokens_estimated": True}, {"error_type": "overloaded"}])
def test_rows_without_usage_are_not_judged(log: Build, change: Call) -> None:
    assert broken(log(WRITES | {"input_tokens": 77} | change)) == {}


def test_a_model_without_a_published_minimum_is_not_held_against_one(log: Build) -> None:
    row = {"blocks": [("s", 9, "5m")], "input_tokens": 0, "cache_read_tokens": 9}
    assert broken(log(row | {"request_model": "claude-unheard-of"})) == {}


def test_the_log_brackets_the_minimum(log: Build) -> None:
    # R10: disputed for Sonnet 4.6, where 1,024 is published and 2,048 was seen.
    def marked(size: int, **usage: int) -> Call:
        return {"blocks": [("s", size, "5m")], "request_model": "claude-sonnet-4-6", **usage}

    cached = {"input_tokens": 0, "cache_write_5m_tokens": 2100}
    calls = log(marked(900), marked(1900), marked(2100, **cached))
    (found,) = minimum_brackets(Usage.of(calls), load_rules())
    assert (found.below, found.reached, found.published) == (1900, 2100, 1024)
    assert found.disagrees
    (fair,) = minimum_brackets(Usage.of(log(marked(900), marked(2100, **cached))), load_rules())
    assert not fair.disagrees


def test_a_log_without_cache_counters_disputes_no_minimum(log: Build) -> None:
    (found,) = minimum_brackets(Usage.of(log(GOOD, GOOD)), load_rules())
    assert (found.below, found.reached, found.disagrees) == (4000, 0, False)


def test_an_automatic_breakpoint_marks_the_whole_prompt(log: Build) -> None:
    calls = log({"blocks": [("s", 700), ("q", 200)], "automatic_cache": 1})
    (found,) = minimum_brackets(Usage.of(calls), load_rules())
    assert (found.below, found.reached) == (900, 0)


def test_a_cache_shorter_than_published_disagrees(log: Build) -> None:
    row = {"blocks": [("s", 900, "5m")], "input_tokens": 0, "cache_write_5m_tokens": 900}
    (found,) = minimum_brackets(Usage.of(log(row)), load_rules())
    assert (found.reached, found.disagrees) == (900, True)
