"""Parts that are remembered are those that a list would be split into by itself."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.traffic import resent
from llmops_cli.traffic.growing import GrowingLists
from llmops_cli.traffic.prompt_reader import PromptReader
from llmops_cli.traffic.prompts import Block, Part, Runs

SHARED = {"role": "system", "content": "Every conversation begins with these words. " * 9}


def cut(raw: bytes) -> tuple[Block, ...]:
    return ((raw.rjust(16, b".")[-16:], len(raw), 2, 0),)


def other_cut(raw: bytes) -> tuple[Block, ...]:
    return ((b"another first one", len(raw), 2, 0),)


def third_cut(raw: bytes) -> tuple[Block, ...]:
    raise NotImplementedError(raw)


_item = st.one_of(
    st.sampled_from([1, 12, None, "said", [], {}, {"role": "user", "content": "x" * 70}]),
    st.text(st.sampled_from('ab],[{}"\\ é😀'), max_size=30).map(
        lambda said: {"role": "user", "content": said}
    ),
)


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[bytes, bool]]:
    """Lists that grow, come again, fall back and branch, side by side; and how each is cut."""
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]))
    said: list[list[Any]] = [[], [SHARED], [SHARED]]
    found = list[tuple[bytes, bool]]()
    for _ in range(draw(st.integers(1, 14))):
        at = draw(st.integers(0, 2))
        kept = draw(st.integers(0, len(said[at]))) if draw(st.integers(0, 3)) == 0 else None
        said[at] = said[at][:kept] + draw(st.lists(_item, max_size=2))
        text = json.dumps(said[at], separators=separators, ensure_ascii=draw(st.booleans()))
        found.append((text.encode(), draw(st.booleans())))
    return found


def split(text: bytes, first: Any) -> list[Part]:  # noqa: ANN401 - a cutter
    items = [bytes(item) for item in msgspec.json.decode(text, type=list[msgspec.Raw])]
    return [(cut if at else first, item) for at, item in enumerate(items)]


@given(logs(), st.sampled_from([600, 16_000_000]))
def test_every_list_is_split_as_if_it_were_the_first(
    log: list[tuple[bytes, bool]], most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resent, "_lists", GrowingLists(b"[,]", resent._split, most))  # noqa: SLF001
        reader = PromptReader()
        for text, is_other in log:
            first = other_cut if is_other else cut
            run = resent.messages(msgspec.Raw(text), cut, "request.messages", first)
            assert list(run) == split(text, first)
            assert reader.read(Runs(run)) == PromptReader().read(split(text, first))
            again = resent.items(msgspec.Raw(text), third_cut, "request.tools")
            assert [raw for _, raw in again] == [raw for _, raw in split(text, first)]


def test_of_a_conversation_only_what_is_new_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list[bytes]()

    def counted(text: bytes, cutter: Any) -> tuple[Part, ...]:  # noqa: ANN401 - any cutter
        whole.append(text)
        return tuple(split(text, cutter))

    monkeypatch.setattr(resent, "_lists", GrowingLists(b"[,]", counted))
    for turn in range(1, 40):
        for of in range(20):
            # They all begin alike, and no key says which of them one is.
            words = [
                f"turn {number} of conversation {of}, at some length" for number in range(turn)
            ]
            text = json.dumps([SHARED, *words]).encode()
            run = resent.messages(msgspec.Raw(text), cut, "request.messages")
            assert len(run) == turn + 1
    assert len(whole) < 60


def test_a_value_is_one_part_and_the_same_run_when_it_comes_again() -> None:
    found = [resent.value(msgspec.Raw(text), cut) for text in (b'"a"', b'["a"]', b'"a"')]
    assert [list(run) for run in found] == [[(cut, b'"a"')], [(cut, b'["a"]')], [(cut, b'"a"')]]
    assert found[0] is found[2]
    assert len(resent.value(msgspec.Raw(), cut)) == 0


@pytest.mark.parametrize("text", [b'"[]"', b"{}", b"7", b"true"])
def test_what_is_no_list_is_refused_by_its_place(text: bytes) -> None:
    for read in (resent.items, resent.messages):
        with pytest.raises(msgspec.ValidationError, match=r"at `\$\.request\.tools`$"):
            read(msgspec.Raw(text), cut, "request.tools")


def test_tools_may_be_absent_or_null_but_messages_may_not() -> None:
    for text in (b"", b"null"):
        assert len(resent.items(msgspec.Raw(text), cut, "request.tools")) == 0
    with pytest.raises(msgspec.ValidationError, match=r"got `null` - at `\$\.request\.messages`$"):
        resent.messages(msgspec.Raw(b"null"), cut, "request.messages")
