"""``llmops prices`` as a user runs it."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

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
