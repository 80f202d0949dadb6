"""A Report as SARIF 2.1.0: what scanners and editors insist on, for any report at all."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from llmops_cli.report import Check, Finding, Measure, Report
from llmops_cli.views import render

# The essentials of the standard, in our words: required members, closed vocabularies, minima.
MESSAGE = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string", "minLength": 1}},
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "properties": {
                "tool": {
                    "type": "object",
                    "required": ["driver"],
                    "properties": {
                        "driver": {
                            "type": "object",
                            "required": ["name", "rules"],
                            "properties": {
                                "name": {"type": "string", "minLength": 1},
                                "rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}},
                            },
                        }
                    },
                },
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
            },
        },
        "rule": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"type": "string", "minLength": 1},
                "shortDescription": MESSAGE,
                "help": MESSAGE,
                "defaultConfiguration": {"type": "object", "properties": {"level": LEVEL}},
            },
        },
        "result": {
            "type": "object",
            "required": ["message", "ruleId", "ruleIndex"],
            "properties": {
                "message": MESSAGE,
                "level": LEVEL,
                "kind": {"enum": ["pass", "fail", "open"]},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "occurrenceCount": {"type": "integer", "minimum": 1},
                "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
                "partialFingerprints": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                },
            },
            # Only what failed has a level.
            "if": {"properties": {"kind": {"enum": ["pass", "open"]}}, "required": ["kind"]},
            "then": {"properties": {"level": {"const": "none"}}},
        },
        "location": {
            "type": "object",
            "required": ["physicalLocation"],
            "properties": {
                "physicalLocation": {
                    "type": "object",
                    "required": ["artifactLocation"],
                    "properties": {
                        "artifactLocation": {
                            "type": "object",
                            "required": ["uri"],
                            # A URI reference holds no blanks, controls, or characters past ASCII.
                            "properties": {"uri": {"type": "string", "pattern": "^[!-~]+$"}},
                        },
                        "region": {
                            "type": "object",
                            "properties": {"startLine": {"type": "integer", "minimum": 1}},
                        },
                    },
                }
            },
        },
    },
}


def run(report: Report) -> dict[str, Any]:
    content = json.loads(render(report, "sarif"))
    Draft202012Validator(SCHEMA).validate(content)
    return content["runs"][0]


def report(*findings: Finding, checks: tuple[Check, ...] = (), **more: Any) -> Report:  # noqa: ANN401 - fields
    return Report(
        command="audit-traces", title="t", headline="h", findings=findings, checks=checks, **more
    )


def finding(**fields: Any) -> Finding:  # noqa: ANN401 - fields
    return Finding(**{"slug": "a-rule", "severity": "warning", "message": "something"} | fields)


def test_a_finding_is_a_result_with_rule_level_message_and_place() -> None:
    one = finding(file="logs/a b.jsonl", line=7, field="usage", hint="mend it", count=3)
    found = run(report(one, version="1.2"))
    (result,) = found["results"]
    assert result["ruleId"] == "audit-traces/a-rule"
    assert result["level"] == "warning"
    assert result["message"]["text"] == "Something (usage)."
    assert result["occurrenceCount"] == 3
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "logs/a%20b.jsonl"}, "region": {"startLine": 7}}
    (rule,) = found["tool"]["driver"]["rules"]
    assert rule["help"]["text"] == "Mend it."
    assert rule["defaultConfiguration"]["level"] == "warning"
    assert found["tool"]["driver"]["version"] == "1.2"


def test_results_point_at_their_rule_and_each_rule_is_there_once() -> None:
    found = run(report(finding(), finding(slug="b-rule"), finding(file="x", line=2)))
    rules = [rule["id"] for rule in found["tool"]["driver"]["rules"]]
    assert rules == ["audit-traces/a-rule", "audit-traces/b-rule"]
    assert [rules[item["ruleIndex"]] for item in found["results"]] == [
        item["ruleId"] for item in found["results"]
    ]


@pytest.mark.parametrize(
    ("value", "low", "high", "kind", "level"),
    [
        (0.9, None, None, "pass", "none"),
        (0.1, None, None, "fail", "error"),
        (0.5, 0.1, 0.9, "open", "none"),
    ],
)
def test_a_gate_is_a_result_of_its_kind(
    value: float, low: float | None, high: float | None, kind: str, level: str
) -> None:
    measure = Measure(name="m", value=value, low=low, high=high)
    check = Check.at_least("bar", measure, 0.5, strict=True)
    (result,) = run(report(checks=(check,), inputs=("log.jsonl",)))["results"]
    assert (result["kind"], result["level"]) == (kind, level)
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "log.jsonl"


def test_a_finding_without_a_place_is_at_the_first_input_or_nowhere() -> None:
    (placed,) = run(report(finding(), inputs=("a.jsonl", "b.jsonl")))["results"]
    assert placed["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "a.jsonl"}}
    (lost,) = run(report(finding()))["results"]
    assert "locations" not in lost


def test_an_absolute_path_is_a_file_uri() -> None:
    (result,) = run(report(finding(file="/var/log/ü.jsonl", line=1)))["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "file:///var/log/%C3%BC.jsonl"


def test_a_fingerprint_stays_where_the_line_moves_and_tells_rules_and_files_apart() -> None:
    def mark(**fields: object) -> str:
        (result,) = run(report(finding(**fields)))["results"]
        return result["partialFingerprints"]["llmops/1"]

    assert mark(file="a", line=1) == mark(file="a", line=2, message="other", count=9)
    assert len({mark(file="a"), mark(file="b"), mark(file="a", slug="b-rule")}) == 3


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)


@given(
    st.lists(
        st.builds(
            Finding,
            slug=words,
            severity=st.sampled_from(["error", "warning", "note"]),
            message=words,
            hint=words,
            file=words,
            line=st.none() | st.integers(1, 10**6),
            field=words,
            count=st.integers(0, 1000),
        ),
        max_size=4,
    ),
    st.lists(words, max_size=2),
)
def test_any_report_is_valid_and_the_same_twice(findings: list[Finding], inputs: list[str]) -> None:
    made = report(*findings, inputs=tuple(inputs))
    run(made)
    assert render(made, "sarif") == render(made, "sarif")
