"""The file of a replay is read back as its whole lines, wherever its writer was killed."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.live.completions import Completion, Failure, Usage
from llmops_cli.live.shadow_file import ShadowFile
from llmops_cli.live.shadow_spans import Shadowed, Tried, line_of

texts = st.text(max_size=5)
outcomes = st.one_of(
    st.none(),
    st.builds(
        Failure,
        st.sampled_from(["timeout", "rate_limit_error"]),
        status=st.sampled_from([None, 429]),
        perhaps_billed=st.booleans(),
    ),
    st.builds(
        Completion,
        text=texts,
        model=st.just("m-1"),
        response_id=st.just("r-1"),
        finish_reason=st.just("stop"),
        usage=st.builds(Usage, st.integers(0, 9), st.integers(0, 9)),
        first_s=st.none() | st.floats(0, 1),
    ),
)
attempts = st.builds(
    Tried,
    provider=st.sampled_from(["anthropic", "openai"]),
    model=st.just("m"),
    server=st.just(("localhost", 80)),
    started_ns=st.integers(1, 9),
    ended_ns=st.integers(10, 19),
    outcome=outcomes,
    charged_usd=st.none() | st.integers(0, 8).map(lambda eighths: eighths / 8),
)
shadows = st.builds(
    Shadowed,
    call_id=texts,
    conversation=texts,
    task=texts,
    max_output_tokens=st.just(9),
    attempts=st.lists(attempts, min_size=1, max_size=3),
    asked=st.none() | texts.map(lambda said: {"messages": [{"role": "user", "content": said}]}),
)


def answered(shadow: Shadowed) -> bool:
    return any(isinstance(item.outcome, Completion) for item in shadow.attempts)


def charged(shadow: Shadowed) -> float:
    return sum(item.charged_usd or 0.0 for item in shadow.attempts)


@given(
    written=st.lists(shadows, max_size=4, unique_by=lambda item: item.call_id),
    cut=st.floats(0, 1),
    late=shadows,
)
def test_a_file_cut_at_any_byte_is_its_whole_lines(
    written: list[Shadowed], cut: float, late: Shadowed
) -> None:
    lines = [line_of(item, "same") for item in written]
    data = b"".join(lines)
    kept = data[: round(cut * len(data))]
    whole = kept.count(b"\n")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "shadow.jsonl"
        path.write_bytes(kept)
        file = ShadowFile(path, settings="same", resume=True)
        assert file.done == {item.call_id for item in written[:whole] if answered(item)}
        assert file.spent_usd == sum(map(charged, written[:whole]))
        file.add(late)
        file.close()
        # What comes next begins on a line of its own, and what was whole is as it was.
        found = path.read_bytes()
        assert found.startswith(b"".join(lines[:whole]))
        rest = found[sum(map(len, lines[:whole])) :]
        assert rest.endswith(b"\n")
        assert rest.count(b"\n") == 1
        assert json.loads(rest)["resourceSpans"]


@pytest.mark.parametrize(
    "line",
    [
        b"{broken\n",
        b"\xff\xfe\n",
        b"[]\n",
        b'{"some": "log"}\n',
        b'{"some": "log"}',
        b'{"some":',
        b'{"resourceSpans": [{"resource": null}]}\n',
        (
            b'{"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": '
            b'[{"spans": [{"parentSpanId": "ab", "attributes": []}]}]}]}\n'
        ),
    ],
)
def test_a_file_of_something_else_is_refused_by_line(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(line)
    with pytest.raises(LlmopsError) as caught:
        ShadowFile(path, settings="same", resume=True)
    assert (caught.value.slug, caught.value.line) == ("collect-damaged", 1)
    assert path.read_bytes() == line
    path.unlink()
    ShadowFile(path, settings="same", resume=True).close()  # no lock is left behind


def test_two_runs_do_not_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    first = ShadowFile(path, settings="same", resume=False)
    with pytest.raises(LlmopsError) as caught:
        ShadowFile(path, settings="same", resume=True)
    assert caught.value.slug == "collect-running"
    first.close()
    ShadowFile(path, settings="same", resume=True).close()
