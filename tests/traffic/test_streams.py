"""Files become lines: whatever wrote them, however packed, and never past a limit in silence."""

import gzip
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from llmops_cli import read_calls
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic import streams
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import TOO_LONG, Slab, lines, open_bytes, pieces

LINE = json.dumps({"request": {"model": "gpt-5.1", "messages": [{"role": "user", "content": "x"}]}})
BOM = b"\xef\xbb\xbf"


def zstd(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data, asbytes=True)


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def read(path: Path | str, **more: bool) -> list[tuple[int, bytes]]:
    return list(lines(Source(str(path)), **more))


def refusal(path: Path | str) -> LlmopsError:
    with pytest.raises(LlmopsError) as caught:
        read(path)
    return caught.value


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"one\ntwo\n", [(1, b"one\n"), (2, b"two\n")]),
        (b"one\ntwo", [(1, b"one\n"), (2, b"two")]),
        (b"one\r\ntwo\r\n", [(1, b"one\r\n"), (2, b"two\r\n")]),
        (b"\n\none\n \t\r\ntwo\n\n", [(3, b"one\n"), (5, b"two\n")]),
        (BOM + b"one\ntwo\n", [(1, b"one\n"), (2, b"two\n")]),
        (BOM + b"\none\n", [(2, b"one\n")]),
        (b"one\n" + BOM + b"two\n", [(1, b"one\n"), (2, BOM + b"two\n")]),
        (b"one\x00\ntwo\x0b\x0cthree\n", [(1, b"one\x00\n"), (2, b"two\x0b\x0cthree\n")]),
        ("ein\u2028s\u0085\nzwei\n".encode(), [(1, "ein\u2028s\u0085\n".encode()), (2, b"zwei\n")]),
        (b"one\rtwo\r", [(1, b"one\rtwo\r")]),
    ],
)
@pytest.mark.parametrize(
    ("name", "pack"), [("a.jsonl", bytes), ("a.jsonl.gz", packed), ("a.jsonl.zst", zstd)]
)
def test_lines_and_their_numbers(
    tmp_path: Path,
    data: bytes,
    found: list[tuple[int, bytes]],
    name: str,
    pack: Callable[[bytes], bytes],
) -> None:
    assert read(written(tmp_path, name, pack(data))) == found


def test_blank_lines_can_be_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", b"a\n\n \nb\n")
    assert [number for number, _ in read(path, blank=True)] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["A.GZ", "a.jsonl.Gz", "A.ZST", "a.jsonl.Zst"])
def test_endings_are_known_in_any_case(tmp_path: Path, name: str) -> None:
    pack = packed if name.lower().endswith("gz") else zstd
    assert read(written(tmp_path, name, pack(b"one\n"))) == [(1, b"one\n")]


@pytest.mark.parametrize(("name", "pack"), [("a.gz", packed), ("a.zst", zstd)])
def test_files_that_were_packed_in_turns_are_read_to_the_end(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    data = pack(b"one\ntw") + pack(b"o\n") + pack(b"") + pack(b"three\n")
    assert [line for _, line in read(written(tmp_path, name, data))] == [
        b"one\n", b"two\n", b"three\n",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "pack", "slug"),
    [("a.gz", packed, "traffic-truncated-gzip"), ("a.zst", zstd, "traffic-truncated-zstd")],
)
@pytest.mark.parametrize("damage", ["cut", "head", "garbage", "other", "tail"])
def test_damaged_archives_are_refused(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes], slug: str, damage: str
) -> None:
    whole = pack(b"".join(b'{"number": %d}\n' % number for number in range(9999)))
    data = {
        "cut": whole[:-20],
        "head": whole[:2] + whole[4:],
        "garbage": b"no archive at all\n" * 9,
        "other": (zstd if name.endswith("gz") else packed)(b"one\n"),
        "tail": whole + b"and then some text",
    }[damage]
    error = refusal(written(tmp_path, name, data))
    assert (error.slug, error.exit_code) == (slug, ExitCode.BAD_INPUT)
    assert error.file == str(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", b""), ("a.jsonl", b"\n\n"), ("a.jsonl", BOM), ("a.jsonl", BOM + b"\n"),
        ("a.jsonl.gz", packed(b"")), ("a.jsonl.zst", zstd(b"")), ("a.jsonl.gz", b""),
        ("a.jsonl.zst", b""),
    ],
)  # fmt: skip
def test_nothing_at_all_is_said(tmp_path: Path, name: str, data: bytes) -> None:
    assert refusal(written(tmp_path, name, data)).slug == "traffic-empty"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named_where_it_says_so(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "a.jsonl", (LINE + "\n").encode(encoding))
    if encoding == "utf-16":  # with its mark
        assert refusal(path).slug == "traffic-not-utf8"
        assert "iconv" in refusal(path).hint
        return
    with pytest.raises(LlmopsError) as caught:
        read_calls([path])
    assert caught.value.slug == "traffic-no-calls"


