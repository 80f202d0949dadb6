"""Files are written whole or not at all; pipes and links stay what they are."""

import os
from pathlib import Path

import pytest

from llmops_cli.cli.show import atomic_path
from llmops_cli.errors import LlmopsError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill_the_disk(path: Path) -> None:
    """Write a part, remove it as pyarrow does after a fault, and fail."""
    with atomic_path(path) as temporary:
        temporary.write_text("ne")
        temporary.unlink()
        raise OSError(28, "No space left on device")


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_pipe_gets_the_bytes_and_stays_a_pipe(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_path(pipe) as temporary:
        temporary.write_bytes(b"later ")
        temporary.write_bytes(b"whole")
    assert os.read(reader, 99) == b"whole"
    os.close(reader)
    assert (pipe.is_fifo(), names(pipe.parent)) == (True, ["pipe"])


def test_a_writer_that_removes_what_it_could_not_finish_leaves_the_pipe(pipe: Path) -> None:
    with pytest.raises(LlmopsError, match="cannot write"):
        fill_the_disk(pipe)
    assert pipe.is_fifo()


def test_the_target_of_a_link_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    with atomic_path(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


def test_a_fault_leaves_the_old_file_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(LlmopsError) as caught:
        fill_the_disk(tmp_path / "file")
    assert (caught.value.slug, caught.value.exit_code) == ("output-unwritable", 2)
    assert "No space left on device" in caught.value.message
    assert ((tmp_path / "file").read_text(), names(tmp_path)) == ("old", ["file"])
