"""Runs are sequences of parts; reading them in runs or one by one gives the same prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.traffic.prompt_reader import PromptReader
from llmops_cli.traffic.prompts import NO_RUN, Block, Part, Run, Runs
from llmops_cli.traffic.quarantine import RowError

DEEP = 200_000


def cut(raw: bytes) -> tuple[Block, ...]:
    """No block, one, or two, by the first letter."""
    return tuple((raw.rjust(16, b"."), len(raw) + at, 2 + at, at) for at in range(raw[0] % 3))


def part(word: str) -> Part:
    return cut, word.encode()


@st.composite
def prompts(draw: st.DrawFn) -> list[Runs]:
    """Prompts of three runs, of which many continue one another."""
    words = st.lists(st.sampled_from("abcdef").map(part), max_size=3).map(tuple)
    known = [NO_RUN]
    found = list[Runs]()
    for _ in range(draw(st.integers(1, 8))):
        before = draw(st.sampled_from([None, *known]))
        known.append(Run(draw(words), before))
        found.append(Runs(*draw(st.tuples(*[st.sampled_from(known)] * 3))))
    return found


@given(prompts())
def test_runs_and_lists_of_their_parts_are_the_same_prompt(found: list[Runs]) -> None:
    of_runs, of_parts, mixed = PromptReader(b"key"), PromptReader(b"key"), PromptReader(b"key")
    for number, runs in enumerate(found):
        expected = PromptReader(b"key").read(list(runs))
        assert of_runs.read(runs) == of_parts.read(list(runs)) == expected
        assert mixed.read(runs if number % 2 else list(runs)) == expected
        assert of_runs.read(runs, chained=False) == of_parts.read(list(runs), chained=False)


@given(prompts())
def test_runs_are_a_sequence_of_their_parts(found: list[Runs]) -> None:
    for runs in found:
        parts = [item for run in runs.runs for item in run]
        assert (len(runs), list(runs), runs[:2]) == (len(parts), parts, parts[:2])
        assert bool(runs) == bool(parts)
        assert [runs[at] for at in range(len(runs))] == parts


def test_a_refused_part_is_refused_again_and_spoils_no_other_prompt() -> None:
    def refuse(raw: bytes) -> tuple[Block, ...]:
        raise RowError("calls-bad-content", "no", raw.decode())

    reader, begin = PromptReader(), Run((part("a"),))
    bad = Run(((refuse, b"x"),), begin)
    reader.read(Runs(begin))
    for _ in range(2):
        with pytest.raises(RowError) as caught:
            reader.read(Runs(bad))
        assert caught.value.field == "x"
    assert reader.read(Runs(begin)) == PromptReader().read([part("a")])


def test_turns_that_were_never_read_are_in_the_next_one_that_is() -> None:
    runs = [Run((part("a"), part("b")))]
    for word in "dage":
        runs.append(Run((part(word),), runs[-1]))
    reader = PromptReader()
    for at in (0, 3, 1, 4):
        assert reader.read(Runs(runs[at])) == PromptReader().read(list(runs[at]))


@pytest.mark.slow
def test_a_very_long_conversation_needs_no_stack() -> None:
    run = NO_RUN
    for _ in range(DEEP):
        run = Run((part("b"),), run)
    assert len(run) == sum(1 for _ in run) == DEEP
    reader, some = PromptReader(), NO_RUN
    for _ in range(2_000):
        some = Run((part("b"),), some)
        reader.read(Runs(some))
    assert PromptReader().read(Runs(some)) == reader.read(list(some))
    del run, reader  # whose parts hang on one another
