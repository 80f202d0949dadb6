"""Overlapping counters become disjoint classes that add up, or a contradiction by name."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.calls import TOKEN_CLASSES
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.usage import Counters, disjoint

INPUT = TOKEN_CLASSES[:4]


def classes(counters: Counters, *, cached_inside: bool | None) -> tuple[int, ...]:
    columns = disjoint(counters, cached_inside=cached_inside)
    return tuple(columns[name] for name in TOKEN_CLASSES)


# Fresh, read, written for five minutes, for one hour, output.
KNOWN: dict[str, tuple[Counters, bool | None, tuple[int, ...]]] = {
    "openai includes": (Counters(2006, 1920, output=300), True, (86, 1920, 0, 0, 300)),
    "openai since 5.6 includes both": (Counters(2600, 2000, 400), True, (200, 2000, 400, 0, 0)),
    "anthropic excludes": (
        Counters(2048, 1800, 248, 100, 503),
        False,
        (2048, 1800, 148, 100, 503),
    ),
    "langfuse 10592: 17,903 include 17,817": (
        Counters(17_903, 17_817),
        None,
        (86, 17_817, 0, 0, 0),
    ),
    "langfuse 12306, the conventions' sum": (
        Counters(130_213, 128_955, 1253),
        None,
        (5, 128_955, 1253, 0, 0),
    ),
    "langfuse 12306, anthropic's own 5": (
        Counters(5, 128_955, 1253),
        None,
        (5, 128_955, 1253, 0, 0),
    ),
    "langsmith-sdk 2519: 19 beside 39,000": (Counters(19, 39_000), None, (19, 39_000, 0, 0, 0)),
    "the same, with a total that leaves them out": (
        Counters(19, 39_000, output=4, total=23),
        None,
        (19, 39_000, 0, 0, 4),
    ),
    "a reading by which reasoning is no part is none": (
        Counters(100, 60, output=20, reasoning=60, total=180),
        None,
        (40, 60, 0, 0, 80),
    ),
    "the total adds them": (Counters(500, 400, output=4, total=904), None, (500, 400, 0, 0, 4)),
    "the total does not": (Counters(500, 400, output=4, total=504), None, (100, 400, 0, 0, 4)),
    "a total of something else": (
        Counters(500, 400, output=4, total=7),
        None,
        (100, 400, 0, 0, 4),
    ),
    "dust 20989: 9,844 include 9,842": (Counters(9844, 9842), None, (2, 9842, 0, 0, 0)),
    "nothing cached": (Counters(7, output=1), None, (7, 0, 0, 0, 1)),
    "nothing at all": (Counters(0), True, (0, 0, 0, 0, 0)),
    "all of it cached": (Counters(7, 7), True, (0, 7, 0, 0, 0)),
    "what the format says is no question for the total": (
        Counters(500, 400, output=4, total=904),
        True,
        (100, 400, 0, 0, 4),
    ),
    "xai: 9 beside 94 of reasoning": (
        Counters(32, output=9, reasoning=94, total=135),
        True,
        (32, 0, 0, 0, 103),
    ),
    "gemini: thoughts beside candidates, cached inside": (
        Counters(100, 60, output=20, reasoning=5, total=125),
        None,
        (40, 60, 0, 0, 25),
    ),
    "reasoning and cached tokens beside": (
        Counters(100, 60, output=20, reasoning=5, total=185),
        None,
        (100, 60, 0, 0, 25),
    ),
    "reasoning inside, as openai": (
        Counters(100, output=20, reasoning=5, total=120),
        True,
        (100, 0, 0, 0, 20),
    ),
}


@pytest.mark.parametrize(("counters", "inside", "expected"), KNOWN.values(), ids=KNOWN)
def test_known_cases(counters: Counters, inside: bool | None, expected: tuple[int, ...]) -> None:  # noqa: FBT001 - a row of the table
    assert classes(counters, cached_inside=inside) == expected


@pytest.mark.parametrize(
    ("counters", "inside", "word"),
    [
        (Counters(10, 11), True, "11 tokens read"),
        (Counters(10, 6, 5), True, "5 written"),
        (Counters(10, written=2, written_1h=3), None, "one hour"),
        (Counters(10, written=2, written_1h=3), False, "one hour"),
        (Counters(10, output=2, reasoning=3), None, "reasoning"),
        (Counters(10, output=2, reasoning=3, total=12), True, "reasoning"),
        (Counters(10, output=0, reasoning=1), False, "reasoning"),
    ],
)
def test_contradictions_are_refused_by_name(
    counters: Counters,
    inside: bool | None,  # noqa: FBT001 - a row of the table
    word: str,
) -> None:
    with pytest.raises(RowError, match=word) as caught:
        disjoint(counters, cached_inside=inside)
    assert (caught.value.slug, caught.value.field) == ("calls-contradiction", "usage")


@pytest.mark.parametrize(
    ("counters", "outside"),
    [(Counters(19, 39_000), True), (Counters(500, 400), False), (Counters(500), None)],
)
def test_who_counted_is_told_with_how_it_was_understood(
    counters: Counters,
    outside: bool | None,  # noqa: FBT001 - a row of the table
) -> None:
    columns = disjoint(counters, cached_inside=None, counted_by="someone")
    assert columns.get("cached_outside") is outside
    assert columns.get("counted_by") == (None if outside is None else "someone")
    known = disjoint(Counters(500, 400), cached_inside=True, counted_by="someone")
    assert "counted_by" not in known


few = st.integers(0, 60)
many = st.integers(0, 500_000_000)
some = few | many


@st.composite
def counters(draw: st.DrawFn) -> Counters:
    """Any counters at all; totals that mean something more often than not."""
    made = {name: draw(some) for name in ("given", "read", "written", "written_1h", "output")}
    reasoning = draw(st.none() | some)
    parts = [made["given"], made["output"], made["read"] + made["written"], reasoning or 0]
    sums = [sum(parts[:2]), sum(parts[:3]), sum(parts), sum(parts) - parts[2]]
    return Counters(
        **made, reasoning=reasoning, total=draw(st.none() | st.sampled_from(sums) | some)
    )


ways = st.sampled_from([True, False, None])


def read_or_refused(c: Counters, way: bool | None) -> dict[str, Any] | None:  # noqa: FBT001
    try:
        return disjoint(c, cached_inside=way, counted_by="someone")
    except RowError:
        return None


@given(counters(), ways)
def test_no_class_is_negative_and_reasoning_is_a_part(c: Counters, way: bool | None) -> None:  # noqa: FBT001
    columns = read_or_refused(c, way)
    if columns is not None:
        assert all(columns[name] >= 0 for name in TOKEN_CLASSES)
        assert (columns["reasoning_tokens"] or 0) <= columns["output_tokens"]


@given(counters(), ways)
def test_classes_add_up_to_what_the_counters_mean(c: Counters, way: bool | None) -> None:  # noqa: FBT001
    columns = read_or_refused(c, way)
    if columns is None:
        return
    whole = sum(columns[name] for name in INPUT)
    assert whole in {True: {c.given}, False: {c.given + c.cached}}.get(
        way, {c.given, c.given + c.cached}
    )
    assert columns["cache_read_tokens"] == c.read
    assert columns["cache_write_5m_tokens"] + columns["cache_write_1h_tokens"] == c.written
    assert columns["output_tokens"] in {c.output, c.output + (c.reasoning or 0)}
    if columns["output_tokens"] != c.output:
        assert whole + columns["output_tokens"] == c.total


@st.composite
def truths(draw: st.DrawFn) -> tuple[int, ...]:
    fresh, read, five_minutes, one_hour, output = (draw(some) for _ in range(5))
    return fresh, read, five_minutes, one_hour, output


@given(truths(), st.booleans(), st.booleans())
def test_whoever_says_how_it_counts_is_understood(
    truth: tuple[int, ...],
    inside: bool,  # noqa: FBT001 - drawn
    with_total: bool,  # noqa: FBT001 - drawn
) -> None:
    fresh, read, five_minutes, one_hour, output = truth
    cached = read + five_minutes + one_hour
    given_count = fresh + cached if inside else fresh
    c = Counters(
        given=given_count,
        read=read,
        written=five_minutes + one_hour,
        written_1h=one_hour,
        output=output,
        total=fresh + cached + output if with_total else None,
    )
    assert classes(c, cached_inside=inside) == truth
    # And where nobody says so, an honest total is enough, or that the parts exceed the whole.
    if with_total or inside or cached > fresh:
        assert classes(c, cached_inside=None) == truth


@given(truths(), st.data())
def test_the_total_tells_whether_reasoning_is_inside(
    truth: tuple[int, ...], data: st.DataObject
) -> None:
    *_, output = truth
    reasoning = data.draw(st.integers(0, output))
    fresh = truth[0]
    beside = Counters(fresh, output=output - reasoning, reasoning=reasoning, total=fresh + output)
    inside = Counters(fresh, output=output, reasoning=reasoning, total=fresh + output)
    for c in (beside, inside):
        columns = disjoint(c, cached_inside=True)
        assert (columns["output_tokens"], columns["reasoning_tokens"]) == (output, reasoning)
