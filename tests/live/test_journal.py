"""The files of a run: what is refused, what is mended, who may write."""

import json
from pathlib import Path

import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.live import Journal
from llmops_cli.live.journal import decided


def journal(folder: Path, *, resume: bool = False, settings: str = "s") -> Journal:
    return Journal(folder / "d.jsonl", folder / "s.jsonl", settings=settings, resume=resume)


def test_lines_are_on_the_disk_when_they_are_written(tmp_path: Path) -> None:
    here = journal(tmp_path)
    here.add_spans(b'{"resourceSpans":[]}\n', [])
    here.add_decision({"id": "a", "judge": "accept"})
    assert (tmp_path / "s.jsonl").read_bytes() == b'{"resourceSpans":[]}\n'
    assert json.loads((tmp_path / "d.jsonl").read_text()) == {"id": "a", "judge": "accept"}
    assert here.done == {"a"}
    here.close()


def test_output_that_is_there_is_not_added_to_by_accident(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(LlmopsError, match="there already"):
        journal(tmp_path)
    again = journal(tmp_path, resume=True)
    assert again.done == {"a"}
    again.close()


def test_two_runs_do_not_write_to_one_file(tmp_path: Path) -> None:
    one = journal(tmp_path)
    with pytest.raises(LlmopsError, match="another run is writing"):
        journal(tmp_path, resume=True)
    one.close()
    journal(tmp_path, resume=True).close()


def test_a_line_that_was_being_written_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_bytes(b'{"id": "a"}\n{"id": "b"')
    (tmp_path / "s.jsonl").write_bytes(b'{"resourceS')
    assert decided(tmp_path / "d.jsonl") == {"a"}
    here = journal(tmp_path, resume=True)
    here.add_decision({"id": "b"})
    here.close()
    assert decided(tmp_path / "d.jsonl") == {"a", "b"}
    assert (tmp_path / "s.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("d.jsonl", b"no json\n"),
        ("d.jsonl", b'{"judge": "accept"}\n'),
        ("d.jsonl", b'{"judge": "accept"}'),
        ("s.jsonl", b'{"some": "log"}'),
        ("d.jsonl", b"\xff\xfe\n"),
        ("s.jsonl", b"[]\n"),
        ("s.jsonl", b'{"some": "log"}\n'),
        ("s.jsonl", b'{"resourceSpans": [{"resource": {"attributes": [{}]}}]}\n'),
        ("s.jsonl", b'{"resourceSpans": [{"resource": null}]}\n'),
    ],
)
def test_a_file_of_something_else_is_refused_by_line(
    name: str, line: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(line)
    with pytest.raises(LlmopsError) as caught:
        journal(tmp_path, resume=True)
    assert (caught.value.slug, caught.value.line) == ("collect-damaged", 1)
    assert Path(caught.value.file).name == name
    (tmp_path / name).unlink()
    journal(tmp_path, resume=True).close()  # no lock is left behind


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LlmopsError) as caught:
        journal(tmp_path / "absent")
    assert caught.value.slug == "output-unwritable"


def test_nothing_is_decided_where_there_is_no_file(tmp_path: Path) -> None:
    assert decided(tmp_path / "absent.jsonl") == set()