def test_a_part_of_a_file_has_the_lines_that_begin_in_it(tmp_path: Path) -> None:
    data = b"".join(b"x" * length + b"\n" for length in (0, 1, 5, 30, 2, 0, 9))
    path = written(tmp_path, "a.jsonl", data)
    whole = [line for _, line in read(path, blank=True)]
    for cut in range(1, len(data)):
        parts = [lines(Source(str(path)), begin, end, blank=True)
                 for begin, end in ((0, cut), (cut, len(data)))]  # fmt: skip
        assert [line for part in parts for _, line in part] == whole


@pytest.mark.parametrize("start", [0, 2, 4, 5])
@pytest.mark.parametrize("end", [None, 18])
def test_the_first_line_of_a_part_comes_alone_and_tells_what_the_others_are(
    tmp_path: Path, start: int, end: int | None
) -> None:
    path = written(tmp_path, "a.jsonl", b"one\ntwo\nthree\nfour\nfive\n")
    # A slab is there only until the next is asked for.
    found = [
        ([piece] if isinstance(piece, bytes) else [*piece], isinstance(piece, Slab))
        for _, piece in pieces(Source(str(path)), start, end, lambda: True)
    ]
    assert [together for _, together in found] == [False] + [True] * (len(found) - 1)
    told = [line for some, _ in found for line in some]
    assert told == [line for _, line in lines(Source(str(path)), start, end)]


@pytest.mark.parametrize(("start", "end"), [(0, 0), (0, 5), (3, 26), (26, 26), (7, 20)])
def test_a_part_of_a_source_is_read_as_if_it_were_all(tmp_path: Path, start: int, end: int) -> None:
    data = bytes(range(65, 91))
    part = Source(str(written(tmp_path, "a.binpb", data))).part(start, end)
    with open_bytes(part) as stream:
        assert stream.read(4) + stream.read() == data[start:end]
        assert stream.read(1) == b""


def test_lines_past_the_limit_are_told_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LINE_LIMIT", 10)
    data = b"123456789\n" + b"1234567890\n" + b"x" * 95 + b"\nlast\n" + b"y" * 30
    found = read(written(tmp_path, "a.jsonl", data))
    assert [number for number, _ in found] == [1, 2, 3, 4, 5]
    assert [line is TOO_LONG for _, line in found] == [False, True, True, False, True]


def test_parts_of_a_file_agree_on_lines_past_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LINE_LIMIT", 10)
    data = b"a\n" + b"x" * 35 + b"\nb\n"
    path = written(tmp_path, "a.jsonl", data)
    for cut in range(1, len(data)):
        ends = ((0, cut), (cut, len(data)))
        parts = [line for begin, end in ends for _, line in lines(Source(str(path)), begin, end)]
        assert parts == [b"a\n", TOO_LONG, b"b\n"]


@pytest.mark.parametrize(("name", "pack"), [("a.gz", packed), ("a.zst", zstd)])
def test_archives_that_unpack_without_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pack: Callable[[bytes], bytes]
) -> None:
    # A real log of a million equal bytes stays below the amount from which the ratio counts.
    path = written(tmp_path, name, pack(b"x" * 9_000_000 + b"\n"))
    assert len(read(path)) == 1
    monkeypatch.setattr(streams, "_RATIO_FROM", 2_000_000)
    monkeypatch.setattr(streams, "_RATIO", 500)
    error = refusal(path)
    assert (error.slug, error.file) == ("traffic-zip-bomb", str(path))


