"""The guard: what two texts must have in common before one may be answered for the other.

No measure of similarity tells "order 48213" from "order 48231" or "safe" from "unsafe", so
numbers, ids, units, dates, quoted and proper names are compared in their order, negations and
opposites by their presence, and the language as such. What the guard cannot see: two common
nouns ("rent a car", "rent a boat") and names that nobody ever writes with a capital; such hits
are left to the comparison of the answers.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from llmops_cli.cache.semantic_words import load_words

__all__ = ["Lexicon", "Slots", "conflict", "learn", "normal_form", "slots"]

# Code means what it says to the last bracket.
_CODE = re.compile(r"[`{}<>\[\]=;\\|^~]|\(\)|::|->|\n\s{2,}\S")
_QUOTES = {ord(sign): '"' for sign in "\u201c\u201d\u201e\u00ab\u00bb"} | {
    ord(sign): "'" for sign in "\u2018\u2019\u02bc"
}
# Inside a word, in front of a number or between two, punctuation is part of what it stands by;
# every other sign (of money, of arithmetic) says something wherever it stands.
_DROPPED = re.compile(
    r"(?!(?<=\w)[.,:'-](?=\w)|-(?=\d)|(?<=\d\s)-(?=\s\d))"
    r"[!?.,:;'()\-\u2013\u2014\u2026\u00b7\u2022\u00a1\u00bf\u3001\u3002\u300c-\u300f\u3010\u3011]"
)
_SPACES = re.compile(r"\s+")

_PIECE = re.compile(r'"[^"]*"|\S+')
_NUMBER = re.compile(r"([+-]?)(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(%?)")
_MEASURED = re.compile(r"([+-]?\d[\d.,]*)(°?[^\W\d_]+)")
_CURRENCY = re.compile(r"([$€£¥])(.+)")
_CJK_NEGATION = re.compile("[不没沒無无非未別别]|ない|ません|안 |않|없")
_WORD = re.compile(r"[^\W\d_]+")
_STARTS = re.compile(r"(?:^|[.!?:\n]|\s[-*•])\s*$")

_SHORT_WORDS = 30
_SHORTEST_STEM = 4


class Slots(NamedTuple):
    """What must agree: things in their order, polarity as a sorted list, and the language."""

    things: tuple[str, ...]
    polarity: tuple[str, ...]
    language: str
    lead: str
    words: int


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What the log itself says about its words.

    Attributes:
        names: words that are mostly written with a capital inside a sentence.
        vocabulary: all words; "unsafe" negates only where "safe" is a word.
        language: the commonest language of Latin script, for texts too short to tell.
    """

    names: frozenset[str] = frozenset()
    vocabulary: frozenset[str] = frozenset()
    language: str = ""


def normal_form(text: str) -> str:
    """Text without what does not change a question: case, spacing, punctuation, Unicode forms.

    Quotation marks stay, and so does punctuation that is part of a word or a number. Of a text
    with code in it only the Unicode form and the spaces around it are normalised.
    """
    text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    if _CODE.search(text):
        return text.strip()
    made = _SPACES.sub(" ", _DROPPED.sub(" ", text.casefold())).strip()
    return made or text.strip()


def learn(texts: Iterable[str]) -> Lexicon:
    """Names, words and the main language of some texts as they were written."""
    capital, small, languages = Counter[str](), Counter[str](), Counter[str]()
    vocabulary = set[str]()
    for text in texts:
        words = [(match.group(), match.start()) for match in _WORD.finditer(text)]
        vocabulary.update(word.casefold() for word, _ in words)
        languages[_latin(text.casefold().split())] += 1
        inside = [word for word, at in words if not _STARTS.search(text[:at][-8:])]
        raised = [word for word in inside if word[0].isupper()]
        if 2 * len(raised) > len(inside) > 2:  # noqa: PLR2004 - a headline, or shouting
            continue
        capital.update(word.casefold() for word in raised if len(word) > 1)
        small.update(word for word in inside if word[0].islower())
    names = frozenset(word for word, count in capital.items() if count > small[word])
    del languages[""]
    main = min(languages, key=lambda name: (-languages[name], name), default="")
    return Lexicon(names, frozenset(vocabulary), main)


