"""The guard: which of two questions that look alike may share an answer."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.cache.semantic_guard import Lexicon, Slots, conflict, learn, normal_form, slots

LOG = (
    "How do I cancel my Netflix subscription?",
    "What is the capital of France and of Spain?",
    "Is it safe to eat raw fish?",
    "Can I fly from Paris to London with a gym bag?",
    "please turn the heating on and tell me if this is legal and active",
)
LEXICON = learn(LOG)

words = st.sampled_from(
    [
        "order",
        "the",
        "safe",
        "unsafe",
        "48213",
        "48231",
        "-5",
        "3.50",
        "$20",
        "20%",
        "not",
        "never",
        "Netflix",
        "gym",
        "Paris",
        "London",
        "km",
        "miles",
        "june",
        "monday",
        "'quoted'",
        "“name”",
        "a.b",
        "c++",
        "C#",
        "isn't",
        "two",
    ]
)
sentences = st.lists(words, min_size=1, max_size=8).map(" ".join)


def guarded(text: str, lexicon: Lexicon = LEXICON) -> tuple[object, ...]:
    return slots(normal_form(text), lexicon)[:3]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is order 48213?", "where is  order 48213"),
        ("I need two tickets", "I need 2 tickets"),
        ("a budget of 1,000.50 USD", "a budget of 1000.5 usd"),
        ("it takes 5 km", "it takes 5km"),
        ("Is Monday free?", "is mondays free"),
        ("cancel my Netflix now", "cancel my netflix now"),
        ("open “my file”", 'open "my file"'),
        (
            "\uff37\uff28\uff25\uff32\uff25 is order \uff14\uff18\uff12\uff11\uff13",
            "where is order 48213",
        ),
        ("how do I reset it", "please how can I reset it"),
    ],
)
def test_the_same_question_in_other_clothes_passes(one: str, other: str) -> None:
    assert guarded(one) == guarded(other)


TRAPS = [
    ("order number", "Where is order 48213?", "Where is order 48231?"),
    ("safe and unsafe", "Is it safe to eat this?", "Is it unsafe to eat this?"),
    ("a name and a thing", "Cancel my Netflix account", "Cancel my gym account"),
    ("two names", "The capital of France is?", "The capital of Spain is?"),
    ("names the other way round", "from Paris to London", "from London to Paris"),
    ("names in lower case", "the capital of france is?", "the capital of spain is?"),
    ("negation", "Can I return it?", "Can I not return it?"),
    ("contraction", "Why does it work?", "Why doesn't it work?"),
    ("opposites", "Turn it on after lunch", "Turn it on before lunch"),
    ("sign", "Is 5 degrees cold?", "Is -5 degrees cold?"),
    ("decimals", "Pay 1.5 now", "Pay 15 now"),
    ("amount against range", "between 5 and 10", "between 10 and 5"),
    ("unit", "Is it 5 km away?", "Is it 5 miles away?"),
    ("currency", "Is it $20?", "Is it €20?"),
    ("percent", "take 20% off", "take 20 off"),
    ("month", "the weather in June", "the weather in July"),
    ("weekday", "open on Monday", "open on Tuesday"),
    ("day", "the weather today", "the weather tomorrow"),
    ("id", "status of AB-12", "status of AB-13"),
    ("address", "write to a@b.org", "write to c@b.org"),
    ("file", "read notes.txt", "read notes.md"),
    ("quoted", 'what does "to let" mean', 'what does "to lend" mean'),
    ("programming language", "sort a list in c++", "sort a list in c#"),
    ("language", "was ist die Garantie", "what is the warranty"),
    ("script", "привет мир", "hello world"),
    ("chinese negation", "我能退货吗", "我不能退货吗"),
    ("code", "what is f(x)[0]", "what is f(x)[1]"),
]


@pytest.mark.parametrize(("name", "one", "other"), TRAPS, ids=[name for name, *_ in TRAPS])
def test_the_guard_tells_a_trap_from_its_twin(name: str, one: str, other: str) -> None:
    assert guarded(one) != guarded(other), name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("how do i rent a car", "how do i rent a boat"),
        ("cancel my netflix account", "cancel my gym account"),
        ("the capital of france is?", "the capital of spain is?"),
    ],
)
def test_common_nouns_and_names_never_written_as_such_are_left_to_the_answers(
    one: str, other: str
) -> None:
    """A log in small letters only knows no names: what the guard promises ends here."""
    assert guarded(one, learn((one, other))) == guarded(other, learn((one, other)))


def test_names_are_learned_inside_sentences_and_not_from_headlines() -> None:
    assert {"netflix", "france", "spain", "paris", "london"} <= LEXICON.names
    assert not LEXICON.names & {"how", "what", "is", "can", "cancel"}
    assert not learn(["PLEASE HELP ME NOW", "How To Reset A Password"]).names
    assert not learn(["the Apple is red", "an apple a day", "eat an apple"]).names


def test_a_prefix_negates_only_a_word_of_the_log() -> None:
    assert guarded("under the union") == guarded("above the party")
    assert guarded("it is illegal")[1] == ("illegal",)
    assert guarded("it is illegal", learn(["it is illegal"]))[1] == ()


@given(sentences)
def test_a_normal_form_is_its_own(text: str) -> None:
    assert normal_form(normal_form(text)) == normal_form(text)


@given(st.text(min_size=1).filter(str.strip))
def test_no_question_loses_all_its_signs(text: str) -> None:
    assert normal_form(text) or not unicodedata.normalize("NFKC", text).strip()


@given(sentences, st.sampled_from(["?", "!!", " . ", "…", " ?!"]))
def test_case_spacing_and_closing_punctuation_change_nothing(text: str, closing: str) -> None:
    shouted = f"  {text.upper().replace(' ', '   ')}{closing}"
    assert normal_form(shouted) == normal_form(text)
    assert guarded(shouted) == guarded(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pay -5", "pay 5"),
        ("5 - 3", "5 3"),
        ("5 \u00d7 3", "5 ÷ 3"),
        ("at 10:30", "at 1030"),
        ("C++", "C"),
        ("#5", "5"),
        ("50%", "50"),
        ("a[0]", "a(0)"),
        ("if x:\n    y()", "if x: y()"),
        ("Print(`A`)", "print(`a`)"),
        ("???", "!!!"),
    ],
)
def test_signs_that_say_something_stay(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


def answer(text: str) -> Slots:
    return slots(normal_form(text), LEXICON)


LONG = "the parcel left the warehouse and travels to you by the usual way of our partner " * 3


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Order 48213 is on its way", "Order 48231 is on its way", True),
        ("Yes, it is", "No, it is", True),
        ("You can return it", "You cannot return it", True),
        ("That is Paris", "That is London", True),
        ("Das ist die Antwort", "This is what the answer is", True),
        ("It takes 3 days", "It will take three days", False),
        ("Press the red button", "Use the red knob", False),
        ("It takes 3 days", f"{LONG} in 3 days", False),
        (f"{LONG} in 3 days", f"{LONG} in 3 days, or 5 at most", False),
        (f"{LONG} in 3 days", f"{LONG} in 4 days", True),
    ],
)
def test_answers_contradict_each_other_in_a_slot(one: str, other: str, *, expected: bool) -> None:
    assert conflict(answer(one), answer(other)) is expected
    assert conflict(answer(other), answer(one)) is expected
