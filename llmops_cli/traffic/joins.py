"""Which staged row belongs to which: the joins as index arrays over the rows of one home.

Nothing here looks at a table; keys come in, a plan of corrections goes out.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from llmops_cli.traffic.keys import NEVER, Codes, Keys, mixed
from llmops_cli.traffic.nesting import NONE, Mask, Nesting, Rows, acyclic, call_around, nesting
from llmops_cli.traffic.retries import Retries, retries
from llmops_cli.traffic.table import Role

__all__ = ["Plan", "plan"]

_SKEW_US = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What to do with each row; index arrays name rows, -1 none.

    Attributes:
        keep: calls that stay.
        parent: row of the parent span.
        attempts: logged requests per call.
        first: row of the first attempt of each call.
        judged: pairs of every evaluation that has a score and the call of its span, or -1.
        contents: pairs of content and call, in the order of the prompt.
        requests: pairs of request half and call.
        counts: how often each thing worth saying was found, by slug.
    """

    keep: Mask
    parent: Rows
    attempts: npt.NDArray[np.int32]
    first: Rows
    judged: npt.NDArray[np.int64]
    contents: npt.NDArray[np.int64]
    requests: npt.NDArray[np.int64]
    counts: dict[str, int] = field(default_factory=dict[str, int])


def plan(keys: Keys) -> Plan:
    """Work out every join among rows by their keys."""
    counts = dict[str, int]()
    call = keys.role == Role.CALL
    spans = call | (keys.role == Role.CONTEXT)
    again = _repeated_spans(keys, spans)
    _count(counts, "duplicate-span", again)
    spans &= ~again
    repeated = _repeated_messages(keys, call & spans)
    _count(counts, "repeated-message", repeated)
    keep = call & spans & ~repeated
    parent = _parents(keys, spans, counts)
    contents = _contents(keys, keep, again, counts)
    around = call_around(parent, keep)
    nested = nesting(keys, around, keep)
    _count(counts, "repeated-by-parent", nested.wrapper)
    _count(counts, "repeated-by-child", nested.swallowed & ~keys.failed)
    keep &= ~nested.wrapper & ~nested.swallowed
    tried = retries(keys, around, keep, _asked(keys, contents))
    keep &= tried.follower == NONE
    attempts = np.where(keep, tried.attempts + nested.failed_inside, 0).astype(np.int32)
    grouped = int(attempts.sum()) - int(keep.sum())
    if grouped:
        counts["retries-grouped"] = grouped
    return Plan(
        keep=keep,
        parent=parent,
        attempts=attempts,
        first=tried.first,
        judged=_judged(keys, parent, keep, _stand_in(keys, nested, tried)),
        contents=contents[keep[contents[:, 1]]],
        requests=_requests(keys, keep, counts),
        counts=counts,
    )


def _count(counts: dict[str, int], slug: str, mask: Mask) -> None:
    if mask.any():
        counts[slug] = int(mask.sum())


def _repeated(values: Codes, best_first: Rows, total: int) -> Mask:
    """Rows whose value an earlier one of ``best_first`` has already."""
    order = best_first[np.argsort(values[best_first], kind="stable")]
    same = values[order[1:]] == values[order[:-1]]
    found = np.zeros(total, bool)
    found[order[1:][same]] = True
    return found


def _repeated_spans(keys: Keys, spans: Mask) -> Mask:
    """Every row of a span but its fullest: the call with the most output, the longest, the first.

    Some exporters write a span when it begins and once more when it ends.
    """
    rows = np.flatnonzero((keys.span != 0) & spans)
    context = keys.role[rows] != Role.CALL
    order = np.lexsort((rows, ~keys.end[rows], ~keys.output[rows], ~keys.counted[rows], context))
    return _repeated(keys.span, rows[order], len(keys))


def _repeated_messages(keys: Keys, calls: Mask) -> Mask:
    """Every line of a message but the one with the most output, the last of equals."""
    rows = np.flatnonzero((keys.joined != 0) & ~keys.half & calls)
    order = np.lexsort((-rows, -keys.output[rows], keys.joined[rows]))
    return _repeated(keys.joined, rows[order], len(keys))


def _index(values: Codes, rows: Rows, wanted: Codes) -> Rows:
    """For each wanted value the first of ``rows`` that has it, or -1."""
    if not len(rows):
        return np.full(len(wanted), NONE)
    order = rows[np.argsort(values[rows], kind="stable")]
    at = np.minimum(np.searchsorted(values[order], wanted), len(order) - 1)
    return np.where((values[order[at]] == wanted) & (wanted != 0), order[at], NONE)


