"""Remembering lists that grow must not show: every prompt is read as if it were the first."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.traffic.growing import GrowingLists
from llmops_cli.traffic.otlp import content
from llmops_cli.traffic.otlp.content import Pieces, whole_parts
from llmops_cli.traffic.otlp.messages import AnyValue
from llmops_cli.traffic.prompt_reader import PromptReader
from llmops_cli.traffic.prompts import Block, Part, Run, Runs
from llmops_cli.traffic.quarantine import RowError

_REFUSED = (msgspec.DecodeError, UnicodeError, RowError)

_text = st.text(st.sampled_from('ab],[{}"\\ é😀\ud800'), max_size=4)
_parts = st.one_of(
    _text.map(lambda said: {"type": "text", "content": said}),
    _text.map(lambda said: {"type": "tool_call", "id": said, "arguments": {"q": [said]}}),
    st.sampled_from(["bare", 5, {"type": "text"}, {"type": "blob", "content": "x"}]),
)
_message = st.one_of(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "tool", "nobody"]),
            "parts": st.lists(_parts, max_size=2),
        }
    ),
    st.sampled_from([1, 12, "said", None, {"role": "user", "content": "old"}]),
)
_separators = st.sampled_from([(",", ":"), (", ", ": "), (" ,", ":")])
_ends = st.sampled_from(["", "]", ",", ",]", " ", "2]", ',"x"]', "garbage"])


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Conversations and the texts of their prompts, in the order of a log.

    Lists grow, are asked again, fall back to what they were some turns ago and branch from
    there; some texts are cut off or have something behind them that does not belong there.
    """
    pool = draw(st.lists(_message, min_size=1, max_size=5))
    separators = draw(_separators)
    said: dict[str, list[Any]] = {"a": [], "b": []}
    found = list[tuple[str, str]]()
    for _ in range(draw(st.integers(1, 12))):
        of = draw(st.sampled_from(["a", "b"]))
        kept = draw(st.integers(0, len(said[of]))) if draw(st.integers(0, 3)) == 0 else None
        said[of] = said[of][:kept] + draw(st.lists(st.sampled_from(pool), max_size=2))
        text = json.dumps(said[of], separators=separators, ensure_ascii=draw(st.booleans()))
        if draw(st.integers(0, 4)) == 0:
            text = text[: draw(st.integers(0, len(text)))] + draw(_ends)
        found.append((of, text))
    return found


def outcome(reader: PromptReader, of: str, text: str) -> object:
    """The prompt that a text gives, or what kind of refusal."""
    pieces = Pieces()
    try:
        pieces.add_whole({"gen_ai.input.messages": AnyValue(string_value=text)}, of)
        return reader.read(pieces.parts())
    except _REFUSED as error:
        return type(error)


def alone(text: str) -> object:
    """The same where nothing is remembered."""
    try:
        parts = whole_parts({"gen_ai.input.messages": AnyValue(string_value=text)})
        return PromptReader().read(parts)
    except _REFUSED as error:
        return type(error)


@given(logs(), st.sampled_from([40, 400, 16_000_000]))
def test_every_prompt_of_a_log_is_read_as_if_it_were_the_first(
    log: list[tuple[str, str]], most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content, "_lists", anew(most))
        reader = PromptReader()
        assert [outcome(reader, *item) for item in log] == [alone(text) for _, text in log]


@given(logs())
def test_what_was_cut_all_at_once_still_has_its_parts(log: list[tuple[str, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content, "_lists", anew(16_000_000))
        for of, text in log:
            assert parts(text, of) == parts(text, None)


def anew(most: int) -> GrowingLists[str]:
    """The lists of the package with nothing in them."""
    lists = content._lists  # noqa: SLF001
    return GrowingLists("[,]", lists._split, most, lists._cut)  # noqa: SLF001


def parts(text: str, of: str | None) -> object:
    pieces = Pieces()
    try:
        pieces.add_whole({"gen_ai.input.messages": AnyValue(string_value=text)}, of)
    except _REFUSED as error:
        return type(error)
    return list(pieces.parts())


@given(logs(), st.sampled_from([40, 16_000_000]))
def test_tools_that_come_again_are_the_same_parts(log: list[tuple[str, str]], most: int) -> None:
    lists = GrowingLists("[,]", _items, most)
    for _, text in log:
        assert tried(lists.same, text) == tried(lambda said, cut: Run(_items(said, cut)), text)


def tried(split: Any, text: str) -> object:  # noqa: ANN401 - either way of splitting
    try:
        return list(split(text, _cut))
    except _REFUSED as error:
        return type(error)


def _cut(raw: bytes) -> tuple[Block, ...]:
    raise NotImplementedError(raw)


def _items(text: str, cutter: Any) -> tuple[Part, ...]:  # noqa: ANN401 - any cutter
    return tuple((cutter, bytes(raw)) for raw in msgspec.json.decode(text, type=list[msgspec.Raw]))


def test_a_list_that_grows_is_split_once() -> None:
    split = list[str]()

    def counted(text: str, cutter: Any) -> tuple[Part, ...]:  # noqa: ANN401 - any cutter
        split.append(text)
        return _items(text, cutter)

    lists = GrowingLists("[,]", counted)
    for end in range(1, 9):
        for of in ("one", "other"):  # side by side, as in one export
            text = json.dumps([of, *range(end)])
            assert [raw for _, raw in lists.grown(text, _cut, of)] == [
                json.dumps(item).encode() for item in [of, *range(end)]
            ]
    assert split == ['["one", 0]', '["other", 0]']


def test_a_number_that_goes_on_is_no_list_that_grows() -> None:
    lists = GrowingLists("[,]", _items)
    found = [[raw for _, raw in lists.grown(text, _cut, "c")] for text in ("[1]", "[12]", "[12,3]")]
    assert found == [[b"1"], [b"12"], [b"12", b"3"]]


def test_a_conversation_is_cut_message_by_message_as_it_grows() -> None:
    cuts = list[bytes]()

    def cut(raw: bytes) -> tuple[Block, ...]:
        cuts.append(raw)
        return ((raw.rjust(16), len(raw), 2, 0),)

    lists, reader = GrowingLists("[,]", _items), PromptReader()
    for end in range(1, 30):
        texts = json.dumps([str(item) for item in range(end)])
        prompt = reader.read(Runs(lists.grown(texts, cut, "c")))
        assert len(prompt.sizes) == end
    assert len(cuts) == len(set(cuts)) == end


def test_messages_that_are_new_are_cut_all_at_once() -> None:
    lists = GrowingLists("[,]", content._lists._split, cut=content._lists._cut)  # noqa: SLF001
    said = [
        {"role": "user", "parts": [{"type": "text", "content": f"{number}"}]} for number in range(4)
    ]
    grown = [
        lists.grown(json.dumps(said[:end]), content._message, "c")  # noqa: SLF001
        for end in (1, 2, 4)
    ]
    assert [run.blocks is not None for run in grown] == [False, True, True]
    expected = PromptReader().read(list(grown[2]))
    assert PromptReader().read(Runs(grown[2])) == expected
    reader = PromptReader()
    assert [len(reader.read(Runs(run))) for run in grown] == [1, 2, 4]
    # Whoever forgot what came before cuts all parts again.
    assert PromptReader().read(Runs(grown[2])) == expected
