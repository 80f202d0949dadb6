"""``llmops cache-estimate --semantic`` as a user runs it, on logs with planted questions."""

import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from jsonschema import Draft202012Validator

Run = Callable[..., CompletedProcess[str]]
Question = tuple[str, str]

START = datetime(2026, 9, 1, 8, tzinfo=UTC)
SYSTEM = "You answer customers of the bank of Ada-Lovelace-1815."
FAQ = 90


def sentence(source: random.Random, words: int = 9) -> str:
    """Made-up words: nothing in them is a number, a name or a negation."""
    return " ".join(
        "".join(source.choice("bdfgklmprstv") + source.choice("aeiou") for _ in range(3))
        for _ in range(words)
    )


def asked_again(seed: int = 0) -> list[Question]:
    """Each question three times: as it was, in capitals, and politely; the answer is one."""
    source = random.Random(seed)  # noqa: S311 - a log, not a secret
    pairs = [(f"how do i {sentence(source)}", f"you {sentence(source)}") for _ in range(FAQ)]
    rounds = [
        [(text, told) for text, told in pairs],
        [(f" {text.upper()} ?", told) for text, told in pairs],
        [(f"please {text}", told) for text, told in pairs],
    ]
    return [item for group in (*rounds, *rounds) for item in source.sample(group, len(group))]


TRAPS: list[Question] = [
    ("Where is order 48213?", "It is in Lisbon."),
    ("Where is order 48231?", "It is in Dublin."),
    ("May I return a worn shirt?", "Within 14 days."),
    ("May I not return a worn shirt?", "You may keep it."),
]


