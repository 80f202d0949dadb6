"""The one error: where, what, and what to do; and exit codes that never change."""

import pytest

from llmops_cli.errors import ExitCode, LlmopsError


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "llmops: error[a-slug]: it is wrong"),
        ({"file": "a.jsonl"}, "llmops: error[a-slug]: a.jsonl: it is wrong"),
        ({"file": "a.jsonl", "line": 3}, "llmops: error[a-slug]: a.jsonl:3: it is wrong"),
        (
            {"file": "a", "line": 3, "field": "x.y"},
            "llmops: error[a-slug]: a:3: x.y: it is wrong",
        ),
        ({"field": "x"}, "llmops: error[a-slug]: x: it is wrong"),
        ({"hint": "mend it"}, "llmops: error[a-slug]: it is wrong\nhint: mend it"),
    ],
)
def test_an_error_says_where_what_and_what_to_do(place: dict[str, object], text: str) -> None:
    assert LlmopsError("a-slug", "it is wrong", **place).render() == text  # type: ignore[arg-type]


def test_exit_codes_are_public_and_stable() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "GATE_FAILED": 1,
        "USAGE": 2,
        "BAD_INPUT": 3,
        "INCONCLUSIVE": 4,
        "PROVIDER": 5,
        "BUG": 70,
        "INTERRUPTED": 130,
        "BROKEN_PIPE": 141,
    }


def test_bad_input_is_the_default() -> None:
    assert LlmopsError("s", "m").exit_code is ExitCode.BAD_INPUT
