"""Where values stand in a line: the bytes there are the values, and nothing is left out."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.traffic.places import EACH, Path, places

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def told(value: object, path: Path = ()) -> list[tuple[Path, object]]:
    """Texts and numbers of a decoded document."""
    if isinstance(value, dict):
        return [each for key, inner in value.items() for each in told(inner, (*path, str(key)))]
    if isinstance(value, list):
        return [each for inner in value for each in told(inner, (*path, EACH))]
    return [] if value is None or isinstance(value, bool) else [(path, value)]


@settings(max_examples=150, deadline=None)
@given(document=documents, plain=st.booleans(), indent=st.none() | st.just(1))
def test_every_text_and_number_is_found_in_its_place(
    document: Any,  # noqa: ANN401 - any JSON
    *,
    plain: bool,
    indent: int | None,
) -> None:
    raw = json.dumps({"": document}, ensure_ascii=plain, indent=indent).encode(
        errors="surrogatepass"
    )
    found = places(raw)
    assert found is not None
    quoted = [(place.begin - place.is_text, place.end + place.is_text) for place in found]
    values = [json.loads(raw[begin:end].decode(errors="surrogatepass")) for begin, end in quoted]
    assert [*zip([place.path for place in found], values, strict=True)] == told({"": document})


@pytest.mark.parametrize(
    ("raw", "repeats"),
    [
        (b'{"a": 1, "a": 2}', True),
        (b'{"a": {"b": 1, "c": [{"b": 1, "\\u0062": 2}]}}', True),
        (b'{"a": {"b": 1}, "b": {"a": 1, "b": 2}}', False),
        (b'[{"a": 1}, {"a": 1}]', False),
    ],
)
def test_a_key_that_comes_twice_is_noticed(raw: bytes, *, repeats: bool) -> None:
    assert (places(raw) is None) == repeats
