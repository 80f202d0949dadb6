"""A cassette gives back what was recorded on it, and says where it cannot be read."""

import json
import stat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from llmops_cli.errors import LlmopsError
from llmops_cli.live.cassette import Cassette, RecordMode
from llmops_cli.live.completions import Completion, Failure, Usage
from llmops_cli.live.episodes import Episode, cassette_schema, digest_of, recorded_of

tokens = st.integers(0, 2**40)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
failures = st.builds(
    Failure,
    st.sampled_from(["timeout", "rate_limit_error"]),
    status=st.sampled_from([None, 429]),
    retryable=st.booleans(),
    fatal=st.booleans(),
    retry_after_s=st.none() | st.floats(0, 1e9),
    perhaps_billed=st.booleans(),
)
answers = st.builds(
    Completion,
    text=texts,
    model=texts,
    response_id=texts,
    finish_reason=texts,
    usage=st.builds(Usage, tokens, tokens, tokens, tokens, tokens, st.none() | tokens),
    service_tier=st.none() | texts,
    first_s=st.none() | st.floats(0, 1),
    body=st.none() | st.dictionaries(texts, texts | st.lists(texts), max_size=2),
)
recordings = st.builds(
    recorded_of,
    st.none() | failures | answers,
    provider=st.sampled_from(["anthropic", "openai"]),
    model=texts,
    server=st.tuples(texts, st.integers(0, 65535)),
    started_ns=st.integers(0, 2**62),
    ended_ns=st.integers(0, 2**62),
    span_id=st.integers(0, 2**64 - 1).map("{:016x}".format),
    charged_usd=st.none() | st.floats(0, 1e6),
)
episodes = st.builds(
    Episode,
    id=st.sampled_from("ab"),
    request=st.sampled_from("xy"),
    trace_id=st.integers(0, 2**128 - 1).map("{:032x}".format),
    span_id=st.integers(0, 2**64 - 1).map("{:016x}".format),
    attempts=st.lists(recordings, min_size=1, max_size=3),
)


def same(one: object, other: object) -> bool:
    """Failures are exceptions, which are equal only to themselves."""
    if isinstance(one, Failure) and isinstance(other, Failure):
        return vars(one) == vars(other)
    return one == other


@settings(max_examples=30)
@given(st.lists(st.tuples(episodes, st.booleans()), max_size=6))
def test_what_is_recorded_is_given_back_in_its_order(given_: list[tuple[Episode, bool]]) -> None:
    validator = Draft202012Validator(cassette_schema())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "c.jsonl"
        cassette = Cassette(path, RecordMode.NEW_EPISODES)
        for episode, closes in given_:
            cassette.add(episode)
            if closes:
                cassette.close()
                cassette = Cassette(path, RecordMode.NEW_EPISODES)
        cassette.close()
        recorded = [episode for episode, _ in given_]
        if not recorded:
            return
        played = Cassette(path)
        assert not played.records
        found = list(played.episodes())
        assert found == recorded
        assert all(
            same(a.outcome, b.outcome)
            for one, other in zip(found, recorded, strict=True)
            for a, b in zip(one.attempts, other.attempts, strict=True)
        )
        last = {(item.id, item.request): item for item in recorded}
        for row in "ab":
            for request in "xy":
                name = row, request
                assert played.find(*name) == last.get(name)
                assert (name in played) == (name in last)
                answered = [e.answer for e in recorded if (e.id, e.request) == name and e.answer]
                assert played.answers(*name) == bool(answered)
        for line in path.read_bytes().splitlines():
            validator.validate(json.loads(line))


@pytest.mark.parametrize(
    ("mode", "there", "records"),
    [
        (RecordMode.NONE, True, False),
        (RecordMode.ONCE, True, False),
        (RecordMode.ONCE, False, True),
        (RecordMode.NEW_EPISODES, True, True),
        (RecordMode.NEW_EPISODES, False, True),
    ],
)
def test_the_mode_says_whether_anything_is_recorded(
    mode: RecordMode,
    there: bool,  # noqa: FBT001
    records: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    path = tmp_path / "c.jsonl"
    if there:
        path.write_text(json.dumps(GOOD) + "\n")
    cassette = Cassette(path, mode)
    assert cassette.records == records
    cassette.close()
    if not there:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


GOOD = {
    "schema": "llmops.cassette/1",
    "id": "a",
    "request": "x",
    "trace_id": "0" * 32,
    "span_id": "0" * 16,
    "attempts": [
        {
            "provider": "openai",
            "model": "secret",
            "server": ["h", 1],
            "started_ns": 1,
            "ended_ns": 2,
            "span_id": "0" * 16,
            "answer": {
                "text": "secret",
                "model": "m",
                "response_id": "r",
                "finish_reason": "stop",
                "usage": {"input_tokens": 1, "output_tokens": 1},
            },
        }
    ],
}
LINE = json.dumps(GOOD)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("{broken\n", ""),
        ("\udcff\n", ""),
        (LINE, ""),  # without its end
        (LINE.replace("cassette/1", "cassette/2") + "\n", "schema"),
        (LINE.replace('"id": "a", ', "") + "\n", ""),
        (LINE.replace('"attempts": [', '"attempts": [], "more": [') + "\n", "attempts"),
        (LINE.replace('"started_ns": 1', '"started_ns": "1"') + "\n", "attempts[0].started_ns"),
        (LINE.replace('"span_id": "0', '"span_id": "g') + "\n", "span_id"),
        (
            LINE.replace('"output_tokens": 1', '"output_tokens": -1') + "\n",
            "attempts[0].answer.usage",
        ),
        (
            LINE.replace('"answer": {', '"failure": {"kind": "timeout"}, "answer": {') + "\n",
            "attempts[0]",
        ),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_its_field(
    line: str, field: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(LINE + "\n" + line, errors="surrogateescape")
    with pytest.raises(LlmopsError) as caught:
        Cassette(path)
    found = caught.value
    assert (found.slug, found.line, found.field) == ("cassette-unreadable", 2, field)
    assert "secret" not in found.render()


def test_a_recording_that_was_cut_off_goes_on_where_it_was_whole(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(LINE + "\n" + LINE[:40])
    cassette = Cassette(path, RecordMode.NEW_EPISODES)
    cassette.close()
    assert path.read_text() == LINE + "\n"
    assert cassette.find("a", "x") is not None


def test_only_what_may_record_is_added_to(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(LINE + "\n")
    cassette = Cassette(path)
    (episode,) = cassette.episodes()
    with pytest.raises(ValueError, match=r"c\.jsonl"):
        cassette.add(episode)
    assert path.read_text() == LINE + "\n"


@given(st.dictionaries(texts, texts, max_size=4))
def test_the_digest_of_a_request_knows_no_order_of_keys(body: dict[str, str]) -> None:
    turned = dict(reversed(body.items()))
    assert digest_of(["openai", body]) == digest_of(["openai", turned])
    assert digest_of(["openai", body]) != digest_of(["anthropic", body])


@pytest.mark.parametrize("data", ['{"some": "log"}', LINE + "\n" + '{"some": "log"}', "text"])
def test_a_file_of_somebody_else_is_left_as_it_is(data: str, tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(data)
    with pytest.raises(LlmopsError) as caught:
        Cassette(path, RecordMode.NEW_EPISODES)
    assert caught.value.slug == "cassette-unreadable"
    assert caught.value.line == data.count("\n") + 1
    assert path.read_text() == data
