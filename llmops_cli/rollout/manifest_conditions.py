"""What a condition of Argo or a range of Flagger says of errors: a rate above which a check fails.

Percent and shares are told apart by their size: an error rate of 1 or more, and a success rate
above 1, can only be percent.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Limit", "limit_of_condition", "limit_of_range"]

_NUMBER = r"\d+(?:\.\d+)?|\.\d+"
_RESULT = r"result(?:\[0\])?"
# The guards that Argo's documentation recommends: of the length, of NaN, and a default.
_CONDITION = re.compile(
    rf"^\s*(?:(?:len\(result\)\s*[=!<>]=?\s*\d+|!?\s*isNaN\({_RESULT}\))\s*(?P<joint>&&|\|\|)\s*)?"
    rf"(?:{_RESULT}|default\(\s*{_RESULT}\s*,\s*(?P<instead>{_NUMBER})\s*\))"
    rf"\s*(?P<sign>[<>]=?)\s*(?P<value>{_NUMBER})\s*$"
)
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_GOOD = ("success", "availab")
_BAD = ("error", "fail")
_DIFFERENCE = "harm-"
"""Begins the metrics of our own exports: how much worse than the other version, not a rate."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Of one metric of errors.

    Attributes:
        bound: error rate above which a check fails.
        empty_fails: whether a check of no requests fails.
    """

    bound: float
    empty_fails: bool


def limit_of_condition(name: str, success: str, failure: str) -> Limit | None:
    """The limit in Argo's conditions; None where they are no bound of an error or success rate.

    Without a guard a query without a result is an error, and errors are forgiven.
    """
    for text, fails in ((failure, True), (success, False)):
        found = _CONDITION.match(text)
        if not found:
            continue
        above = found["sign"].startswith(">") is fails
        value = float(found["value"])
        bound = _error_bound(name, None if above else value, value if above else None)
        return None if bound is None else Limit(bound, _without_result(found, value) is fails)
    return None


def limit_of_range(name: str, least: float | None, most: float | None) -> Limit | None:
    """The limit in Flagger's range; None where it bounds no error or success rate."""
    bound = _error_bound(name, least, most)
    return None if bound is None else Limit(bound, empty_fails=True)


def _without_result(found: re.Match[str], value: float) -> bool | None:
    """What the condition is where there is no result; None where that is an error."""
    if found["joint"]:
        return found["joint"] == "||"
    if found["instead"]:
        return _SIGNS[found["sign"]](float(found["instead"]), value)
    return None


def _error_bound(name: str, least: float | None, most: float | None) -> float | None:
    words = name.lower()
    if words.startswith(_DIFFERENCE):
        return None
    if any(word in words for word in _GOOD):
        return None if least is None else 1 - (least / 100 if least > 1 else least)
    if any(word in words for word in _BAD):
        return None if most is None else (most / 100 if most >= 1 else most)
    return None
