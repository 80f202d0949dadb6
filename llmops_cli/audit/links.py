"""How rules look at rows that belong together: parents, duplicates, evaluations, span names."""

import numpy as np
import numpy.typing as npt

from llmops_cli.audit.checks import Case, Check, Found
from llmops_cli.audit.subjects import NEVER, UNKNOWN, Mask, Subjects

__all__ = ["LINK_CHECKS"]

_NONE = -1
_SKEW_US = 1_000
"""A millisecond: less is the resolution of clocks, not their disagreement."""
_DEPTH = 64
_FEW_NAMES = 20
_MANY_NAMES = 1_000
_SPANS_PER_NAME = 20

Integers = npt.NDArray[np.int64]


def _spans(rows: Subjects) -> Mask:
    return rows.of_span & ~rows.kind.among("evaluation", "event")


def _row_of(wanted: Integers, ids: Integers, allowed: Mask) -> Integers:
    """For each wanted id the first allowed row that has it, or -1."""
    places = np.flatnonzero(allowed & (ids != _NONE))
    if not len(places):
        return np.full(len(wanted), _NONE)
    order = places[np.argsort(ids[places], kind="stable")]
    at = np.minimum(np.searchsorted(ids[order], wanted), len(order) - 1)
    return np.where((ids[order[at]] == wanted) & (wanted != _NONE), order[at], _NONE)


def _parents(rows: Subjects) -> Integers:
    found = _row_of(rows.ids["parent"], rows.ids["span"], _spans(rows))
    found[found == np.arange(len(found))] = _NONE
    return found


def _later(ids: Integers, among: Mask) -> Mask:
    """Rows whose id an earlier row has already."""
    places = np.flatnonzero(among & (ids != _NONE))
    order = places[np.argsort(ids[places], kind="stable")]
    found = np.zeros(len(ids), bool)
    found[order[1:][ids[order[1:]] == ids[order[:-1]]]] = True
    return found


def _parent_missing(case: Case) -> Found:
    applies = case.base & (case.rows.ids["parent"] != _NONE)
    return Found(applies, applies & (_parents(case.rows) == _NONE))


def _second_root(case: Case) -> Found:
    roots = _spans(case.rows) & (case.rows.ids["parent"] == _NONE)
    return Found(case.base, case.base & _later(case.rows.ids["trace"], roots) & roots)


def _clock_skew(case: Case) -> Found:
    parent, start = _parents(case.rows), case.rows.numbers["start"]
    applies = case.base & (parent != _NONE) & (start != NEVER) & (start[parent] != NEVER)
    return Found(applies, applies & (start < start[parent] - _SKEW_US))


def _duplicate(case: Case) -> Found:
    return Found(case.base, case.base & _later(case.rows.ids["span"], _spans(case.rows)))


def _repeated_usage(case: Case) -> Found:
    rows = case.rows
    counted = case.base & (rows.numbers["input"] != UNKNOWN)
    parent = _parents(rows)
    broken = np.zeros(len(rows), bool)
    above = parent[counted]
    for _ in range(_DEPTH):
        above = np.unique(above[above != _NONE])
        if not len(above):
            break
        broken[above] = True
        above = parent[above]
    return Found(counted, broken & counted)


def _unlinked(case: Case) -> Found:
    ids = case.rows.ids
    return Found(case.base, case.base & (ids["span"] == _NONE) & (ids["response"] == _NONE))


def _evaluation_target(case: Case) -> Found:
    ids, rows = case.rows.ids, case.rows
    answered = _row_of(ids["response"], ids["response"], rows.kind.among("inference"))
    judged = rows.of_span & ~rows.kind.among("evaluation", "event", "other")
    inside = _row_of(ids["span"], ids["span"], judged)
    applies = case.base & ((ids["span"] != _NONE) | (ids["response"] != _NONE))
    return Found(applies, applies & (answered == _NONE) & (inside == _NONE))


def _unbounded_name(case: Case) -> Found:
    """Of one library and kind: too many names, and hardly any used again."""
    coded, base = case.rows.coded, case.base
    library, kind = coded["scope_name"], case.rows.kind
    group = (library.codes.astype(np.int64) + 1) * len(kind.words) + kind.codes
    models = coded["request_model"].codes
    broken = np.zeros(len(base), bool)
    for one in np.unique(group[base]):
        rows = base & (group == one)
        spans, names = int(rows.sum()), len(np.unique(coded["name"].codes[rows]))
        few = _FEW_NAMES + 2 * len(np.unique(models[rows]))
        if names > few and (names > _MANY_NAMES or spans < _SPANS_PER_NAME * names):
            broken |= rows
    return Found(base, broken)


LINK_CHECKS: dict[str, Check] = {
    "clock-skew": _clock_skew,
    "duplicate": _duplicate,
    "evaluation-target": _evaluation_target,
    "parent-missing": _parent_missing,
    "repeated-usage": _repeated_usage,
    "second-root": _second_root,
    "unbounded-name": _unbounded_name,
    "unlinked": _unlinked,
}
"""Every check of rows that belong together, by the name that rules use."""
