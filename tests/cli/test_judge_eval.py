"""``llmops judge-eval`` as a user runs it: exit codes, bad input, identical bytes, schema."""

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from jsonschema import Draft202012Validator

Run = Callable[..., CompletedProcess[str]]

WEAK, STRONG = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"


def decisions(path: Path, correct: int, wrong: int) -> Path:
    half = correct // 2
    rows = ["judge,gold", *["0,0"] * half, *["1,1"] * (correct - half), *["1,0"] * wrong]
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
    done = llmops("judge-eval", "-", stdin="judge,gold\n" + "1,1\n0,0\n" * 15)
    assert done.returncode == 0


def test_bad_rows_are_said_on_stderr_and_in_the_report(llmops: Run, tmp_path: Path) -> None:
    path = decisions(tmp_path / "d.csv", 95, 5)
    path.write_text(path.read_text() + "1,perhaps\n")
    done = llmops("judge-eval", path, "-f", "json")
    assert "decisions-bad-label" in done.stderr
    findings = {item["slug"]: item for item in json.loads(done.stdout)["findings"]}
    assert findings["decisions-bad-label"]["line"] == 102


def test_unreadable_verdicts_count_as_wrong(llmops: Run, tmp_path: Path) -> None:
    path = decisions(tmp_path / "d.csv", 95, 5)
    path.write_text(path.read_text() + "perhaps,1\n" * 50)
    done = llmops("judge-eval", path, "-f", "json")
    report = json.loads(done.stdout)
    accuracy = next(item for item in report["measures"] if item["name"] == "accuracy")
    assert (accuracy["n"], round(accuracy["value"], 4)) == (150, round(95 / 150, 4))
    assert done.returncode == 1
    findings = {item["slug"]: item for item in report["findings"]}
    assert (findings["judge-unparsable"]["line"], findings["judge-unparsable"]["count"]) == (
        102,
        50,
    )
    assert "perhaps" not in done.stdout + done.stderr


def test_explain_shows_formula_numbers_and_source(llmops: Run, tmp_path: Path) -> None:
    done = llmops("judge-eval", decisions(tmp_path / "d.csv", 95, 5), "--explain")
    assert "Clopper" in done.stdout
    assert "lower bound > threshold" in done.stdout


def row(header: str, *rows: str) -> str:
    return "\n".join([header, *rows]) + "\n"


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (row("judge,gold", *["1,1"] * 95, *["0,1"] * 5), 4, "nothing is known about the other"),
        (row("judge,gold", *[",1"] * 50, *[",0"] * 50), 3, "judge-all-abstained"),
        (row("judge,gold", *["good,1"] * 50), 3, "decisions-bad-label"),
        (row("judge,gold,confidence", *["1,1,nan", "0,0,0.9"] * 50), 0, "state no confidence"),
        (row("judge,gold,confidence", *["1,1,0.9", "0,0,0.9"] * 50, "1,1,7"), 0, "bad-confidence"),
        (
            row("id,judge,gold", *[f"a{i},{i % 2},{i % 2}" for i in range(50)], "a1,0,1"),
            0,
            "conflicting-id",
        ),
        (row("judge,gold,cluster", *["1,1,c", "0,0,c"] * 50), 4, "of one cluster"),
        (row("judge,gold", *["1,1"] * 95, *["1,0"] * 5), 4, "tells no request from another"),
        (row("judge,gold", *["1,1"] * 190, *["1,0"] * 10), 1, "tells no request from another"),
        (row("judge,gold", "1,1", "0,0", "1,1"), 4, "INCONCLUSIVE"),
        (row("judge,gold", *["x,z", "z,x"] * 50), 3, "--tiers"),
        (row("judge,gold,propensity", "1,1,0", *["0,0,1"] * 50), 3, "judge-impossible-label"),
        (row("judge,gold,propensity", "1,1,", *["0,0,1"] * 50), 3, "judge-no-propensity"),
        (row("judge,gold,propensity", "1,1,7", *["0,0,1", "1,1,1"] * 50), 0, "bad-propensity"),
        (row("judge,gold,propensity", "1,,0", *["0,0,1", "1,1,1"] * 50), 4, "no chance of a label"),
    ],
)
def test_bad_input_is_a_message_or_inconclusive(
    llmops: Run, tmp_path: Path, text: str, code: int, says: str
) -> None:
    (tmp_path / "d.csv").write_text(text)
    done = llmops("judge-eval", "d.csv", "-v")
    assert done.returncode == code
    assert says in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["json", "markdown", "github", "junit", "html"])
