"""``llmops audit-traces`` as a user runs it: exit codes, gates, formats, no content anywhere."""

import json
from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from subprocess import CompletedProcess
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from llmops_cli.views import FORMATS

TELEMETRY = run_path(str(Path(__file__).parents[1] / "audit" / "telemetry.py"))
clean_traces, as_lines = TELEMETRY["clean_traces"], TELEMETRY["as_lines"]

Run = Callable[..., CompletedProcess[str]]
MARKER = "orchid-7731"
"""A word that stands in the content of the log and nowhere else."""


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    path = tmp_path / "clean.jsonl"
    path.write_text(as_lines(clean_traces(3)))
    return path


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    traces = clean_traces(3)
    for trace in traces:
        del trace["chat"]["attributes"]["gen_ai.usage.input_tokens"]
    path = tmp_path / "faulty.jsonl"
    path.write_text(as_lines(traces))
    return path


def test_a_clean_log_passes_every_gate(llmops: Run, clean: Path) -> None:
    done = llmops("audit-traces", clean, "--min-score", "100", "--forbid", "violation")
    assert (done.returncode, done.stderr) == (0, "")
    assert "scores 100 of 100" in done.stdout
    assert "Findings" not in done.stdout


def test_without_a_gate_the_worst_log_ends_with_0(llmops: Run, faulty: Path) -> None:
    done = llmops("audit-traces", faulty)
    assert done.returncode == 0
    assert "Calls carry no input tokens" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    "gate",
    [["--min-score", "99"], ["--forbid", "input-tokens-absent"], ["--forbid", "violation"]],
)
def test_a_missed_gate_ends_with_1(llmops: Run, faulty: Path, gate: list[str]) -> None:
    assert llmops("audit-traces", faulty, *gate).returncode == 1
    assert llmops("audit-traces", faulty, *gate, "--exit-zero").returncode == 0


def test_a_rule_that_is_forbidden_twice_is_one_gate(llmops: Run, faulty: Path) -> None:
    once, twice = (
        llmops("audit-traces", faulty, *(["--forbid", "violation"] * times)).stdout
        for times in (1, 2)
    )
    assert once == twice


@pytest.mark.parametrize(
    ("arguments", "code", "slug"),
    [
        (["--min-score", "120"], 2, "audit-bad-score"),
        (["--forbid", "input-token-absent"], 2, "audit-unknown-rule"),
        (["--conventions", "0.9"], 2, "audit-bad-conventions"),
        (["--baseline", "absent.json"], 3, "input-unreadable"),
        (["--baseline", "clean.jsonl"], 3, "report-not-json"),
        (["-f", "sarif=missing/audit.sarif"], 2, "output-unwritable"),
    ],
)
def test_refusals(llmops: Run, clean: Path, arguments: list[str], code: int, slug: str) -> None:
    done = llmops("audit-traces", clean, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"llmops: error[{slug}]: ")


def test_a_misspelt_rule_is_answered_with_the_nearest(llmops: Run, clean: Path) -> None:
    done = llmops("audit-traces", clean, "--forbid", "input-token-absent")
    assert "input-tokens-absent" in done.stderr


def test_a_log_without_calls_or_genai_spans_is_bad_input(llmops: Run, tmp_path: Path) -> None:
    assert llmops("audit-traces", "absent.jsonl").returncode == 3
    trace = clean_traces(1)[0]
    only = {"tool": trace["tool"] | {"attributes": {"http.request.method": "GET"}}}
    (tmp_path / "http.jsonl").write_text(as_lines([only]))
    done = llmops("audit-traces", "http.jsonl")
    assert done.returncode == 3
    assert "error[" in done.stderr


def test_json_is_valid_and_every_format_is_the_same_twice(llmops: Run, faulty: Path) -> None:
    schema = json.loads(llmops("schema", "report").stdout)
    report = json.loads(llmops("audit-traces", faulty, "-f", "json").stdout)
    Draft202012Validator(schema).validate(report)
    names = ("text", "json", "sarif")
    for name in names:
        first, second = (llmops("audit-traces", faulty, "-f", name).stdout for _ in range(2))
        assert first == second, name


def test_more_jobs_find_the_same(llmops: Run, faulty: Path) -> None:
    one, two = (llmops("audit-traces", faulty, "-f", "json", "-j", n).stdout for n in ("1", "2"))
    assert one == two


def test_an_earlier_report_shows_before_and_after(
    llmops: Run, clean: Path, faulty: Path, tmp_path: Path
) -> None:
    assert llmops("audit-traces", faulty, "-f", "json=before.json", "-q").returncode == 0
    done = llmops("audit-traces", clean, "--baseline", tmp_path / "before.json")
    assert done.returncode == 0
    assert "Since the baseline" in done.stdout
    assert "input-tokens-absent" in done.stdout


def test_sarif_points_at_the_line(llmops: Run, faulty: Path) -> None:
    run = json.loads(llmops("audit-traces", faulty, "-f", "sarif").stdout)["runs"][0]
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert result["ruleId"] == "audit-traces/input-tokens-absent"
    assert (result["level"], result["occurrenceCount"]) == ("error", 3)
    assert place["artifactLocation"]["uri"].endswith("faulty.jsonl")
    assert place["region"] == {"startLine": 3}


def test_explain_shows_the_formula_and_the_costs(llmops: Run, faulty: Path) -> None:
    done = llmops("audit-traces", faulty, "--explain")
    assert "sum(weight" in done.stdout
    assert "input-tokens-absent costs" in " ".join(done.stdout.split())


def marked() -> list[dict[str, Any]]:
    """Content wherever a log may hold it, broken ones among them."""
    traces = clean_traces(3)
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": MARKER}]}])
    secret = f"key sk-ant-{MARKER}-{8 * 'a1B2'} of {MARKER}@example.com"
    trace = traces[0]
    trace["chat"]["attributes"] |= {
        "gen_ai.input.messages": messages,
        "gen_ai.output.messages": f"not JSON: {MARKER}",
        "gen_ai.prompt.0.content": MARKER,
        "input.value": MARKER,
        "gen_ai.usage.output_tokens": MARKER,
        "gen_ai.provider.name": f"tell me about {MARKER}, please; and then, more: " + 9 * "words ",
        "gen_ai.response.finish_reasons": MARKER,
    }
    trace["chat"]["events"].append(
        {"name": "gen_ai.user.message", "attributes": {"content": MARKER}}
    )
    trace["tool"] |= {"name": f"execute_tool {MARKER}", "parent": "f" * 16}
    trace["tool"]["attributes"]["gen_ai.tool.call.arguments"] = {"text": secret}
    trace["agent"]["attributes"]["gen_ai.agent.description"] = secret
    trace["failed"]["events"] = [
        {"name": "exception", "attributes": {"exception.message": MARKER}},
    ]
    trace["log"] |= {"name": "gen_ai.user.message", "body": {"content": MARKER}}
    trace["stream"]["start"] = f"{MARKER}"
    return traces


@pytest.mark.parametrize("name", FORMATS)
def test_no_content_reaches_any_format(llmops: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "log.jsonl").write_text(as_lines(marked()))
    done = llmops("audit-traces", "log.jsonl", "-f", name, "-v", "--explain")
    assert done.returncode == 0
    assert "secret-in-log" in done.stdout or "looks like a secret" in done.stdout
    assert MARKER not in done.stdout + done.stderr
    assert "sk-ant" not in done.stdout + done.stderr
