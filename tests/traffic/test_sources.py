"""What a user types becomes files: each once, in a fixed order, and nothing left out unsaid."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from llmops_cli import read_calls
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic.sources import STDIN, Source, resolve

LINE = json.dumps({"request": {"model": "gpt-5.1", "messages": [{"role": "user", "content": "x"}]}})


def names(*paths: str | Path) -> list[str]:
    return [source.name for source in resolve(paths)]


def refusal(*paths: str | Path) -> LlmopsError:
    with pytest.raises(LlmopsError) as caught:
        resolve(paths)
    return caught.value


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Logs under ordinary and odd names, and beside them what is none."""
    folder = tmp_path / "logs"
    for name in (
        "b.jsonl", "a.jsonl", "C.JSONL.GZ", "deep/er/d.ndjson.zst", "e.log", "f.json", "g.pb",
        "notes.txt", "table.csv", ".hidden.jsonl", ".git/x.jsonl", "x.jsonl/inner.jsonl",
    ):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(LINE + "\n")
    return folder


def test_a_folder_gives_its_logs_by_name_and_nothing_else(logs: Path) -> None:
    found = [name.removeprefix(f"{logs}/") for name in names(logs)]
    assert found == [
        "C.JSONL.GZ", "a.jsonl", "b.jsonl", "deep/er/d.ndjson.zst", "e.log", "f.json", "g.pb",
        "x.jsonl/inner.jsonl",
    ]  # fmt: skip


def test_the_caller_may_add_endings(logs: Path) -> None:
    found = [source.name for source in resolve([logs], (".csv",))]
    assert str(logs / "table.csv") in found


def test_what_is_named_is_read_whatever_its_ending(logs: Path) -> None:
    given = [logs / "notes.txt", logs / ".hidden.jsonl"]
    assert names(*given) == [str(path) for path in given]


def test_files_stay_in_the_order_given(logs: Path) -> None:
    assert names(logs / "b.jsonl", "-", logs / "a.jsonl") == [
        str(logs / "b.jsonl"), STDIN, str(logs / "a.jsonl"),
    ]  # fmt: skip


def test_globs_are_expanded_here_too(logs: Path) -> None:
    assert names(logs / "?.jsonl") == [str(logs / "a.jsonl"), str(logs / "b.jsonl"),
                                       str(logs / "x.jsonl" / "inner.jsonl")]  # fmt: skip
    assert names(logs / "**" / "*.zst") == [str(logs / "deep/er/d.ndjson.zst")]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "run[1].jsonl"
    path.write_text(LINE)
    assert names(path) == [str(path)]


def test_a_file_under_two_names_is_read_once(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(logs / "a.jsonl")
    (tmp_path / "folder").symlink_to(logs)
    found = names(logs / "a.jsonl", tmp_path / "link.jsonl", logs / "deep/../a.jsonl",
                  tmp_path / "folder" / "a.jsonl", "-", "-")  # fmt: skip
    assert found == [str(logs / "a.jsonl"), STDIN]
    assert len(names(logs, tmp_path / "folder")) == len(names(logs))


def test_a_linked_folder_is_looked_into(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "today").symlink_to(logs / "deep")
    assert names(tmp_path / "more") == [str(tmp_path / "more" / "today/er/d.ndjson.zst")]


def test_folders_linked_in_a_circle_end(logs: Path) -> None:
    (logs / "deep" / "up").symlink_to(logs)
    assert len(names(logs)) == 8


def test_links_to_nothing_are_named_not_left_out(tmp_path: Path) -> None:
    broken, circle = tmp_path / "broken.jsonl", tmp_path / "circle.jsonl"
    broken.symlink_to(tmp_path / "gone.jsonl")
    circle.symlink_to(circle)
    assert names(tmp_path) == [str(broken), str(circle)]
    for path in (broken, circle):
        with pytest.raises(LlmopsError) as caught:
            read_calls([path])
        assert (caught.value.slug, caught.value.file) == ("traffic-unreadable", str(path))


def test_pipes_in_a_folder_are_no_logs(logs: Path) -> None:
    os.mkfifo(logs / "pipe.jsonl")  # reading it would wait for ever
    assert str(logs / "pipe.jsonl") not in names(logs)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("gone.jsonl", "traffic-not-found"),
        ("*.nothing", "traffic-not-found"),
        ("empty", "traffic-no-logs"),
        ("a" * 300, "traffic-unreadable"),
        ("nul\0byte", "traffic-not-found"),
        ("a.jsonl/below", "traffic-not-found"),
        ("", "traffic-no-logs"),
    ],
)
def test_what_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, slug: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    (tmp_path / "folder" / "a.jsonl.txt").touch()
    error = refusal(tmp_path / name if name else "")
    assert (error.slug, error.exit_code) == (slug, ExitCode.BAD_INPUT)
    assert error.file


