"""A file of messages is cut between them, so that each part is a file of messages again."""

import random
from pathlib import Path

import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import Options, Reading, chunks
from llmops_cli.traffic.frames import framed
from llmops_cli.traffic.sources import Source

EXPORT = Path(__file__).parents[1] / "fixtures" / "otlp" / "anthropic-opentelemetry-content.binpb"


def messages(count: int) -> list[bytes]:
    """As the collector writes them, each beginning with its first field; some are longer."""
    draw = random.Random(3)  # noqa: S311 - a reproducible file
    sizes = [draw.choice((1, 5, 60)) for _ in range(count)]
    return [size.to_bytes(4, "big") + b"\n" + b"x" * (size - 1) for size in sizes]


@pytest.mark.parametrize("most", [1, 40, 200, 10**6])
def test_parts_are_whole_messages_and_together_the_file(tmp_path: Path, most: int) -> None:
    path, told = tmp_path / "a.binpb", messages(50)
    path.write_bytes(b"".join(told))
    parts = framed(Source(str(path)), most)
    assert sum(count for _, _, count in parts) == len(told)
    data, first = path.read_bytes(), 0
    for begin, end, count in parts:
        assert data[begin:end] == b"".join(told[first : first + count])
        first += count
    assert (parts[0][0], parts[-1][1]) == (0, len(data))
    assert [end for _, end, _ in parts[:-1]] == [begin for begin, _, _ in parts[1:]]
    assert all(end - begin >= most for begin, end, _ in parts[:-1])


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (b"", []),
        (b"{}\n", []),
        (b"\x00\x00\x00\x00\n", []),
        (b"\x00\x00\x00\x02\nx", [(0, 6, 1)]),
        (b"\x00\x00\x00\x02\nx\x00\x00", [(0, 8, 1)]),
        (b"\x00\x00\x00\x02\nx" * 2 + b"\x00\x00\x00\x09\nx", [(0, 6, 1), (6, 12, 1), (12, 18, 0)]),
        # A message that does not begin as exports do stays behind the one before.
        (b"\x00\x00\x00\x02\nx" + b"\x00\x00\x00\x00" * 2, [(0, 14, 3)]),
    ],
)  # fmt: skip
def test_what_cannot_be_cut_stays_whole(
    tmp_path: Path, data: bytes, parts: list[tuple[int, int, int]]
) -> None:
    (tmp_path / "a.binpb").write_bytes(data)
    assert framed(Source(str(tmp_path / "a.binpb")), 1) == parts


def test_a_file_that_is_not_there_has_no_parts(tmp_path: Path) -> None:
    assert framed(Source(str(tmp_path / "a.binpb")), 1) == []


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("size", [1, 4_000, 20_000])
def test_neither_cuts_nor_workers_change_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, jobs: int
) -> None:
    data = EXPORT.read_bytes()
    whole = len(data).to_bytes(4, "big") + data if data[:1] == b"\n" else data
    path, broken = tmp_path / "a.binpb", (9).to_bytes(4, "big") + b"\nabcdefgh"
    path.write_bytes((whole * 3 + broken) * 4 + whole)

    def read(jobs: int) -> tuple[object, ...]:
        reading = Reading([path], Options(spans=True), jobs=jobs)
        rows = [row for table in reading.tables() for row in table.to_pylist()]
        spans = [row for table in reading.spans for row in table.to_pylist()]
        return rows, spans, reading.quarantine.rows, dict(reading.formats), reading.joins

    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1 << 30)
    alone = read(1)
    assert len(alone[2]) == 4
    monkeypatch.setattr(chunks, "CHUNK_BYTES", size)
    assert len(chunks.chunks(Source(str(path)), Options())) > 1
    assert read(jobs) == alone


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_cut_off_in_a_message_is_refused_wherever_it_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    data = EXPORT.read_bytes()
    whole = len(data).to_bytes(4, "big") + data if data[:1] == b"\n" else data
    path = tmp_path / "a.binpb"
    path.write_bytes((whole * 5)[:-7])
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1)
    with pytest.raises(LlmopsError, match="cut off") as refusal:
        list(Reading([path], Options(), jobs=jobs).tables())
    assert (refusal.value.slug, refusal.value.file) == ("traffic-not-protobuf", str(path))