def test_every_form_is_written(llmops: Run, datasets: Path, name: str) -> None:
    done = llmops("judge-eval", datasets / "routing.csv", "-f", name)
    assert done.returncode == 0
    assert "accuracy" in done.stdout or "judge" in done.stdout


@pytest.mark.parametrize(
    ("name", "code"), [("routing.csv", 0), ("routing-weak.csv", 1), ("routing-few.csv", 4)]
)
def test_one_screen_answers_a_manager(llmops: Run, datasets: Path, name: str, code: int) -> None:
    done = llmops("judge-eval", datasets / name)
    assert done.returncode == code
    assert len(done.stdout.splitlines()) <= 60
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(("reliability", "code"), [(0.95, 0), (0.80, 4), (0.60, 1)])
def test_on_public_outcomes_the_gate_passes_fails_and_is_open(
    llmops: Run, tmp_path: Path, public_data: Path, reliability: float, code: int
) -> None:
    # RouteLLM's GSM8K outcomes (r* = 0.803), and a judge that is right that often.
    source = public_data / "routellm" / "gsm8k_responses.csv"
    draw = random.Random(3)  # noqa: S311 - reproducible, not secret
    with source.open(encoding="utf-8", newline="") as file:
        pairs = [(row[WEAK] == "True", row[STRONG] == "True") for row in csv.DictReader(file)]
    lines = ["judge,mixtral,gpt-4"]
    for weak, strong in pairs:
        judge = weak if draw.random() < reliability else not weak
        lines.append(f"{judge},{weak},{strong}")
    (tmp_path / "d.csv").write_text("\n".join(lines) + "\n")
    done = llmops("judge-eval", "d.csv", "--weak", "mixtral", "--strong", "gpt-4")
    assert done.returncode == code


def test_public_outcomes_without_a_judge_say_the_break_even(llmops: Run, public_data: Path) -> None:
    source = public_data / "routellm" / "gsm8k_responses.csv"
    done = llmops("judge-eval", source, "--weak", WEAK, "--strong", STRONG)
    assert done.returncode == 4
    assert "breaks even at 80." in done.stdout


@pytest.mark.parametrize(
    ("before", "after"),
    [([], ["--power", "0.9"]), (["--power", "0.9"], []), (["--seed=3", "-q", "-f", "json"], [])],
)
def test_planning_is_asked_for_wherever_its_options_stand(
    llmops: Run, before: list[str], after: list[str]
) -> None:
    done = llmops("judge-eval", *before, "plan", *after)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == llmops("judge-plan", *before, *after).stdout


@pytest.mark.parametrize("arguments", [["--judge", "plan", "d.csv"], ["--", "plan"]])
def test_the_value_of_an_option_and_what_follows_two_dashes_ask_for_no_planning(
    llmops: Run, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "d.csv").write_text("plan,gold\n" + "1,1\n0,0\n" * 20)
    decisions(tmp_path / "plan", 95, 5)
    done = llmops("judge-eval", *arguments)
    assert "Is the routing judge reliable enough?" in done.stdout, done.stderr


@pytest.mark.parametrize("spelling", [["judge-eval", "plan"], ["judge-plan"]])
def test_planning_is_spelt_in_two_ways(llmops: Run, spelling: list[str]) -> None:
    done = llmops(*spelling, "--accuracy", "0.88")
    assert done.returncode == 0
    assert "135 labels" in done.stdout


def test_a_log_called_plan_is_still_a_log(llmops: Run, tmp_path: Path) -> None:
    decisions(tmp_path / "plan", 95, 5)
    assert llmops("judge-eval", "./plan").returncode == 0


def test_a_pilot_log_sets_what_is_expected(llmops: Run, datasets: Path) -> None:
    done = llmops("judge-eval", "plan", datasets / "routing-few.csv")
    assert done.returncode == 0
    assert "extract" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "slug"),
    [
        (["judge-eval", "plan", "--stratum", "easy"], "judge-bad-stratum"),
        (["judge-eval", "plan", "--accuracy", "2"], "judge-bad-accuracy"),
        (["judge-eval", "d.csv", "--sprt", "0.8"], "judge-bad-sprt"),
        (["judge-eval", "d.csv", "--multiplicity", "none"], "judge-bad-multiplicity"),
        (["judge-eval", "d.csv", "--under-cost", "-1"], "judge-bad-cost"),
        (["judge-eval", "d.csv", "--cut", "0.6"], "judge-nothing-to-cut"),
        (["judge-eval", "d.csv", "--cut", "nan"], "judge-bad-cut"),
        (["judge-eval", "d.csv", "--sprt", "0.7,0.8", "--sequential"], "judge-two-gates"),
        (
            ["judge-eval", "d.csv", "--sprt", "0.7,0.8", "--against", "break-even"],
            "judge-two-gates",
        ),
    ],
)
def test_usage_is_refused_with_a_slug(
    llmops: Run, tmp_path: Path, arguments: list[str], slug: str
) -> None:
    decisions(tmp_path / "d.csv", 95, 5)
    done = llmops(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"llmops: error[{slug}]: ")


