"""Templates put rows into words, and verdicts come out of answers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.live.prompts import (
    PAIR,
    QUALITY,
    UNPARSABLE,
    Template,
    Verdict,
    read_verdict,
    verdict_schema,
)

LABELS = ("accept", "reject")


def test_columns_are_replaced_and_doubled_braces_are_braces() -> None:
    template = Template('{question} {{question}} {"json": {answer}} { x } {1}')
    assert template.columns == ("question", "answer")
    filled = template.filled({"question": "Q", "answer": "A"})
    assert filled == 'Q {question} {"json": A} { x } {1}'


def test_braces_inside_a_value_mean_nothing() -> None:
    filled = Template("{question}|{answer}").filled({"question": "{answer}", "answer": "{{x}}"})
    assert filled == "{answer}|{{x}}"


@given(st.text(), st.text())
def test_values_go_in_unchanged(question: str, answer: str) -> None:
    filled = Template("{question}\0{answer}").filled({"question": question, "answer": answer})
    assert filled == f"{question}\0{answer}"


def test_swapping_exchanges_the_answers_and_nothing_else() -> None:
    values = {"question": "Q", "answer_a": "one", "answer_b": "two"}
    template = Template("{question} {answer_a} {answer_b}")
    assert template.pairwise
    assert template.filled(values) == "Q one two"
    assert template.filled(values, swapped=True) == "Q two one"
    assert values["answer_a"] == "one"


@pytest.mark.parametrize("text", [PAIR, QUALITY])
def test_the_default_prompts_need_only_the_documented_columns(text: str) -> None:
    pair = {"question", "answer_a", "answer_b"}
    wanted = pair if text is PAIR else {"question", "answer"}
    assert set(Template(text).columns) == wanted


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("no column", "prompt-without-columns"),
        ("{question} {missing}", "prompt-missing-column"),
        ("{question} {truth}", "prompt-shows-gold"),
    ],
)
def test_a_template_that_cannot_work_is_refused(text: str, slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        Template(text).require(["question", "truth"], hidden="truth")
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('{"verdict": "accept", "confidence": 0.9}', Verdict("accept", 0.9)),
        ('{"verdict": " Reject ", "confidence": 1}', Verdict("reject", 1.0)),
        ('{"verdict": "accept"}', Verdict("accept")),
        ('{"verdict": "accept", "confidence": 90}', Verdict("accept")),
        ('{"verdict": "accept", "confidence": "high"}', Verdict("accept")),
        ('```json\n{"verdict": "reject", "confidence": 0.5}\n```', Verdict("reject", 0.5)),
        ('Sure:\n```\n{"verdict": "reject"}\n```', Verdict("reject")),
        ('{"verdict": "maybe"}', Verdict(UNPARSABLE)),
        ('{"verdict": 1}', Verdict(UNPARSABLE)),
        ('{"verdict": "accept"', Verdict(UNPARSABLE)),
        ("I cannot judge this; to accept it would be wrong.", Verdict(UNPARSABLE)),
        ("accept", Verdict(UNPARSABLE)),
        ("", Verdict(UNPARSABLE)),
    ],
)
def test_only_a_json_object_with_a_known_label_is_a_verdict(text: str, verdict: Verdict) -> None:
    assert read_verdict(text, LABELS) == verdict


@given(st.text() | st.dictionaries(st.text(), st.text() | st.floats()).map(json.dumps))
def test_any_text_gives_a_label_that_was_asked_for_or_none(text: str) -> None:
    found = read_verdict(text, LABELS)
    assert found.label in {*LABELS, UNPARSABLE}
    assert found.confidence is None or 0 <= found.confidence <= 1


@given(st.sampled_from(["A", "B", "tie", UNPARSABLE]))
def test_unswapping_twice_changes_nothing(label: str) -> None:
    once = Verdict(label, 0.3).unswapped()
    assert once.unswapped() == Verdict(label, 0.3)
    assert (once.label == label) == (label not in {"A", "B"})


def test_the_schema_asks_for_what_is_parsed() -> None:
    schema = verdict_schema(LABELS)
    assert schema["properties"]["verdict"]["enum"] == ["accept", "reject"]
    assert set(schema["required"]) == set(schema["properties"])  # strict modes want every one
    assert schema["additionalProperties"] is False
