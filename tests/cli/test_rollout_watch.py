"""Watching a folder: which files a look is given, and how a watch ends."""

from collections.abc import Callable
from pathlib import Path

import pytest

from llmops_cli.cli.rollout_watch import arrivals
from llmops_cli.errors import LlmopsError


def looks(folder: Path, steps: list[Callable[[], object]]) -> list[list[str]]:
    """What the looks are given while one step is done in every pause."""
    left = iter(steps)

    def pause() -> None:
        next(left)()

    found = arrivals(folder, pause, len(steps))
    return [[Path(name).name for name in files] for files in found]


def nothing() -> None:
    pass


def test_files_that_are_there_are_looked_at_once(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("1")
    (tmp_path / "a.csv").write_text("1")
    assert looks(tmp_path, [nothing] * 4) == [["a.csv", "b.csv"]]


def test_a_file_that_comes_brings_a_look_at_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1")
    steps = [nothing, lambda: (tmp_path / "b.csv").write_text("1"), nothing, nothing]
    assert looks(tmp_path, steps) == [["a.csv"], ["a.csv", "b.csv"]]


def test_a_file_that_still_grows_waits(tmp_path: Path) -> None:
    def grow() -> None:
        with (tmp_path / "a.csv").open("a") as file:
            file.write("more")

    assert looks(tmp_path, [grow, grow, grow]) == []
    assert looks(tmp_path, [grow, nothing]) == [["a.csv"]]


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1")
    steps = [nothing, lambda: path.write_text("22"), nothing]
    assert looks(tmp_path, steps) == [["a.csv"], ["a.csv"]]


def test_hidden_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".half.csv").write_text("1")
    (tmp_path / "folder").mkdir()
    assert looks(tmp_path, [nothing] * 3) == []


def test_a_folder_that_is_not_there_or_goes_away_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LlmopsError) as caught:
        looks(tmp_path / "none", [nothing])
    assert caught.value.slug == "watch-no-folder"
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(LlmopsError) as caught:
        looks(folder, [folder.rmdir])
    assert caught.value.slug == "watch-no-folder"


def test_a_file_that_goes_is_left_out(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text("1")
    assert looks(tmp_path, [nothing, (tmp_path / "b").unlink]) == [["a", "b"], ["a"]]
