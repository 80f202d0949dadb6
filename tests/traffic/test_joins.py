"""The joins against an obviously right reading of their rules, row by row, on small random logs."""

from collections import Counter
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmops_cli.traffic.joins import Plan, plan
from llmops_cli.traffic.judged import targets
from llmops_cli.traffic.keys import NEVER, Keys
from llmops_cli.traffic.nesting import NONE
from llmops_cli.traffic.table import Role

SECOND = 1_000_000
MATCHED = (Role.CALL, Role.CONTEXT)


@dataclass(frozen=True)
class Row:
    """One staged row; 0 and None stand for what it does not say."""

    role: int = Role.CALL
    trace: int = 1
    span: int = 0
    parent: int = 0
    joined: int = 0
    half: bool = False
    answer: int = 0
    conversation: int = 0
    prompt: int = 0
    bare: bool = False
    model: int = 1
    start: int | None = 0
    lasts: int = 1
    output: int = 0
    failed: bool = False
    hopeless: bool = False
    counted: bool = False
    embeds: bool = False
    score: bool = False


def keys_of(rows: list[Row]) -> Keys:
    types = {field.name: field.type for field in fields(Keys)}
    start = [NEVER if row.start is None else row.start * SECOND for row in rows]
    lasts = [row.lasts * SECOND for row in rows]
    columns: dict[str, Any] = {
        name: np.array([getattr(row, name, 0) for row in rows])
        for name in types
        if name not in {"start", "end", "span", "parent"}
    }
    columns |= {
        "span": np.array([100 * row.trace + row.span if row.span else 0 for row in rows]),
        "parent": np.array([100 * row.trace + row.parent if row.parent else 0 for row in rows]),
        "start": np.array(start, np.int64),
        "end": np.array(
            [NEVER if s == NEVER else s + d for s, d in zip(start, lasts, strict=True)], np.int64
        ),
    }
    kinds = {"half": bool, "bare": bool, "failed": bool, "hopeless": bool, "counted": bool,
             "embeds": bool, "score": bool, "role": np.uint8,
             "start": np.int64, "end": np.int64, "output": np.int64}  # fmt: skip
    return Keys(**{name: columns[name].astype(kinds.get(name, np.uint64)) for name in types})