def _parents(keys: Keys, spans: Mask, counts: dict[str, int]) -> Rows:
    found = np.full(len(keys), NONE)
    rows = np.flatnonzero(keys.parent != 0)
    found[rows] = _index(keys.span, np.flatnonzero(spans & (keys.span != 0)), keys.parent[rows])
    _count(counts, "missing-parent", spans & (keys.parent != 0) & (found == NONE))
    parent = acyclic(found)
    _count(counts, "parent-cycle", spans & (parent != found))
    before = keys.start[parent]
    known = spans & (parent != NONE) & (keys.start != NEVER) & (before != NEVER)
    _count(counts, "clock-skew", known & (keys.start < before - _SKEW_US))
    return parent


def _contents(keys: Keys, keep: Mask, again: Mask, counts: dict[str, int]) -> npt.NDArray[np.int64]:
    """Pairs of content and call; a call that has its prompt itself needs none."""
    rows = np.flatnonzero(keys.role == Role.CONTENT)
    empty = np.flatnonzero(keep & (keys.span != 0) & (keys.prompt == 0))
    target = _index(keys.span, empty, keys.span[rows])
    lost = int((target == NONE).sum())
    if lost:
        counts["content-without-call"] = lost
    rows, target = rows[target != NONE], target[target != NONE]
    fresh = ~_content_again(keys, again, rows, target)
    rows, target = rows[fresh], target[fresh]
    order = np.lexsort((rows, keys.start[rows], target))
    return np.stack([rows[order], target[order]], axis=1)


def _content_again(keys: Keys, again: Mask, rows: Rows, target: Rows) -> Mask:
    """Content exported as often as its call was, word for word, counts once."""
    found = np.zeros(len(rows), bool)
    copies = Counter[int](keys.span[np.flatnonzero(again)].tolist())
    exported = np.array([copies[span] for span in keys.span[target].tolist()], np.int64)
    for call in np.unique(target[exported > 0]).tolist():
        at = np.flatnonzero(target == call)
        once, rest = divmod(len(at), 1 + copies[int(keys.span[call])])
        told = keys.prompt[rows[at]]
        if not rest and np.array_equal(told, np.resize(told[:once], len(told))):
            found[at[once:]] = True
    return found


def _asked(keys: Keys, contents: npt.NDArray[np.int64]) -> Codes:
    """What each call asked; 0 where no message of it is known."""
    found = np.where(keys.bare, np.uint64(0), keys.prompt)
    if len(contents):
        rows, calls = contents.T
        begin = np.flatnonzero(np.concatenate([[True], calls[1:] != calls[:-1]]))
        nth = np.arange(len(calls)) - np.repeat(begin, np.diff(np.append(begin, len(calls))))
        each = np.add.reduceat(mixed(keys.prompt[rows], nth.astype(np.uint64)), begin)
        bare = np.logical_and.reduceat(keys.bare[rows], begin)
        found[calls[begin]] = np.where(bare, np.uint64(0), each)
    return found


def _stand_in(keys: Keys, nested: Nesting, tried: Retries) -> Rows:
    """For each call the one that tells it now; itself for one that stays."""
    found = np.where(nested.stand_in != NONE, nested.stand_in, np.arange(len(keys)))
    found = np.where(tried.follower != NONE, tried.follower, found)
    while not np.array_equal(found, found[found]):
        found = found[found]
    return found


def _judged(keys: Keys, parent: Rows, keep: Mask, stand_in: Rows) -> npt.NDArray[np.int64]:
    rows = np.flatnonzero((keys.role == Role.EVALUATION) & keys.score)
    above = parent[rows]
    above = np.where(above != NONE, stand_in[above], NONE)
    return np.stack([rows, np.where((above != NONE) & keep[above], above, NONE)], axis=1)


def _requests(keys: Keys, keep: Mask, counts: dict[str, int]) -> npt.NDArray[np.int64]:
    """The k-th request of a key with the k-th result: batches may reuse their ids."""
    asked = np.flatnonzero(keys.role == Role.REQUEST)
    answered = np.flatnonzero(keep & keys.half)
    one, other = _nth(keys.joined, asked), _nth(keys.joined, answered)
    both = np.concatenate([one, other])
    target = _index(both, len(asked) + np.arange(len(answered)), one)
    matched = target != NONE
    if not matched.all():
        counts["request-without-result"] = int((~matched).sum())
    return np.stack([asked[matched], answered[target[matched] - len(asked)]], axis=1)


def _nth(values: Codes, rows: Rows) -> Codes:
    """Each value with the number of its occurrence among ``rows`` mixed in."""
    order = np.argsort(values[rows], kind="stable")
    ordered = values[rows][order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(ordered) else ordered == 0
    begin = np.maximum.accumulate(np.where(new, np.arange(len(ordered)), 0))
    found = np.empty(len(rows), np.uint64)
    nth = (np.arange(len(ordered)) - begin).astype(np.uint64)
    found[order] = mixed(ordered, nth)
    return found
