"""``llmops prices`` as a user runs it."""

import json
from collections.abc import Callable
from datetime import date
from subprocess import CompletedProcess

import pytest

from llmops_cli.cli.price_reports import check_report
from llmops_cli.prices import Compared, Deviation
from llmops_cli.report import Verdict

Run = Callable[..., CompletedProcess[str]]


def test_rates_of_a_day_with_their_sources(llmops: Run) -> None:
    done = llmops("prices", "claude-sonnet-5-5", "--on", "2026-09-15", "-f", "json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["parameters"]["on"] == "2026-09-15"
    rows = {row[1]: row for row in report["tables"][0]["rows"]}
    assert [rows[name][2] for name in ("input", "cache read", "cache write 1h")] == [2.0, 0.2, 4.0]
    assert "claudit" in rows["cache read"][4]
    assert rows["input"][4] == "genai-prices, claude-sonnet-5-5"


def test_long_prompts_have_their_own_rows(llmops: Run) -> None:
    done = llmops("prices", "claude-haiku-5-5", "--on", "2026-11-01", "-v")
    assert done.returncode == 0
    assert "up to 100,000" in done.stdout
    assert "over 100,000" in done.stdout


def test_a_model_alone_is_shown_and_show_is_its_name(llmops: Run) -> None:
    short, long = (
        llmops("prices", *words, "claude-opus-5", day, "2026-11-01").stdout
        for words, day in (((), "--on"), (("show",), "--date"))
    )
    assert short == long
    for said in ("Prompt cache", "512", "5 min or 60 min", "workspace", "read 0.1x"):
        assert said in short


def test_only_the_rules_that_serve_a_model_are_shown(llmops: Run) -> None:
    done = llmops("prices", "show", "gpt-5.1", "--date", "2026-11-01", "-f", "json")
    tables = {table["name"]: table["rows"] for table in json.loads(done.stdout)["tables"]}
    assert [row[0] for row in tables["caching"]] == ["OpenAI to 5.4"]
    assert [row[1:3] for row in tables["assumed"]] == [["lifetime", "300"]]


def test_the_book_of_today_is_sound(llmops: Run) -> None:
    done = llmops("prices", "check", "--date", "2026-11-01")
    assert (done.returncode, done.stderr) == (0, "")
    assert "all keep them" in " ".join(done.stdout.split())


def test_a_book_that_is_off_fails() -> None:
    off = Deviation("ratio", "claude-opus-5", "cache_read", 0.2, 0.1, "the documentation")
    report = check_report(Compared(9, 0, (off,)), date(2026, 11, 1))
    assert report.verdict is Verdict.FAIL
    assert report.tables[0].rows[0][:5] == ("ratio", "claude-opus-5", "cache read", 0.2, 0.1)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["claude-opsu-5"], 3, "error[price-unknown-model]"),
        (
            ["claude-opus-5", "--service-tier", "gold", "--on", "2026-11-01"],
            3,
            "price-unknown-tier",
        ),
        (["claude-opus-5", "--on", "yesterday"], 2, "--on"),
        ([], 2, "model"),
    ],
)
def test_refusals(llmops: Run, arguments: list[str], code: int, said: str) -> None:
    done = llmops("prices", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