def log(path: Path, questions: Sequence[Question], *, answers: bool = True, **call: object) -> Path:
    lines = list[str]()
    for number, (text, told) in enumerate(questions):
        response: dict[str, Any] = {
            "type": "message",
            "model": "claude-sonnet-4-6",
            "usage": {"input_tokens": 1000, "output_tokens": 100},
        }
        if answers:
            response["content"] = [{"type": "text", "text": told}]
        line = {
            "timestamp": (START + timedelta(seconds=30 * number)).isoformat(),
            "user_id": f"user {number % 40}",
            "duration_s": 2.0,
            "request": {
                "model": "claude-sonnet-4-6",
                "system": SYSTEM,
                "messages": [{"role": "user", "content": text}],
            },
            "response": response,
            **call,
        }
        lines.append(json.dumps(line))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def measured(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(item for item in report["measures"] if item["name"] == name)


def table(report: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = next(item for item in report["tables"] if item["name"] == name)
    names = [column["name"] for column in found["columns"]]
    return [dict(zip(names, row, strict=True)) for row in found["rows"]]


def test_repeats_and_near_repeats_are_answered_and_the_rule_is_chosen(
    llmops: Run, tmp_path: Path
) -> None:
    path = log(tmp_path / "log.jsonl", asked_again())
    done = llmops("cache-estimate", path, "--semantic", "--max-false-hit", "0.05", "-f", "json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    Draft202012Validator(json.loads(llmops("schema", "report").stdout)).validate(report)
    rate, false = (measured(report, f"semantic_{name}_rate") for name in ("hit", "false_hit"))
    # The second half asks nothing new: every call of it can be answered, none of them wrongly.
    assert rate["value"] == 1.0
    assert 0.9 < rate["low"] < 1.0
    assert (false["value"], false["n"]) == (0.0, 3 * FAQ)
    assert 0 < false["high"] <= 0.05
    (chosen,) = [row for row in table(report, "semantic_choice") if "(chosen)" in row["rule"]]
    assert chosen["rule"].startswith("similar")
    exact = table(report, "semantic_choice")[0]
    assert (exact["rule"], exact["hit_rate"]) == ("exact", 1.0)
    assert [check["name"] for check in report["checks"]] == ["max_false_hit"]


def test_orders_and_negations_are_never_answered_for_each_other(
    llmops: Run, tmp_path: Path
) -> None:
    # Both sides of each trap come twice: a repeat may be answered, the other side never.
    path = log(tmp_path / "log.jsonl", [*TRAPS, *TRAPS])
    report = json.loads(llmops("cache-estimate", path, "--semantic", "-f", "json").stdout)
    rules = table(report, "semantic_rules")
    assert [row["false_rate"] for row in rules] == [0.0] * len(rules)
    assert all(row["near_false_rate"] is None for row in rules)
    assert {row["hit_rate"] for row in rules} == {1.0}
    assert measured(report, "semantic_ceiling")["value"] == 1.0


def test_a_log_without_answers_gets_an_upper_bound_and_no_threshold(
    llmops: Run, tmp_path: Path
) -> None:
    path = log(tmp_path / "log.jsonl", asked_again()[: 2 * FAQ], answers=False)
    done = llmops("cache-estimate", path, "--semantic", "--max-false-hit", "0.05")
    assert done.returncode == 4
    said = " ".join(done.stdout.split())
    assert "at most" in said
    assert "without logged answers nobody can say how many of them wrongly" in said
    assert "(chosen)" not in said
    assert "ingest with --keep-content" in said


def test_a_parquet_answers_where_it_was_told_to_keep_content(llmops: Run, tmp_path: Path) -> None:
    path = log(tmp_path / "log.jsonl", TRAPS * 2)
    llmops("ingest", path, "-o", "bare.parquet")
    bare = llmops("cache-estimate", "bare.parquet", "--semantic")
    assert (bare.returncode, bare.stdout) == (3, "")
    assert "error[semantic-no-content]" in bare.stderr
    assert "--keep-content" in bare.stderr
    llmops("ingest", path, "-o", "full.parquet", "--keep-content")
    full = llmops("cache-estimate", "full.parquet", "--semantic", "-f", "json")
    assert measured(json.loads(full.stdout), "semantic_hit_rate")["value"] == 1.0


def test_no_text_of_a_prompt_or_answer_reaches_any_output(llmops: Run, tmp_path: Path) -> None:
    secret = [("my code is Zebra-Quartz-77", "Zebra-Quartz-77 it is"), *TRAPS, *TRAPS[::-1]]
    path = log(tmp_path / "log.jsonl", secret)
    broken = '{"request": {"model": "m", "messages": [{"role": "user", "content": "Zebra-Quartz'
    path.write_text(path.read_text("utf-8") + broken, "utf-8")
    forms = ["json", "markdown", "html", "junit", "github", "sarif"]
    files = [word for form in forms for word in ("-f", f"{form}=report.{form}")]
    done = llmops("cache-estimate", path, "--semantic", "-v", "--explain", *files)
    assert done.returncode == 0
    said = [(tmp_path / f"report.{form}").read_text("utf-8") for form in forms]
    for hidden in ("Zebra", "Lovelace", "Lisbon", "48213", "worn shirt"):
        assert not [text for text in (*said, done.stdout, done.stderr) if hidden in text]
    assert {item.name for item in tmp_path.iterdir()} == {
        "log.jsonl",
        *(f"report.{form}" for form in forms),
    }


def test_a_screen_holds_the_answer(llmops: Run, tmp_path: Path) -> None:
    path = log(tmp_path / "log.jsonl", asked_again())
    done = llmops("cache-estimate", path, "--semantic", "--max-false-hit", "0.05")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 50
    for said in ("calls answered from a semantic cache", "similar ≥ 0.60 (chosen)", "saved by"):
        assert said in done.stdout


def test_users_share_no_answers_where_that_is_asked_for(llmops: Run, tmp_path: Path) -> None:
    path = log(tmp_path / "log.jsonl", asked_again()[:FAQ] * 2)
    done = llmops("cache-estimate", path, "--semantic", "--per-user", "-f", "json")
    # Ninety questions of forty users: each comes again from another one.
    assert measured(json.loads(done.stdout), "semantic_hit_rate")["value"] == 0.0


def test_the_saving_is_priced_by_the_log_s_usage_or_as_another_model(
    llmops: Run, tmp_path: Path
) -> None:
    path = log(tmp_path / "log.jsonl", TRAPS * 2)
    asked = ("cache-estimate", path, "--semantic", "-f", "json")
    own = measured(json.loads(llmops(*asked).stdout), "semantic_saved_usd")
    # Four hits of 1,000 tokens in and 100 out at $3 and $15 per million.
    assert own["value"] == pytest.approx(4 * 0.0045)
    other = llmops(*asked, "--price-as", "gpt-5.1", "--on", "2026-09-01")
    assert measured(json.loads(other.stdout), "semantic_saved_usd")["value"] < own["value"]


@pytest.mark.parametrize(
    ("arguments", "code", "slug"),
    [
        (("--semantic", "--max-false-hit", "0"), 2, "semantic-bad-gate"),
        (("--semantic", "--vectors", "bert"), 2, "semantic-unknown-vectors"),
        (("--semantic", "--price-as", "gpt-55"), 3, "price-unknown-model"),
        (("--semantic", "--min-saving", "0.2"), 2, "cache-other-question"),
        (("--max-false-hit", "0.05"), 2, "cache-other-question"),
        (("--per-user",), 2, "cache-other-question"),
    ],
)
def test_refusals(
    llmops: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, slug: str
) -> None:
    done = llmops("cache-estimate", log(tmp_path / "log.jsonl", TRAPS), *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert f"error[{slug}]: " in done.stderr


@pytest.mark.skipif(find_spec("wordllama") is not None, reason="wordllama is installed")
def test_wordllama_is_asked_for_by_name_where_it_is_absent(llmops: Run, tmp_path: Path) -> None:
    path = log(tmp_path / "log.jsonl", asked_again()[: 2 * FAQ])
    done = llmops("cache-estimate", path, "--semantic", "--vectors", "wordllama")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error[semantic-no-wordllama]" in done.stderr
    assert "llmops-cli[wordllama]" in done.stderr


def test_there_is_no_gate_but_the_one_that_is_asked_for(llmops: Run, tmp_path: Path) -> None:
    # What the configuration says for the other question's sake is passed over.
    (tmp_path / "llmops.yaml").write_text("cache-estimate: {min-saving: 0.9}\n")
    path = log(tmp_path / "log.jsonl", TRAPS * 2)
    done = llmops("cache-estimate", path, "--semantic", "-f", "json")
    assert (done.returncode, json.loads(done.stdout)["checks"]) == (0, [])
    bound = llmops("cache-estimate", path, "--semantic", "--max-false-hit", "0.01")
    assert bound.returncode == 4
    assert "299 cached answers" in " ".join(bound.stdout.split())