@pytest.mark.parametrize(("name", "pack"), [("a.gz", packed), ("a.zst", zstd)])
def test_a_log_that_packs_well_is_no_bomb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(streams, "_RATIO_FROM", 1_000_000)
    data = b"".join(b'{"number": %d, "message": "the same words"}\n' % n for n in range(99_999))
    assert len(read(written(tmp_path, name, pack(data)))) == 99_999


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").mkdir()
    error = refusal(tmp_path / "x.jsonl")
    assert (error.slug, error.message) == ("traffic-unreadable", "cannot be read: Is a directory")


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "a.jsonl", b"one\n").chmod(0)
    superuser = os.geteuid() == 0  # who may read everything
    if superuser:
        os.seteuid(65534)
    try:
        error = refusal("a.jsonl")
    finally:
        if superuser:
            os.seteuid(0)
    assert (error.slug, error.file) == ("traffic-unreadable", "a.jsonl")
    assert error.message == "cannot be read: Permission denied"


@pytest.mark.parametrize(
    ("name", "pack"), [("pipe", bytes), ("pipe.gz", packed), ("pipe.zst", zstd)]
)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_named_pipe_is_read_once_and_to_its_end(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes], jobs: int
) -> None:
    pipe, other = tmp_path / name, written(tmp_path, "b.jsonl", f"{LINE}\n".encode())
    os.mkfifo(pipe)
    data = pack(f"{LINE}\n{LINE}\n".encode())
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    traffic = read_calls([other, pipe, tmp_path / "b.jsonl"], jobs=jobs)
    writer.join()
    assert traffic.calls["source_file"].tolist() == [str(other), str(pipe), str(pipe)]


READ = """
import sys
from llmops_cli import read_calls
found = read_calls(sys.argv[2:], jobs=int(sys.argv[1]))
print(len(found.calls), found.bad_count)
"""


def reading(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", READ, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=120)


def test_standard_input_may_stand_beside_files_and_workers(tmp_path: Path) -> None:
    first = written(tmp_path, "a.jsonl", f"{LINE}\n".encode())
    last = written(tmp_path, "b.jsonl", f"{LINE}\n".encode())
    done = reading(2, first, "-", last, stdin=f"{BOM.decode()}{LINE}\r\n\n{LINE}".encode())
    assert done.stdout.split() == [b"4", b"0"], done.stderr


def test_standard_input_stays_open_for_whoever_comes_next() -> None:
    then = READ + "sys.stdin.read(); print('open')"
    done = subprocess.run(
        [sys.executable, "-c", then, "1", "-"], input=LINE.encode(), capture_output=True,
        check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split() == [b"1", b"0", b"open"]


def test_closed_standard_input_is_an_error_with_a_way_out() -> None:
    command = f"exec {sys.executable} -c '{READ}' 1 - <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=120)
    assert b"standard input is closed" in done.stderr
    assert b"OSError" not in done.stderr


def test_objects_are_unpacked_as_files_are() -> None:
    system = fsspec.filesystem("memory")
    for name, pack in (("a.gz", packed), ("a.zst", zstd)):
        system.pipe(f"/packed/{name}", pack(b"one\ntwo\n"))
        assert [line for _, line in read(f"memory://packed/{name}")] == [b"one\n", b"two\n"]
    system.pipe("/packed/b.gz", packed(b"one\n" * 99)[:-9])
    assert refusal("memory://packed/b.gz").slug == "traffic-truncated-gzip"
    system.rm("/packed", recursive=True)


def test_an_object_that_goes_away_is_an_error() -> None:
    assert refusal("memory://nowhere/a.jsonl").slug == "traffic-unreadable"


@pytest.mark.parametrize(("name", "pack"), [("a", bytes), ("a.gz", packed), ("a.zst", zstd)])
def test_closing_a_stream_closes_the_file(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    stream = open_bytes(Source(str(written(tmp_path, name, pack(b"one\n")))))
    assert isinstance(stream, io.BufferedIOBase)
    stream.close()
    stream.close()
    assert stream.closed
