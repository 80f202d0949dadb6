"""What a condition of Argo or a range of Flagger says of errors: a rate above which a check fails.

Of the metrics of our own exports: a harm to errors, quality or latency above which it does.

Percent and shares are told apart by their size: an error rate of 1 or more, and a success rate
above 1, can only be percent.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from llmops_cli.rollout.model import ERRORS, LATENCY, QUALITY

__all__ = ["Limit", "least_requests", "limit_of_condition", "limit_of_range"]

_GUARDED = (QUALITY, LATENCY, ERRORS)

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

_LEAST = re.compile(r"^and .*>= (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Limit:
    """Of one metric.

    Attributes:
        bound: error rate, or harm, above which a check fails.
        empty_fails: whether a check of no requests fails.
        empty_pauses: whether it pauses instead.
        empty_errs: whether it is an error instead: nothing says what stands for no result.
        pauses_above: what a check that does not fail may not exceed without a pause.
        guardrail: errors, or what a harm of our own exports is done to.
        difference: whether it is a harm, and no rate.
    """

    bound: float
    empty_fails: bool
    empty_pauses: bool = False
    empty_errs: bool = False
    pauses_above: float | None = None
    guardrail: str = ERRORS
    difference: bool = False


def limit_of_condition(name: str, success: str, failure: str) -> Limit | None:
    """The limit in Argo's conditions; None where they are no bound of an error or success rate.

    Without a guard a query without a result is an error. What meets neither of two conditions is
    inconclusive, and pauses.
    """
    failing, passing = (_read(name, *it) for it in ((failure, True), (success, False)))
    found = failing or passing
    if found is None:
        return None
    errs = any(item is not None and item.on_empty is None for item in (failing, passing))
    fails = found.on_empty is found.fails and not errs
    limit = Limit(found.bound, fails, empty_errs=errs, **_kind(name))
    if failing is None or passing is None:
        return limit
    pauses = failing.on_empty is False and passing.on_empty is False
    return replace(limit, empty_pauses=pauses, pauses_above=passing.bound)


@dataclass(frozen=True, slots=True)
class _Condition:
    bound: float
    fails: bool
    on_empty: bool | None


def _read(name: str, text: str, fails: bool) -> _Condition | None:  # noqa: FBT001 - of one of two
    found = _CONDITION.match(text)
    if not found:
        return None
    above = found["sign"].startswith(">") is fails
    value = float(found["value"])
    bound = _bound(name, None if above else value, value if above else None)
    return None if bound is None else _Condition(bound, fails, _without_result(found, value))


def limit_of_range(name: str, least: float | None, most: float | None) -> Limit | None:
    """The limit in Flagger's range; None where it bounds no error or success rate."""
    bound = _bound(name, least, most)
    return None if bound is None else Limit(bound, empty_fails=True, **_kind(name))


def least_requests(name: str, query: str) -> int:
    """Requests on the new version below which a query of our own exports answers nothing."""
    found = _LEAST.search(query) if name.startswith(_DIFFERENCE) else None
    return int(found[1]) if found else 1


def _kind(name: str) -> dict[str, Any]:
    if not name.startswith(_DIFFERENCE):
        return {}
    return {"guardrail": name.removeprefix(_DIFFERENCE), "difference": True}


def _without_result(found: re.Match[str], value: float) -> bool | None:
    """What the condition is where there is no result; None where that is an error."""
    if found["joint"]:
        return found["joint"] == "||"
    if found["instead"]:
        return _SIGNS[found["sign"]](float(found["instead"]), value)
    return None


def _bound(name: str, least: float | None, most: float | None) -> float | None:
    words = name.lower()
    if words.startswith(_DIFFERENCE):
        return most if name.removeprefix(_DIFFERENCE) in _GUARDED else None
    if any(word in words for word in _GOOD):
        return None if least is None else 1 - (least / 100 if least > 1 else least)
    if any(word in words for word in _BAD):
        return None if most is None else (most / 100 if most >= 1 else most)
    return None
