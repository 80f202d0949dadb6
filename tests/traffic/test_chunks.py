"""Files are read in parts: how they are cut, and by how many workers, changes nothing."""

import gzip
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from llmops_cli.calls import from_arrow
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import Options, Reading, chunks, read_traffic
from llmops_cli.traffic.chunks import Chunk, ChunkRead, hand_over, read_in_pieces
from llmops_cli.traffic.handed import Handed
from llmops_cli.traffic.sources import Source

TYPICAL: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "typical_lines.json").read_bytes()
)


def mixed_log(path: Path) -> Path:
    """Every format, blank lines, lines that cannot be read, and no newline at the end."""
    draw = random.Random(5)  # noqa: S311 - a reproducible log
    lines = [json.dumps(line) for lines in TYPICAL.values() for line in lines]
    lines += ["", " ", "{broken", "[]", '{"other": 1}', json.dumps({"request": {"model": 5}})]
    text = "\n".join(draw.choice(lines) for _ in range(400))
    path.write_text("\ufeff" + text + "\n\n\n" + lines[0], encoding="utf-8")
    return path


class Outcome:
    """Everything a reading tells."""

    def __init__(self, paths: list[Path], jobs: int, **options: Any) -> None:  # noqa: ANN401
        reading = Reading(paths, Options(**{"max_bad_rows": 10_000} | options), jobs=jobs)
        self.tables = [from_arrow(table) for table in reading.tables()]
        self.calls = pd.concat(self.tables, ignore_index=True)
        self.told = (
            reading.quarantine.rows, dict(reading.formats), dict(reading.skipped), reading.joins,
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("size", [1, 700, 5_000, 1 << 30])
def test_neither_cuts_nor_workers_change_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, jobs: int
) -> None:
    path = mixed_log(tmp_path / "a.jsonl")
    whole = Outcome([path], 1)
    assert {row.line for row in whole.told[0]}
    monkeypatch.setattr(chunks, "CHUNK_BYTES", max(size, path.stat().st_size // 200))
    parts = chunks.chunks(Source(str(path)), Options())
    assert len(parts) > 1 or size > path.stat().st_size
    found = Outcome([path], jobs)
    pd.testing.assert_frame_equal(found.calls, whole.calls)
    assert found.told == whole.told


def test_lines_are_numbered_as_an_editor_numbers_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mixed_log(tmp_path / "a.jsonl")
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 2_000)
    found = Outcome([path], 2)
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    for row in found.told[0]:
        assert lines[row.line - 1].startswith(("{broken", "[]", '{"other"', '{"request"'))
    for line in found.calls["source_line"]:
        assert lines[line - 1].startswith("{")


def test_a_few_columns_say_the_same_whoever_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mixed_log(tmp_path / "a.jsonl")
    whole = Outcome([path], 1).calls
    monkeypatch.setattr(chunks, "CHUNK_BYTES", path.stat().st_size // 20)
    options, columns = Options(max_bad_rows=10_000), ("call_id", "request_model", "block_hashes")
    for jobs in (1, 2):
        found = read_traffic([path], options, jobs=jobs, columns=columns).calls
        assert sorted(found.columns) == sorted(columns)
        for name in columns:
            assert found[name].tolist() == whole[name].tolist(), name


@pytest.mark.parametrize("limit", [0, 3])
@pytest.mark.parametrize("size", [300, 5_000, 1 << 30])
@pytest.mark.parametrize("jobs", [1, 2])
def test_too_many_bad_rows_stop_at_the_same_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, jobs: int, limit: int
) -> None:
    path = mixed_log(tmp_path / "a.jsonl")
    first = [row.line for row in Outcome([path], 1).told[0]][: limit + 1]  # in one piece
    monkeypatch.setattr(chunks, "CHUNK_BYTES", size)
    reading = Reading([path], Options(max_bad_rows=limit), jobs=jobs)
    with pytest.raises(LlmopsError) as refusal:
        list(reading.tables())
    assert [row.line for row in reading.quarantine.rows] == first
    assert refusal.value.line == first[0]


def test_several_files_keep_their_order_whoever_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        mixed_log(tmp_path / f"{name}.jsonl")
    packed = gzip.compress((tmp_path / "a.jsonl").read_bytes(), mtime=0)
    (tmp_path / "b.jsonl.gz").write_bytes(packed)
    names = [tmp_path / name for name in ("c.jsonl", "b.jsonl.gz", "a.jsonl", "b.jsonl")]
    alone = Outcome(names, 1)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 9_000)
    assert not Chunk(Source(str(names[1])), Options()).portable
    together = Outcome(names, 2)
    pd.testing.assert_frame_equal(together.calls, alone.calls)
    assert together.told == alone.told


