"""Neighbours: exactly the pairs that a comparison of everything with everything finds."""

import sys
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.cache import semantic_similarity
from llmops_cli.cache.semantic_similarity import Near, cosines, near, text_vectors
from llmops_cli.errors import ExitCode, LlmopsError

Pairs = dict[tuple[int, int], float]
STEPS = (0.98, 0.9, 0.8, 0.6)

words = st.sampled_from(
    ["reset", "my", "password", "please", "order", "status", "refund", "the", "a", "cancel", "now"]
)
texts = st.lists(
    st.lists(words, min_size=1, max_size=5).map(" ".join), min_size=1, max_size=25, unique=True
)


def all_pairs(vectors: Any, group: npt.NDArray[np.int64], least: float) -> Pairs:  # noqa: ANN401
    dense = vectors if isinstance(vectors, np.ndarray) else vectors.toarray()
    dense = dense.astype(np.float64)
    found: Pairs = {}
    for one in range(len(group)):
        for other in range(len(group)):
            similarity = round(min(float(dense[one] @ dense[other]), 1.0), 6)
            if one != other and group[one] == group[other] and similarity >= least:
                found[one, other] = similarity
    return found


def as_pairs(found: Near) -> Pairs:
    rows = np.repeat(np.arange(len(found.offsets) - 1), np.diff(found.offsets))
    return {
        (int(one), int(other)): float(similarity)
        for one, other, similarity in zip(rows, found.other, found.similarity, strict=True)
    }


@given(texts, st.integers(1, 4), st.sampled_from(["tfidf", "dense"]))
def test_the_blocked_product_finds_what_comparing_everything_finds(
    given_texts: list[str], groups: int, kind: str
) -> None:
    vectors = text_vectors(given_texts, "tfidf")
    if kind == "dense":
        vectors = vectors.toarray()
    group = np.arange(len(given_texts)) % groups
    found, expected = as_pairs(near(vectors, group, STEPS)), all_pairs(vectors, group, 0.6)
    assert found.keys() == expected.keys()
    assert all(abs(found[pair] - expected[pair]) <= 2e-6 for pair in found)


def test_small_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [f"please reset the password of the main account {number}" for number in range(200)]
    vectors, group = text_vectors(many, "tf"), np.arange(200) // 90
    whole = near(vectors, group, STEPS)
    monkeypatch.setattr(semantic_similarity, "_CELLS", 1)
    monkeypatch.setattr(semantic_similarity, "_PAIRS_AT_ONCE", 7)
    pieces = near(vectors, group, STEPS)
    assert len(whole.other) > 1000
    assert as_pairs(pieces) == as_pairs(whole)


def test_neighbours_come_the_nearest_first_and_the_earlier_of_equals_first() -> None:
    found = near(
        text_vectors(["abcd", "abcd efg", "abcd", "abcd efg hij"], "tf"), np.zeros(4), (0.1,)
    )
    begin, end = found.offsets[0], found.offsets[1]
    assert found.other[begin:end].tolist() == [2, 1, 3]
    assert found.similarity[begin:end].tolist() == sorted(found.similarity[begin:end])[::-1]


def test_too_many_pairs_give_up_the_lowest_thresholds_and_keep_the_others_whole() -> None:
    many = ["reset my password " + "now " * number for number in range(30)]
    vectors, group = text_vectors(many, "tfidf"), np.zeros(30, np.int64)
    expected = all_pairs(vectors, group, 0.98)
    assert 0 < len(expected) < len(all_pairs(vectors, group, 0.6))
    found = near(vectors, group, STEPS, most=len(expected) // 2)
    assert found.least == 0.98
    assert as_pairs(found).keys() == expected.keys()


def test_too_many_even_of_the_nearest_leave_none() -> None:
    found = near(text_vectors(["same"] * 9, "tfidf"), np.zeros(9, np.int64), STEPS, most=5)
    assert found.least == float("inf")
    assert not len(found.other)


def test_unweighted_vectors_do_not_depend_on_what_stands_beside_them() -> None:
    alone = text_vectors(["press the button", "push the button"], "tf")
    beside = text_vectors(["press the button", "push the button", "something else"], "tf")
    assert np.allclose(cosines(alone[:1], alone[1:]), cosines(beside[:1], beside[1:2]))


def test_wordllama_is_asked_for_by_name_when_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordllama", None)
    with pytest.raises(LlmopsError) as caught:
        text_vectors(["a"], "wordllama")
    assert caught.value.slug == "semantic-no-wordllama"
    assert caught.value.exit_code == ExitCode.USAGE
    assert "wordllama" in caught.value.hint


def test_wordllama_is_loaded_from_its_package_without_a_download(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, object] = {}

    class Model:
        def embed(self, given_texts: list[str]) -> npt.NDArray[np.float32]:
            return np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32)[: len(given_texts)]

    class Loader:
        @staticmethod
        def load(**options: object) -> Model:
            asked.update(options)
            return Model()

    module = ModuleType("wordllama")
    module.__file__ = "/somewhere/wordllama/__init__.py"
    module.WordLlama = Loader  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wordllama", module)
    made = text_vectors(["a", "b"], "wordllama")
    assert asked["disable_download"] is True
    assert str(asked["cache_dir"]) == "/somewhere/wordllama"
    assert np.allclose(made, [[0.6, 0.8], [0.0, 0.0]])
