"""What the verdicts of a file are: yes and no, ordered tiers, or which of two answers wins.

A value is a label only as its file spells it everywhere: a spelling that one column alone has is
a mistake, one that verdicts and truths share is a class.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from llmops_cli.errors import LlmopsError

__all__ = ["LABELS", "NOTHING", "PAIR", "LabelSet", "label_set", "spelled"]

Kind = Literal["binary", "tiers", "pairwise"]

NOTHING = frozenset(("", "null", "none", "nan", "na", "n/a", "<na>", "unparsable"))
"""Spellings of no label: not labelled, or a judge that abstained or could not be read."""

_YES = ("1", "1.0", "true", "t", "yes", "y", "accept", "pass", "correct")
_NO = ("0", "0.0", "false", "f", "no", "n", "reject", "fail", "incorrect", "escalate")

LABELS: Mapping[str, int] = {
    **dict.fromkeys(_YES, 1),
    **dict.fromkeys(_NO, 0),
    **dict.fromkeys(sorted(NOTHING), 2),
}
"""Spellings of yes and no, in lower case; 2 is no label."""

_FIRST = ("a", "model_a", "answer_a", "a>b", "a>>b", "[[a]]")
_SECOND = ("b", "model_b", "answer_b", "b>a", "b>>a", "[[b]]")
_TIE = ("tie", "draw", "equal", "a=b", "[[c]]")

PAIR: Mapping[str, int] = {
    **dict.fromkeys(_FIRST, 0),
    **dict.fromkeys(_SECOND, 1),
    **dict.fromkeys(_TIE, 2),
    **dict.fromkeys(sorted(NOTHING), 3),
}
"""Spellings of the winner of a pair, in lower case; 2 is a tie, 3 no label."""

_ORDERS = (
    ("nano", "mini", "small", "medium", "mid", "large", "xl"),
    ("low", "medium", "mid", "high"),
    ("weak", "mid", "strong"),
    ("cheap", "mid", "expensive"),
    ("simple", "easy", "medium", "hard", "complex"),
)

_MOST_TIERS = 50


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of a file and their codes.

    Attributes:
        kind: ``binary`` (1 the weak answer will do, 0 it will not), ``tiers`` (0 the cheapest,
            rising) or ``pairwise`` (0 answer A, 1 answer B, 2 a tie).
        names: the labels in the order of their codes; the code after the last one is no label.
        codes: of every spelling, in lower case.
    """

    kind: Kind
    names: tuple[str, ...]
    codes: Mapping[str, int]

    @property
    def missing(self) -> int:
        """The code of no label."""
        return len(self.names)

    @property
    def expected(self) -> str:
        """What a label should have been, for a message."""
        if self.kind == "tiers":
            return f"one of {', '.join(self.names)} is expected"
        if self.kind == "pairwise":
            return "A, B or tie is expected"
        return "1/0, true/false, yes/no, accept/reject or pass/fail is expected"


BINARY = LabelSet("binary", ("no", "yes"), LABELS)
PAIRWISE = LabelSet("pairwise", ("A", "B", "tie"), PAIR)


def spelled(value: object) -> str:
    """A value as it is compared: without blanks around it, in lower case."""
    return "" if value is None else str(value).strip().lower()


def label_set(
    judge: Collection[str],
    gold: Collection[str],
    *,
    tiers: Sequence[str] = (),
    swapped: bool = False,
    file: str = "",
) -> LabelSet:
    """Tell from the spellings in both columns what kind of verdicts they are.

    Args:
        judge: the distinct spellings of verdicts, as :func:`spelled`.
        gold: those of truths.
        tiers: the tiers, cheapest first, where the caller names them.
        swapped: whether there are verdicts on swapped pairs.
        file: for the error.

    Raises:
        LlmopsError: ``decisions-unordered-tiers`` where both columns hold classes whose order
            nothing tells.
    """
    if tiers:
        return _tiers(tuple(name.strip() for name in tiers))
    said = (set(judge) | set(gold)) - NOTHING
    if said and (swapped or not said & set(LABELS)) and said & set(PAIR):
        return PAIRWISE
    shared = {_whole(word) for word in judge} & {_whole(word) for word in gold}
    shared -= set(LABELS)
    if not shared:
        return BINARY
    ordered = _ordered(said, shared)
    if ordered is None:
        shown = ", ".join(sorted(shared)[:6])
        raise LlmopsError(
            "decisions-unordered-tiers",
            f"verdicts and truths are classes ({shown}), and nothing tells their order",
            hint="name them, cheapest first: --tiers small,medium,large",
            file=file,
            field="judge",
        )
    return _tiers(ordered)


def _tiers(names: tuple[str, ...]) -> LabelSet:
    codes = {name.lower(): code for code, name in enumerate(names)}
    decimals = {f"{name}.0": code for name, code in codes.items() if name.isdigit()}
    return LabelSet("tiers", names, {**dict.fromkeys(NOTHING, len(names)), **decimals, **codes})


def _whole(word: str) -> str:
    # A column of whole numbers with gaps comes out of data frames as 1.0, 2.0.
    return word[:-2] if word.endswith(".0") and word[:-2].isdigit() else word


def _ordered(said: set[str], shared: set[str]) -> tuple[str, ...] | None:
    whole = {_whole(word) for word in said}
    if all(word.isdigit() for word in shared):
        numbers = {int(text) for text in whole if text.isdigit()}
        return tuple(map(str, sorted(numbers))) if len(numbers) <= _MOST_TIERS else None
    for order in _ORDERS:
        if shared <= set(order):
            return tuple(word for word in order if word in said)
    return None