@pytest.mark.parametrize(
    "options", [{"format": "otlp-protobuf"}, {"mapping": (("request_model", "model"),)}]
)
def test_what_is_not_read_line_by_line_is_never_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 10)
    path = mixed_log(tmp_path / "a.jsonl")
    assert len(chunks.chunks(Source(str(path)), Options(**options))) == 1
    for name in ("a.pb", "a.csv", "a.parquet", "a.jsonl.gz"):
        (tmp_path / name).write_bytes(b"x" * 99)
        assert len(chunks.chunks(Source(str(tmp_path / name)), Options())) == 1


@pytest.mark.parametrize(
    ("name", "size", "portable"),
    [
        ("a.jsonl", 50, True), ("a.jsonl.gz", 10, True), ("a.jsonl.gz", 50, False),
        ("a.parquet", 50, False), ("a.pb", 50, True), ("a.pb", 150, False), ("a.jsonl", 0, False),
    ],
)  # fmt: skip
def test_what_another_process_may_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: int, *, portable: bool
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 100)
    (tmp_path / name).write_bytes(b"x" * size)
    assert Chunk(Source(str(tmp_path / name)), Options()).portable is portable
    assert not Chunk(Source("-"), Options()).portable
    assert not Chunk(Source("memory://bucket/a.jsonl"), Options()).portable


def test_a_part_handed_over_is_the_same_as_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmops_cli.traffic.table.BATCH_ROWS", 1)
    monkeypatch.setattr("llmops_cli.traffic.table._SLICE_ROWS", 3)
    options = Options(max_bad_rows=10_000, spans=True)
    chunk = Chunk(Source(str(mixed_log(tmp_path / "a.jsonl"))), options)
    folder = tmp_path / "handed"
    folder.mkdir()
    pieces, whole = list(read_in_pieces(chunk)), hand_over(folder, chunk)
    assert len(pieces) > 20
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert whole.last
    given = [batch for piece in pieces for batch in piece.batches]
    assert [batch.kind for batch in whole.batches] == [batch.kind for batch in given]
    assert {batch.kind for batch in given} == {"calls", "staged", "spans"}
    for batch, other in zip(whole.batches, given, strict=True):
        assert isinstance(batch, Handed)
        assert batch.table == other.table.select(batch.names)
        assert batch.kind == "staged" or batch.names == other.table.schema.names
    assert not [*folder.iterdir()]
    assert (whole.bad, whole.formats, whole.skipped, whole.lines) == (
        pieces[-1].bad, pieces[-1].formats, pieces[-1].skipped, pieces[-1].lines,
    )  # fmt: skip


@pytest.mark.parametrize("spooled", [True, False])
def test_what_workers_hand_over_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, spooled: bool
) -> None:
    path = mixed_log(tmp_path / "a.jsonl")
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 9_000)
    spool = folder if spooled else None
    reading = Reading([path], Options(max_bad_rows=10_000, spans=True), jobs=2, spool=spool)
    assert sum(table.num_rows for table in reading.tables()) > 100
    assert not [*folder.iterdir()]


@pytest.fixture
def killer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A flag; the first worker process that finds it removes it and is killed."""
    flag = tmp_path / "kill"
    flag.touch()
    folder = tmp_path / "site"
    folder.mkdir()
    # Python runs this file in every new process that finds it on its path.
    (folder / "sitecustomize.py").write_text(
        "import os, signal, sys, threading\n"
        f"flag = {str(flag)!r}\n"
        "def shoot():\n"
        "    while 'llmops_cli.traffic.chunks' not in sys.modules:\n"
        "        pass\n"
        "    try:\n"
        "        os.unlink(flag)\n"
        "    except FileNotFoundError:\n"
        "        return\n"
        f"    os.kill(os.getpid(), {signal.SIGKILL.value})\n"
        "if os.path.exists(flag) and '--multiprocessing-fork' in sys.orig_argv:\n"
        "    threading.Thread(target=shoot, daemon=True).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *_path()]))
    yield flag
    assert not flag.exists()


def _path() -> list[str]:
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]


def test_a_killed_worker_loses_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killer: Path
) -> None:
    path = mixed_log(tmp_path / "a.jsonl")
    alone = Outcome([path], 1)

    def slowly(chunk: Chunk) -> Iterator[ChunkRead]:
        # Until a worker came and was killed, this process shall not have done all by itself.
        time.sleep(0.2 * killer.exists())
        return read_in_pieces(chunk)

    monkeypatch.setattr(chunks, "read_in_pieces", slowly)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 9_000)
    found = Outcome([path], 2)
    pd.testing.assert_frame_equal(found.calls, alone.calls)
    assert found.told == alone.told
