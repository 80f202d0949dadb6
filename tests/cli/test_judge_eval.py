"""``llmops judge-eval`` as a user runs it: exit codes, bad input, identical bytes, schema."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from jsonschema import Draft202012Validator

Run = Callable[..., CompletedProcess[str]]


def decisions(path: Path, correct: int, wrong: int) -> Path:
    rows = ["judge,gold", *["1,1"] * correct, *["1,0"] * wrong]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("correct", "wrong", "code", "word"),
    [(95, 5, 0, "PASS"), (60, 40, 1, "FAIL"), (82, 18, 4, "INCONCLUSIVE")],
)
def test_the_exit_code_is_the_verdict(
    llmops: Run, tmp_path: Path, correct: int, wrong: int, code: int, word: str
) -> None:
    done = llmops("judge-eval", decisions(tmp_path / "d.csv", correct, wrong))
    assert done.returncode == code
    assert word in done.stdout
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_exit_zero_keeps_the_verdict_and_drops_the_code(llmops: Run, tmp_path: Path) -> None:
    done = llmops("judge-eval", decisions(tmp_path / "d.csv", 60, 40), "--exit-zero")
    assert done.returncode == 0
    assert "FAIL" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "slug"),
    [
        (["d.csv", "--threshold", "1.5"], 2, "judge-bad-threshold"),
        (["d.csv", "--against", "evens"], 2, "judge-bad-against"),
        (["d.csv", "-f", "docx"], 2, "format-unknown"),
        (["d.csv", "-f", "json=missing/report.json"], 2, "output-unwritable"),
        (["d.csv", "--gold", "truth"], 3, "decisions-missing-column"),
        (["d.csv", "--against", "break-even"], 3, "judge-no-outcomes"),
        (["absent.csv"], 3, "traffic-not-found"),
    ],
)
def test_refusals(llmops: Run, tmp_path: Path, arguments: list[str], code: int, slug: str) -> None:
    decisions(tmp_path / "d.csv", 95, 5)
    done = llmops("judge-eval", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"llmops: error[{slug}]: ")
    assert {path.name for path in tmp_path.iterdir()} == {"d.csv"}


def test_json_is_valid_and_the_same_twice(llmops: Run, tmp_path: Path) -> None:
    path = decisions(tmp_path / "d.csv", 82, 18)
    first, second = (llmops("judge-eval", path, "-f", "json").stdout for _ in range(2))
    assert first == second
    schema = json.loads(llmops("schema", "report").stdout)
    Draft202012Validator(schema).validate(json.loads(first))
    assert json.loads(first)["verdict"] == "inconclusive"


def test_decisions_may_come_from_stdin(llmops: Run) -> None:
    done = llmops("judge-eval", "-", stdin="judge,gold\n" + "1,1\n" * 30)
    assert done.returncode == 0


def test_bad_rows_are_said_on_stderr_and_in_the_report(llmops: Run, tmp_path: Path) -> None:
    path = decisions(tmp_path / "d.csv", 95, 5)
    path.write_text(path.read_text() + "perhaps,1\n")
    done = llmops("judge-eval", path, "-f", "json")
    assert "decisions-bad-label" in done.stderr
    findings = {item["slug"]: item for item in json.loads(done.stdout)["findings"]}
    assert findings["decisions-bad-label"]["line"] == 102


def test_explain_shows_formula_numbers_and_source(llmops: Run, tmp_path: Path) -> None:
    done = llmops("judge-eval", decisions(tmp_path / "d.csv", 95, 5), "--explain")
    assert "Clopper" in done.stdout
    assert "lower bound > threshold" in done.stdout