class Joined:
    """Every rule of the joins as a sentence over rows, without a thought for speed."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.numbers = range(len(rows))
        self.counts = Counter[str]()
        self.again = {n for n in self.numbers if self.fuller(n)}
        self.alive = {n for n in self.numbers if rows[n].role in MATCHED} - self.again
        repeated = {n for n in self.alive if rows[n].role == Role.CALL and self.told_better(n)}
        self.calls = {n for n in self.alive if rows[n].role == Role.CALL} - repeated
        raw = {n: self.named_parent(n) for n in self.numbers}
        self.parent = {n: above if self.ends(n, raw) else None for n, above in raw.items()}
        self.count("duplicate-span", self.again)
        self.count("repeated-message", repeated)
        self.count("missing-parent", {n for n in self.alive if rows[n].parent and raw[n] is None})
        self.count("parent-cycle", {n for n in self.alive if raw[n] != self.parent[n]})
        self.count("clock-skew", {n for n in self.alive if self.skewed(n)})
        self.contents = self.content_pairs()
        self.all_calls = set(self.calls)
        self.around = {n: self.call_above(n) for n in self.calls}
        self.nest()
        self.retry()
        self.evaluate()

    def count(self, slug: str, found: set[int]) -> None:
        if found:
            self.counts[slug] = len(found)

    def fuller(self, n: int) -> bool:
        """Whether another row of the same span says more, or as much earlier."""
        row = self.rows[n]
        if row.role not in MATCHED or not row.span:
            return False
        same = [
            m
            for m in self.numbers
            if self.rows[m].role in MATCHED
            and (self.rows[m].trace, self.rows[m].span) == (row.trace, row.span)
        ]
        return n != min(same, key=self.emptiness)

    def emptiness(self, n: int) -> tuple[Any, ...]:
        row = self.rows[n]
        end = NEVER if row.start is None else (row.start + row.lasts) * SECOND
        return (row.role != Role.CALL, not row.counted, -row.output, -end, n)

    def told_better(self, n: int) -> bool:
        row = self.rows[n]
        if not row.joined or row.half:
            return False
        same = [
            m
            for m in self.alive
            if self.rows[m].role == Role.CALL
            and self.rows[m].joined == row.joined
            and not self.rows[m].half
        ]
        return n != max(same, key=lambda m: (self.rows[m].output, m))

    def named_parent(self, n: int) -> int | None:
        row = self.rows[n]
        if not row.parent:
            return None
        return next(
            (
                m
                for m in sorted(self.alive)
                if (self.rows[m].trace, self.rows[m].span) == (row.trace, row.parent)
            ),
            None,
        )

    def ends(self, n: int, raw: dict[int, int | None]) -> bool:
        at: int | None = n
        for _ in range(len(self.rows) + 1):
            if at is None:
                return True
            at = raw[at]
        return False

    def skewed(self, n: int) -> bool:
        above = self.parent[n]
        if above is None:
            return False
        one, other = self.rows[n].start, self.rows[above].start
        return one is not None and other is not None and one < other

    def content_pairs(self) -> list[tuple[int, int]]:
        found = list[tuple[int, int]]()
        lost = 0
        per_call: dict[int, list[int]] = {}
        for n in self.numbers:
            row = self.rows[n]
            if row.role != Role.CONTENT:
                continue
            of = [
                m
                for m in sorted(self.calls)
                if row.span
                and (self.rows[m].trace, self.rows[m].span) == (row.trace, row.span)
                and not self.rows[m].prompt
            ]
            if of:
                per_call.setdefault(of[0], []).append(n)
            else:
                lost += 1
        if lost:
            self.counts["content-without-call"] = lost
        for call, given_rows in sorted(per_call.items()):
            once = self.only_once(call, given_rows)
            in_time = sorted(once, key=lambda n: (self.begun(n), n))
            found += [(n, call) for n in in_time]
        return found

    def only_once(self, call: int, given_rows: list[int]) -> list[int]:
        row = self.rows[call]
        copies = 1 + sum(
            (self.rows[m].trace, self.rows[m].span) == (row.trace, row.span) for m in self.again
        )
        said = [self.rows[n].prompt for n in given_rows]
        length = len(given_rows) // copies
        if copies > 1 and said == said[:length] * copies:
            return given_rows[:length]
        return given_rows

    def begun(self, n: int) -> int:
        start = self.rows[n].start
        return NEVER if start is None else start

    def call_above(self, n: int) -> int | None:
        at = self.parent[n]
        while at is not None and at not in self.calls:
            at = self.parent[at]
        return at

    def linked(self, n: int) -> int | None:
        """The call around, if it does the same kind of thing."""
        above = self.around[n]
        same = above is not None and self.rows[above].embeds == self.rows[n].embeds
        return above if same else None

    def inside(self, n: int) -> set[int]:
        below = {m for m in self.calls if self.linked(m) == n}
        return below | {deeper for m in below for deeper in self.inside(m)}

    def nest(self) -> None:
        rows = self.rows
        wrappers = set[int]()
        for n in self.calls:
            inner = self.inside(n)
            counted = any(rows[m].counted for m in inner)
            answered = any(not rows[m].counted and not rows[m].failed for m in inner)
            failed = any(not rows[m].counted and rows[m].failed for m in inner)
            if counted or (answered and not rows[n].counted) or (failed and rows[n].failed):
                wrappers.add(n)
        self.stand_in = dict[int, int]()
        self.failed_inside = Counter[int]()
        swallowed = set[int]()
        for n in self.calls - wrappers:
            tops = [m for m in self.calls - wrappers if n in self.inside(m)]
            if tops:
                # The outermost: the one that no other is around.
                top = next(m for m in tops if not any(m in self.inside(other) for other in tops))
                swallowed.add(n)
                self.stand_in[n] = top
                self.failed_inside[top] += rows[n].failed
        for n in wrappers:
            below = [m for m in self.calls if self.linked(m) == n]
            self.stand_in[n] = max(below, key=lambda m: (rows[m].counted, self.begun(m), m))
        self.count("repeated-by-parent", wrappers)
        self.count("repeated-by-child", {n for n in swallowed if not rows[n].failed})
        self.calls -= wrappers | swallowed

    def asked(self, n: int) -> tuple[Any, ...] | None:
        own = [m for m, call in self.contents if call == n]
        if own:
            said = tuple(self.rows[m].prompt for m in own)
            return None if all(self.rows[m].bare for m in own) else ("content", *said)
        row = self.rows[n]
        return None if row.bare or not row.prompt else ("prompt", row.prompt)

    def place(self, n: int) -> tuple[Any, ...] | None:
        row, above = self.rows[n], self.around[n]
        if above is not None and self.rows[above].span:
            return ("span", row.trace, self.rows[above].span)
        if row.parent and above is None:
            return ("span", row.trace, row.parent)
        return ("trace", row.trace) if row.trace else None

    def same(self, n: int) -> tuple[Any, ...]:
        row, asked = self.rows[n], self.asked(n)
        unseen = "router" if self.around[n] is not None else row.model
        return (self.place(n), asked or unseen, row.conversation, row.embeds)

    def retry(self) -> None:
        rows = self.rows
        self.attempts = dict.fromkeys(self.calls, 1)
        self.first = {n: n for n in self.calls}
        timed = [n for n in self.calls if rows[n].start is not None and self.place(n)]
        timed.sort(key=lambda n: (self.begun(n), n))
        for at, n in enumerate(timed):
            later = [m for m in timed[at + 1 :] if self.same(m) == self.same(n)]
            if not rows[n].failed or not later:
                continue
            waited = self.begun(later[0]) - self.begun(n) - rows[n].lasts
            seen = self.asked(n) is not None or self.around[n] is not None
            if 0 <= waited <= (120 if seen else 60) and (seen or not rows[n].hopeless):
                self.attempts[later[0]] += self.attempts[n]
                self.first[later[0]] = self.first[n]
                self.stand_in[n] = later[0]
                self.calls.discard(n)
        self.attempts = {n: self.attempts[n] + self.failed_inside[n] for n in self.calls}
        grouped = sum(self.attempts.values()) - len(self.calls)
        if grouped:
            self.counts["retries-grouped"] = grouped

    def evaluate(self) -> None:
        self.evaluations = set[tuple[int, int]]()
        for n in self.numbers:
            row = self.rows[n]
            if row.role != Role.EVALUATION or not row.score:
                continue
            answered = [
                m for m in sorted(self.calls) if row.answer and self.rows[m].answer == row.answer
            ]
            above = self.parent[n]
            while above in self.stand_in and above not in self.calls:
                above = self.stand_in[above]
            if answered:
                self.evaluations.add((n, answered[0]))
            elif above in self.calls and above is not None:
                self.evaluations.add((n, above))

    def requests(self) -> set[tuple[int, int]]:
        found = set[tuple[int, int]]()
        for joined in {row.joined for row in self.rows if row.joined}:
            asked = [n for n in self.numbers if self.of(n, Role.REQUEST, joined)]
            answered = [n for n in sorted(self.calls) if self.of(n, Role.CALL, joined)]
            found |= set(zip(asked, answered, strict=False))
        return found

    def of(self, n: int, role: int, joined: int) -> bool:
        row = self.rows[n]
        return row.role == role and row.joined == joined and row.half


times = st.none() | st.sampled_from([0, 1, 2, 5, 40, 70, 110, 130, 300])


@st.composite
def any_row(draw: st.DrawFn) -> Row:
    role = draw(st.sampled_from([Role.CALL] * 5 + list(Role)))
    half = role == Role.REQUEST or draw(st.integers(0, 9)) == 0
    failed = role == Role.CALL and draw(st.booleans())
    prompt = 0 if half else draw(st.sampled_from([0, 0, 1, 2]))
    if role == Role.CONTENT:
        prompt = draw(st.integers(1, 2))
    return Row(
        role=role,
        trace=draw(st.sampled_from([0, 1, 1, 1, 2])),
        span=draw(st.integers(0, 6)),
        parent=draw(st.sampled_from([0, 1, 2, 3, 6])) if role != Role.CONTENT else 0,
        joined=draw(st.integers(0, 2)) if half or draw(st.integers(0, 4)) == 0 else 0,
        half=half,
        answer=draw(st.integers(0, 3)),
        conversation=draw(st.sampled_from([0, 0, 1])),
        prompt=prompt,
        bare=draw(st.booleans()) if prompt else True,
        model=draw(st.integers(1, 2)),
        start=draw(times),
        lasts=draw(st.sampled_from([0, 1, 30])),
        output=draw(st.integers(0, 2)),
        failed=failed,
        hopeless=failed and draw(st.booleans()),
        counted=role == Role.CALL and draw(st.booleans()),
        embeds=draw(st.integers(0, 5)) == 0,
        score=role == Role.EVALUATION and draw(st.booleans()),
    )


@st.composite
def one_place(draw: st.DrawFn) -> list[Row]:
    """Calls one after the other in one place: what is a repetition of what?"""
    return [
        Row(
            conversation=draw(st.integers(0, 1)),
            prompt=draw(st.integers(0, 1)),
            bare=draw(st.booleans()),
            start=draw(st.sampled_from([0, 1, 31, 55, 61, 90, 110, 121, 150, 200])),
            lasts=draw(st.sampled_from([0, 1, 30])),
            failed=draw(st.booleans()),
            hopeless=draw(st.booleans()),
            counted=draw(st.booleans()),
        )
        for _ in range(draw(st.integers(2, 5)))
    ]


@st.composite
def one_tree(draw: st.DrawFn) -> list[Row]:
    """Spans inside each other, and evaluations of any of them: what tells the same call?"""
    size = draw(st.integers(2, 7))
    spans = [
        Row(
            role=draw(st.sampled_from([Role.CALL, Role.CALL, Role.CALL, Role.CONTEXT])),
            span=n + 1,
            parent=draw(st.integers(0, n)),
            start=draw(st.sampled_from([0, 1, 2, 5])),
            failed=draw(st.booleans()),
            counted=draw(st.booleans()),
            embeds=draw(st.integers(0, 5)) == 0,
        )
        for n in range(size)
    ]
    judged = [Row(role=Role.EVALUATION, parent=n + 1, score=True) for n in range(size)]
    return draw(st.permutations([*spans, *judged]))


@st.composite
def one_prompt(draw: st.DrawFn) -> list[Row]:
    """Calls whose content was logged apart, some of it exported twice with its call."""
    rows = list[Row]()
    for span in (1, 2):
        call = Row(span=span, start=4 * span, failed=draw(st.booleans()), bare=True)
        said = [
            Row(
                role=Role.CONTENT,
                span=span,
                prompt=draw(st.integers(1, 2)),
                bare=draw(st.booleans()),
                start=draw(st.sampled_from([None, 0, 1])),
            )
            for _ in range(draw(st.integers(0, 2)))
        ]
        rows += [call, *said] * draw(st.integers(1, 3))
        rows += said[: draw(st.integers(0, 1))]
    return rows


FAILED, DONE = Row(failed=True, start=0), Row(counted=True, start=2)


def scored(keys: Keys, found: Plan) -> set[tuple[int, int]]:
    """Pairs of evaluation and call."""
    rows, above = found.judged.T
    kept = np.flatnonzero(found.keep)
    calls = targets(keys.answer[rows], above, keys.answer[kept], kept)
    return {pair for pair in zip(rows.tolist(), calls.tolist(), strict=True) if pair[1] != NONE}


def agrees(keys: Keys, found: Plan, wanted: Joined) -> None:
    kept = sorted(wanted.calls)
    assert np.flatnonzero(found.keep).tolist() == kept
    assert {n: int(found.attempts[n]) for n in kept} == wanted.attempts
    assert {n: int(found.first[n]) for n in kept} == {n: wanted.first[n] for n in kept}
    above = {n: int(found.parent[n]) for n in wanted.numbers}
    assert above == {n: -1 if m is None else m for n, m in wanted.parent.items()}
    assert scored(keys, found) == wanted.evaluations
    contents = [pair for pair in wanted.contents if pair[1] in wanted.calls]
    assert [tuple(pair) for pair in found.contents.tolist()] == contents
    assert {tuple(pair) for pair in found.requests.tolist()} == wanted.requests()
    for slug in wanted.counts:
        assert found.counts[slug] == wanted.counts[slug], slug
    assert set(found.counts) - {"request-without-result"} == set(wanted.counts)


@pytest.mark.slow
@given(one_place() | one_tree() | one_prompt() | st.lists(any_row(), min_size=1, max_size=12))
@settings(max_examples=1200)
@example([Row(span=1, parent=2), Row(span=2, parent=1)])
@example([Row(span=1, parent=1, counted=True)])
@example([Row(span=1, failed=True), Row(span=2, parent=1, counted=True)])
@example([Row(span=1, counted=True), Row(span=2, parent=1, failed=True), Row(span=3, parent=2)])
@example([FAILED, FAILED, DONE])
@example([Row(prompt=1, failed=True), Row(prompt=1, start=121)])
@example([Row(prompt=1, failed=True), Row(prompt=1, start=122)])
@example([Row(failed=True), Row(start=61)])
@example([Row(failed=True), Row(start=62)])
def test_the_joins_agree_with_their_rules_row_by_row(rows: list[Row]) -> None:
    keys = keys_of(rows)
    agrees(keys, plan(keys), Joined(rows))


@given(st.lists(any_row(), min_size=1, max_size=12))
@settings(max_examples=200)
def test_no_call_is_lost_without_a_word(rows: list[Row]) -> None:
    """Every call stays, or is counted under the reason why it does not."""
    found = plan(keys_of(rows))
    calls = sum(row.role == Role.CALL for row in rows)
    dropped = ("duplicate-span", "repeated-message", "repeated-by-parent", "repeated-by-child")
    reasons = sum(found.counts.get(slug, 0) for slug in (*dropped, "retries-grouped"))
    assert int(found.keep.sum()) >= calls - reasons
    assert int(found.attempts.sum()) <= calls


def test_a_chain_of_a_thousand_spans_is_no_cycle() -> None:
    chain = [Row(role=Role.CONTEXT, trace=0, span=n + 1, parent=n) for n in range(1000)]
    found = plan(keys_of([*chain, Row(trace=0, span=1001, parent=1000)]))
    assert found.counts == {}
    assert found.parent.tolist() == list(range(-1, 1000))


def test_a_cycle_of_parents_is_cut_and_counted() -> None:
    found = plan(keys_of([Row(span=1, parent=2), Row(span=2, parent=1), Row(span=3, parent=2)]))
    assert found.keep.tolist() == [True, True, True]
    assert found.counts == {"parent-cycle": 3}
