"""Secrets and personal data are told by their shape, and what only looks alike is not."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.traffic.otlp import sensitive
from llmops_cli.traffic.otlp.sensitive import NUMBERS, SECRETS, found_in

# None of these opens a door: they have the shape of keys, and are put together here so that
# no scanner of the repository takes them for one.
BODY = 10 * "a1B2"

FOUND = [
    ("api-key", "sk-" + BODY),
    ("api-key", "sk-ant-api03-" + BODY),
    ("api-key", "AKIA" + 4 * "ABC1"),
    ("api-key", "ghp_" + BODY[:36]),
    ("api-key", "xoxb-" + BODY),
    ("api-key", "AIza" + BODY[:35]),
    ("private-key", "-----BEGIN " + "PRIVATE KEY-----"),
    ("private-key", "-----BEGIN RSA " + "PRIVATE KEY-----"),
    ("bearer-token", "Authorization: Bearer " + BODY),
    ("email", "write to Jo.Smith+shop@mail.example.co.uk, please"),
    ("phone-number", "call +49 30 1234 5678"),
    ("phone-number", "call +1 (415) 555-0132"),
    ("payment-card", "4111 1111 1111 1111"),
    ("payment-card", "378282246310005"),
    ("payment-card", "5555-5555-5555-4444"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432"),
    ("us-ssn", "my number is 078-05-1120"),
]

NOTHING = [
    "",
    "What is the weather in Paris?",
    "sk-short",
    "task-" + BODY,
    "the bearer of this letter",
    "user@localhost",
    "a @ b.c",
    "2026-11-25 and 10:20:30",
    "4111 1111 1111 1112",  # the check digit is wrong
    "1788249600000000000",  # nanoseconds since 1970
    "1788249600000",  # milliseconds
    "1234567890123456",
    "DE88 3704 0044 0532 0130 00",  # the check digits are wrong
    "000-12-3456",
    "666-12-3456",
    "1+1=2, 3+4",
    "v1.2.3-4-gabcdef",
    "550e8400-e29b-41d4-a716-446655440000",
]


@pytest.mark.parametrize(("name", "text"), FOUND)
@pytest.mark.parametrize("around", ["{}", 'a "{}" b', "x " * 60 + "{}", "{}\n", "({})"])
def test_a_pattern_is_found_by_name(name: str, text: str, around: str) -> None:
    assert found_in(around.format(text)) == {name}


@pytest.mark.parametrize("text", NOTHING)
def test_what_only_looks_alike_is_not_found(text: str) -> None:
    assert found_in(text) == frozenset()
    assert found_in("x " * 60 + text) == frozenset()


def test_several_are_all_found() -> None:
    text = " ".join(item for _, item in FOUND)
    assert found_in(text) == {name for name, _ in FOUND}


def test_every_pattern_is_a_secret_a_number_or_an_address() -> None:
    assert {name for name, _ in FOUND} == SECRETS | NUMBERS | {"email"}


pieces = st.sampled_from(
    [text for _, text in FOUND] + ["sk-", "gh", "@", "+", "-", " ", ".", "Bearer ", "DE89", "4"]
) | st.text(string.ascii_letters + string.digits + "-_.@+ ", max_size=20)


@given(st.lists(pieces, max_size=6).map("".join))
def test_looking_for_a_sign_first_misses_nothing(text: str) -> None:
    plain = {
        name
        for name, _, pattern in sensitive._PATTERNS  # noqa: SLF001 - the shortcut is what is tested
        if name != "iban" and pattern.search(text)
    }
    assert {name for name in found_in(text) if name not in {"iban", "payment-card"}} == plain


@given(st.text(string.digits + "4 -", min_size=13, max_size=200))
def test_any_run_of_digits_is_looked_at_without_a_fault(text: str) -> None:
    assert found_in(text) <= {"payment-card", "us-ssn"}