def test_an_earlier_log_shows_what_has_moved(llmops: Run, tmp_path: Path) -> None:
    now, earlier = decisions(tmp_path / "now.csv", 600, 400), tmp_path / "earlier.csv"
    decisions(earlier, 900, 100)
    done = llmops("judge-eval", now, "--earlier", earlier)
    assert "since the earlier log" in " ".join(done.stdout.split())


def test_outcomes_of_tiers_say_what_following_does(llmops: Run, tmp_path: Path) -> None:
    header = "judge,small,large,small|total_cost,large|total_cost"
    rows = ["small,1,1,0.1,1", "large,0,1,0.1,1", "small,1,1,0.1,1", "small,0,1,0.1,1"] * 50
    (tmp_path / "d.csv").write_text(row(header, *rows))
    done = llmops("judge-eval", "d.csv", "--tiers", "small,large", "-f", "json")
    report = json.loads(done.stdout)
    found = {item["name"]: item for item in report["measures"]}
    assert found["quality_difference"]["value"] == pytest.approx(-25.0)
    assert found["cost_ratio"]["value"] == pytest.approx(1.3 / 4)
    assert found["gap_to_oracle"]["value"] == pytest.approx(25.0)
    assert "tier_policies" in {item["name"] for item in report["tables"]}


def test_an_earlier_log_of_other_verdicts_is_refused(llmops: Run, tmp_path: Path) -> None:
    now = decisions(tmp_path / "now.csv", 95, 5)
    (tmp_path / "then.csv").write_text(row("judge,gold", *["A,B", "B,A"] * 30))
    done = llmops("judge-eval", now, "--earlier", "then.csv")
    assert done.returncode == 3
    assert "judge-earlier-differs" in done.stderr
    assert "the better of two answers, those of this one yes and no" in done.stderr


@pytest.mark.parametrize(
    ("text", "arguments", "unused"),
    [
        (row("judge,gold", *["A,A", "B,A"] * 30), ["--under-cost", "3"], "--under-cost"),
        (row("judge,gold", *["1,1", "0,0"] * 30), ["--multiplicity", "bh"], "--multiplicity bh"),
        (
            row("judge,gold,w,s", *["small,small,1,1", "large,large,1,0"] * 30),
            ["--weak", "w", "--strong", "s"],
            "outcomes of a weak and a strong model",
        ),
    ],
)
def test_an_option_that_changes_nothing_is_named(
    llmops: Run, tmp_path: Path, text: str, arguments: list[str], unused: str
) -> None:
    (tmp_path / "d.csv").write_text(text)
    plain = json.loads(llmops("judge-eval", "d.csv", "-f", "json").stdout)
    given = json.loads(llmops("judge-eval", "d.csv", "-f", "json", *arguments).stdout)
    found = [f["message"] for f in given["findings"] if f["slug"] == "judge-option-unused"]
    assert len(found) == 1
    assert unused in found[0]
    assert given["measures"] == plain["measures"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("judge,gold\r1,1\r0,0\r", "carriage returns alone"),
        ('[{"judge":1,"gold":1}, {"judge":', "the JSON array breaks off"),
    ],
)
def test_what_cannot_be_read_is_said_in_plain_words(
    llmops: Run, tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / ("d.json" if text.startswith("[") else "d.csv")
    path.write_bytes(text.encode())
    done = llmops("judge-eval", path)
    assert (done.returncode, done.stdout) == (3, "")
    assert says in done.stderr


@pytest.mark.parametrize("indent", [None, 1])
def test_rows_may_be_one_json_array(llmops: Run, tmp_path: Path, indent: int | None) -> None:
    rows = [{"judge": k % 2, "gold": k % 2} for k in range(60)]
    (tmp_path / "d.json").write_text(json.dumps([*rows, "no row"], indent=indent))
    done = llmops("judge-eval", "d.json")
    assert done.returncode == 0
    assert "of 60 labelled decisions" in " ".join(done.stdout.split())
    assert "d.json:61: the line is not a JSON object" in done.stderr
