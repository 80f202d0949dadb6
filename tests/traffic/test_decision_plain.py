"""Plain CSV by the column reads as it does by the row, and leaves the rest to that reader."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.traffic.decision_plain import plain_columns
from llmops_cli.traffic.decision_rows import rows
from llmops_cli.traffic.quarantine import Quarantine
from llmops_cli.traffic.sources import Source

field = st.text(st.sampled_from("ab 1é"), max_size=3)


def by_row(path: Path) -> tuple[list[str], list[int], list[list[str]]]:
    header, *found = rows(Source(str(path)), Quarantine(0))
    return header[1], [line for line, _ in found], [row for _, row in found]


@given(
    table=st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(field, min_size=width, max_size=width).filter(any), min_size=1, max_size=12
        )
    ),
    ending=st.sampled_from(["\n", "\r\n"]),
    last=st.sampled_from(["", "\n"]),
)
def test_both_readers_agree(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], ending: str, last: str
) -> None:
    path = tmp_path_factory.mktemp("plain") / "d.csv"
    text = ending.join(",".join(row) for row in table) + last
    path.write_bytes(text.encode())
    found = plain_columns(Source(str(path)))
    assert found is not None
    header, columns = found
    wanted_header, lines, wanted = by_row(path)
    assert header == wanted_header
    assert lines == list(range(2, len(columns[0]) + 2))
    assert [list(row) for row in zip(*columns, strict=True)] == wanted


@pytest.mark.parametrize(
    "data",
    [
        b'judge,gold\n"1",1\n',  # a quote may hide a comma
        b"judge,gold\n1\n",  # a short row has to be named
        b"judge,gold\n1,1,1\n",
        b"judge,gold\n1,1\n1\n1,1,1\n",  # the numbers add up, the rows do not
        b"judge,gold\n\n1,1\n",  # a blank line moves the numbers of the others
        b"judge,gold\n,\n",
        b"judge,gold\r1,1\r",
        b"\xef\xbb\xbfjudge,gold\n1,1\n",
        b"judge,gold\n1,\xff\n",
        b"judge,gold\n1,\x00\n",
        b"",
    ],
)
def test_what_is_not_plain_is_left_alone(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes(data)
    assert plain_columns(Source(str(path))) is None


@pytest.mark.parametrize("name", ["-", "d.csv.gz", "absent.csv", "s3://bucket/d.csv"])
def test_only_plain_files_are_read(tmp_path: Path, name: str) -> None:
    where = name if name in {"-", "s3://bucket/d.csv"} else str(tmp_path / name)
    if name.endswith(".gz"):
        Path(where).write_bytes(b"judge,gold\n1,1\n")
    assert plain_columns(Source(where)) is None
