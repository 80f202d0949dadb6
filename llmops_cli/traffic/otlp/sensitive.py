"""Names of what should not be in a log: secrets and personal data, told by their shape.

Only the name of a pattern leaves this file, never what matched it.
"""

import re
from functools import lru_cache

__all__ = ["NUMBERS", "SECRETS", "found_in"]

SECRETS: frozenset[str] = frozenset({"api-key", "private-key", "bearer-token"})
"""The patterns that open a door; the others are personal data."""

NUMBERS: frozenset[str] = frozenset({"payment-card", "phone-number", "iban", "us-ssn"})
"""The patterns that an identifier may look like by chance."""

# What a text must contain before the costly search begins: prompts are long, secrets rare.
_PATTERNS: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = (
    (
        "api-key",
        ("sk-", "AKIA", "gh", "xox", "AIza"),
        re.compile(
            r"\b(?:sk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}"
            r"|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{35})"
        ),
    ),
    ("private-key", ("-----BEGIN",), re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")),
    ("bearer-token", ("earer ",), re.compile(r"\b[Bb]earer [A-Za-z0-9._~+/-]{20,}")),
    (
        "email",
        ("@",),
        re.compile(r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b"),
    ),
    (
        "phone-number",
        ("+",),
        re.compile(
            r"(?<![\w.])\+\d{1,3}[ -]?(?:\(\d{1,4}\)[ -]?)?\d{2,4}(?:[ -]\d{2,4}){1,4}(?![\w.])"
        ),
    ),
    ("iban", (), re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")),
    (
        "us-ssn",
        ("-",),
        re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"),
    ),
)
# The networks' first digits and lengths: times and identifiers are as long as a card number.
_CARD = re.compile(
    r"(?<![\w.-])(?=(?:4|5[1-5]|2[2-7]|3[47]|6011|65))(?:\d[ -]?){12,18}\d(?![\w.-])"
)
_LENGTHS = {"4": (13, 16, 19), "3": (15,), "5": (16,), "2": (16,), "6": (16,)}
_SHORT = 64


def found_in(text: str) -> frozenset[str]:
    """The names of the patterns that occur in a text; numbers with check digits are checked."""
    # Short texts are mostly names, and the same few in every span.
    return _remembered(text) if len(text) <= _SHORT else _searched(text)


def _searched(text: str) -> frozenset[str]:
    names = {name for name, signs, pattern in _PATTERNS if _occurs(name, signs, pattern, text)}
    if any(_card(match[0]) for match in _CARD.finditer(text)):
        names.add("payment-card")
    return frozenset(names)


_remembered = lru_cache(maxsize=4096)(_searched)


def _occurs(name: str, signs: tuple[str, ...], pattern: re.Pattern[str], text: str) -> bool:
    if signs and not any(sign in text for sign in signs):
        return False
    if name == "iban":
        return any(_iban(match[0]) for match in pattern.finditer(text))
    return pattern.search(text) is not None


def _card(text: str) -> bool:
    # ISO/IEC 7812-1, annex B.
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    checks = (sum(doubled) + sum(digits[-1::-2])) % 10 == 0
    return checks and len(digits) in _LENGTHS[text[0]]


def _iban(text: str) -> bool:
    # ISO 13616: moved and read as a number it is 1 modulo 97.
    compact = text.replace(" ", "")
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1
