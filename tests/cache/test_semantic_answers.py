"""Labels of hits: the served answer against the call's own."""

import numpy as np
import pytest

from llmops_cli.cache.semantic_answers import Label, label_pairs
from llmops_cli.cache.semantic_guard import learn

LONG = "you can return the article within the month by the post office of your town"
CASES = [
    ("the same words", "It is open.", "it is OPEN", Label.EQUAL),
    ("mostly the same wording", LONG, f"{LONG} or city", Label.SIMILAR),
    ("another number", "Order 48213 has left", "Order 48231 has left", Label.CONFLICT),
    ("yes and no", "Yes, it is", "No, it is", Label.CONFLICT),
    (
        "a name for a thing",
        "the Netflix account is gone",
        "the gym account is gone",
        Label.CONFLICT,
    ),
    ("other words", "press the red button", "the weather was fine", Label.DIFFERENT),
    ("one not logged", "It is open.", "", Label.UNKNOWN),
    ("none logged", "", "", Label.UNKNOWN),
]


@pytest.mark.parametrize(("name", "one", "other", "label"), CASES, ids=[name for name, *_ in CASES])
def test_an_answer_is_labelled_by_rule(name: str, one: str, other: str, label: Label) -> None:
    lexicon = learn([one, other])
    pairs = np.array([[0, 1], [1, 0]])
    assert label_pairs([one, other], pairs, lexicon, 0.8).tolist() == [label, label], name


def test_a_label_does_not_depend_on_the_other_pairs() -> None:
    answers = [text for _, one, other, _ in CASES for text in (one, other)]
    lexicon = learn(answers)
    pairs = np.arange(len(answers)).reshape(-1, 2)
    together = label_pairs(answers, pairs, lexicon, 0.8).tolist()
    assert together == [int(label_pairs(answers, pair[None], lexicon, 0.8)[0]) for pair in pairs]


def test_the_similarity_that_is_asked_for_decides() -> None:
    pairs = np.array([[0, 1]])
    answers = [LONG, f"{LONG} or city"]
    assert label_pairs(answers, pairs, learn(answers), 0.999).tolist() == [Label.DIFFERENT]


def test_false_hits_are_those_that_contradict_or_differ() -> None:
    assert [label for label in Label if label.is_false] == [Label.CONFLICT, Label.DIFFERENT]


def test_no_pairs_have_no_labels() -> None:
    assert label_pairs(["a"], np.empty((0, 2), np.int64), learn([]), 0.8).tolist() == []