def slots(normal: str, lexicon: Lexicon) -> Slots:
    """The slots of a text in its normal form."""
    things, polarity = list[str](), list[str]()
    pieces = [match.group() for match in _PIECE.finditer(normal)]
    for piece in pieces:
        found, turns = _read(piece, lexicon)
        things += found
        if turns:
            polarity.append(piece)
    polarity += _CJK_NEGATION.findall(normal)
    script = _script(normal)
    language = _latin(pieces) or lexicon.language if script == "LATIN" else script
    lead = pieces[0] if pieces and pieces[0] in load_words().leads else ""
    return Slots(tuple(things), tuple(sorted(polarity)), language, lead, len(pieces))


def conflict(one: Slots, other: Slots) -> bool:
    """Whether two answers contradict each other in a slot.

    Short answers must have the same slots. A long one may say more than the other, so both
    must hold something that the other lacks.
    """
    if one.language != other.language and one.language and other.language:
        return True
    if one.lead and other.lead and one.lead != other.lead:
        return True
    if max(one.words, other.words) <= _SHORT_WORDS:
        return sorted(one.things) != sorted(other.things) or one.polarity != other.polarity
    mine, yours = set(one.things), set(other.things)
    return bool(mine - yours) and bool(yours - mine)


@lru_cache(maxsize=1 << 16)
def _read(piece: str, lexicon: Lexicon) -> tuple[Sequence[str], bool]:
    """The slots in a piece of text, and whether it turns the question into another."""
    found = (piece,) if piece[0] == '"' else _things(piece, lexicon)
    return found, not found and _turns(piece, lexicon)


def _things(piece: str, lexicon: Lexicon) -> Sequence[str]:
    """The slots in a word: at most a number and its unit."""
    things = load_words().things
    if piece in things:
        return (things[piece],)
    if currency := _CURRENCY.fullmatch(piece):
        return (*_things(currency[2], lexicon), things[currency[1]])
    if any(map(str.isdigit, piece)):
        return _numeric(piece)
    is_id = any(sign in piece for sign in "@/#_+\\") or "." in piece[1:-1]
    return (piece,) if is_id or piece.removesuffix("'s") in lexicon.names else ()


def _numeric(piece: str) -> Sequence[str]:
    if number := _NUMBER.fullmatch(piece):
        return (_plain(number[1], number[2]), *(("%",) if number[3] else ()))
    if (measured := _MEASURED.fullmatch(piece)) and measured[2] in load_words().things:
        return (*_numeric(measured[1]), load_words().things[measured[2]])
    return (piece,)


def _plain(sign: str, digits: str) -> str:
    whole, _, part = digits.replace(",", "").partition(".")
    part = part.rstrip("0")
    return f"{sign.replace('+', '')}{whole}{'.' if part else ''}{part}"


def _turns(word: str, lexicon: Lexicon) -> bool:
    """Whether a word turns a question into another: a negation, or one of two opposites."""
    words = load_words()
    if word in words.negations or word in words.poles or word.endswith("n't"):
        return True
    return word.startswith(words.negative_prefixes) and any(
        word.startswith(prefix)
        and len(stem := word.removeprefix(prefix).lstrip("-")) >= _SHORTEST_STEM
        and stem in lexicon.vocabulary
        for prefix in words.negative_prefixes
    )


def _latin(words: Sequence[str]) -> str:
    """The language whose commonest words a text has most of; empty where that is no majority."""
    languages = load_words().languages
    found = Counter(name for word in words if word in languages for name in languages[word])
    best = found.most_common(2)
    decided = len(best) == 1 or (len(best) > 1 and best[0][1] > best[1][1])
    return best[0][0] if decided else ""


def _script(text: str) -> str:
    letters = Counter(map(_script_of, filter(str.isalpha, text)))
    return min(letters, key=lambda name: (-letters[name], name), default="LATIN")


@lru_cache(maxsize=4096)
def _script_of(letter: str) -> str:
    return unicodedata.name(letter, "OTHER").partition(" ")[0]
