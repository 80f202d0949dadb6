"""Lines of one shape: found by their bytes, as a decoder would find them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.traffic.alike import Marked, Shape
from llmops_cli.traffic.places import Place, places
from llmops_cli.traffic.streams import Slab


def slab(*lines: bytes) -> Slab:
    data = np.frombuffer(b"".join(line + b"\n" for line in lines), np.uint8)
    return Slab(data, np.flatnonzero(data == ord("\n")))


def values(raw: bytes) -> list[Place]:
    found = places(raw)
    assert found is not None
    return found


def found_in(shape: Shape, lines: list[bytes]) -> dict[int, list[bytes]]:
    """The lines of the shape, and the bytes of their values."""
    every = slab(*lines)
    found = shape.find(Marked.of(every), np.arange(len(lines)))
    whole = every.data.tobytes()
    return {
        row: [whole[begin:end] for begin, end in zip(begins, ends, strict=True)]
        for row, begins, ends in zip(
            found.rows.tolist(), found.begins.T.tolist(), found.ends.T.tolist(), strict=True
        )
    }


def dividing(line: bytes) -> list[int]:
    """Quotes that are not escaped, one character after the other."""
    found, escaped = list[int](), False
    for at, byte in enumerate(line):
        if byte == ord('"') and not escaped:
            found.append(at)
        escaped = byte == ord("\\") and not escaped
    return found


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([b'"', b"\\", b"a"]), max_size=9).map(b"".join), min_size=1)
)
def test_quotes_that_divide_are_those_that_no_backslash_escapes(lines: list[bytes]) -> None:
    marked, at, expected = Marked.of(slab(*lines)), 0, list[int]()
    for line in lines:
        expected += [at + place for place in dividing(line)]
        at += len(line) + 1
    if not any(line.endswith(b"\\") for line in lines):
        assert marked.quotes.tolist() == expected


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"name": st.text(max_size=4), "n": st.integers(0, 10**6) | st.none() | st.floats(0, 9)},
            optional={"more": st.text(max_size=3)},
        ),
        min_size=1,
        max_size=8,
    )
)
def test_a_line_is_of_a_shape_exactly_when_all_else_is_the_same(
    lines: list[dict[str, object]],
) -> None:
    raw = [json.dumps({"always here": "x"} | line).encode() for line in lines]
    varying = [place for place in values(raw[0]) if place.path != ("always here",)]
    found = found_in(Shape(raw[0], varying), raw)
    for row, (line, text) in enumerate(zip(lines, raw, strict=True)):
        same_keys = list(line) == list(lines[0])
        same_kind = (line["n"] is None) == (lines[0]["n"] is None)
        if same_keys and same_kind:
            assert found[row] == [text[place.begin : place.end] for place in values(text)[1:]]
        elif same_keys and lines[0]["n"] is not None:
            # That null is no number is for the reader of the values to see.
            assert b"null" in found[row]
        else:
            assert row not in found


def test_two_numbers_between_the_same_quotes_make_no_shape() -> None:
    raw = b'{"a list": [1, 2], "b": 3}'
    with pytest.raises(ValueError, match="two numbers"):
        Shape(raw, values(raw))


@pytest.mark.parametrize("other", [b'{"b":1}', b'{"a":1,"c":2}', b'{"a":"1"}', b"", b"{}", b'"a"'])
def test_a_short_beginning_finds_no_line_wrongly(other: bytes) -> None:
    shape = Shape(b'{"a":1}', values(b'{"a":1}'))
    found = found_in(shape, [b'{"a":1}', other, b'{"a":22}', other, b'{"a":333}'])
    # Before the value of the first line there is no whole word to look at.
    assert found == {2: [b"22"], 4: [b"333"]}