@pytest.fixture
def locked(logs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that may not be looked into, inside the current one."""
    monkeypatch.chdir(logs)
    folder = Path("deep")
    folder.chmod(0)
    superuser = os.geteuid() == 0  # who may read everything
    if superuser:
        os.seteuid(65534)
    yield folder
    if superuser:
        os.seteuid(0)
    folder.chmod(0o755)


def test_folders_that_may_not_be_read_are_an_error_not_a_gap(locked: Path) -> None:
    for given in (".", "deep", "deep/er/d.ndjson.zst"):
        error = refusal(given)
        assert error.slug == "traffic-unreadable"
        assert Path(error.file).parts[0] == locked.name
        assert "ermission" in error.message


@pytest.mark.parametrize(
    ("name", "parquet", "protobuf", "csv", "plain"),
    [
        ("a.jsonl", False, False, False, True),
        ("A.JSONL.GZ", False, False, False, False),
        ("a.pb", False, True, False, True),
        ("a.binpb.zst", False, True, False, False),
        ("a.PARQUET", True, False, False, True),
        ("a.csv.gz", False, False, True, False),
        ("s3://bucket/a.otlp", False, True, False, False),
        ("-", False, False, False, False),
    ],
)
def test_the_name_says_the_kind(
    name: str, *, parquet: bool, protobuf: bool, csv: bool, plain: bool
) -> None:
    source = Source(name)
    assert (source.is_parquet, source.is_protobuf) == (parquet, protobuf)
    assert (source.is_csv, source.is_plain_file) == (csv, plain)


@pytest.fixture
def store() -> Iterator[str]:
    """A prefix of an object store with two logs and a note in it."""
    system = fsspec.filesystem("memory")
    for name in ("b.jsonl", "deep/a.jsonl", "notes.txt"):
        system.pipe(f"/bucket/{name}", f"{LINE}\n".encode())
    yield "memory://bucket"
    system.rm("/bucket", recursive=True)


def test_object_stores_are_read_by_object_glob_and_prefix(store: str) -> None:
    assert names(store) == [f"{store}/b.jsonl", f"{store}/deep/a.jsonl"]
    assert names(f"{store}/*.jsonl") == [f"{store}/b.jsonl"]
    assert names(f"{store}/notes.txt") == [f"{store}/notes.txt"]
    traffic = read_calls([store])
    assert (len(traffic.calls), traffic.bad_count) == (2, 0)
    assert traffic.calls["source_file"].tolist() == [f"{store}/b.jsonl", f"{store}/deep/a.jsonl"]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("url", ["memory://bucket/gone.jsonl", "memory://gone/", "memory://g*"])
def test_objects_that_are_not_there_are_refused(url: str) -> None:
    assert refusal(url).slug == "traffic-not-found"


def test_a_prefix_without_logs_is_refused(store: str) -> None:
    fsspec.filesystem("memory").pipe("/bucket/other/x.txt", b"x")
    assert refusal(f"{store}/other").slug == "traffic-no-logs"


@pytest.mark.parametrize("url", ["nosuchstore://bucket/a.jsonl", "s3s://x"])
def test_a_store_of_an_unknown_kind_is_a_usage_error(url: str) -> None:
    error = refusal(url)
    assert (error.slug, error.exit_code) == ("traffic-unreadable", ExitCode.USAGE)


def test_without_the_extra_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    error = refusal("s3://bucket/a.jsonl")
    assert (error.slug, error.exit_code) == ("traffic-needs-fsspec", ExitCode.USAGE)
    assert "llmops-cli[remote]" in error.hint
