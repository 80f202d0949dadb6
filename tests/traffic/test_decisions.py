"""Decisions from CSV, JSON lines and Parquet: one meaning, and every bad row named."""

import gzip
import json
import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.decisions import LABELS, read_decisions

ROWS = [
    {"id": "a", "judge": 1, "gold": 1, "task": "sum"},
    {"id": "b", "judge": 0, "gold": 1, "task": "sum, long"},
    {"id": "c", "judge": 1, "gold": None, "task": "two\nlines"},
]
CODES = {"judge": [1, 0, 1], "gold": [1, 1, 2]}


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(path: Path | str, **options: object) -> LlmopsError:
    with pytest.raises(LlmopsError) as caught:
        read_decisions([path], **options)  # type: ignore[arg-type]
    assert caught.value.exit_code == 3
    return caught.value


@pytest.mark.parametrize("name", ["d.csv", "d.jsonl", "d.parquet", "d.csv.gz"])
def test_every_form_reads_the_same(tmp_path: Path, name: str) -> None:
    path, frame = tmp_path / name, pd.DataFrame(ROWS)
    if name == "d.jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif name == "d.parquet":
        frame.to_parquet(path)
    else:
        data = frame.to_csv(index=False).encode()
        path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    found = read_decisions([path])
    assert {key: found.frame[key].tolist() for key in CODES} == CODES
    assert found.frame["task"].tolist() == ["sum", "sum, long", "two\nlines"]
    assert found.bad_rows == ()


@pytest.mark.parametrize("spelling", sorted(LABELS))
def test_every_spelling_of_a_label(tmp_path: Path, spelling: str) -> None:
    path = write(tmp_path, "d.csv", f"id,judge,gold\nx,{spelling.title()}, {spelling.upper()} \n")
    frame = read_decisions([path]).frame
    assert frame["judge"].tolist() == frame["gold"].tolist() == [LABELS[spelling]]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_booleans_survive_json(pairs: list[tuple[bool, bool]]) -> None:
    import tempfile  # noqa: PLC0415 - hypothesis and tmp_path do not mix

    with tempfile.TemporaryDirectory() as folder:
        lines = [json.dumps({"judge": judge, "gold": gold}) for judge, gold in pairs]
        path = write(Path(folder), "d.jsonl", "\n".join(lines) + "\n")
        frame = read_decisions([path]).frame
    assert list(zip(frame["judge"] == 1, frame["gold"] == 1, strict=True)) == pairs


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = write(tmp_path, "d.csv", "verdict,truth\n1,0\n")
    frame = read_decisions([path], names={"judge": "verdict", "gold": "truth"}).frame
    assert (frame["judge"].tolist(), frame["gold"].tolist()) == ([1], [0])


def test_costs_are_numbers_of_dollars(tmp_path: Path) -> None:
    path = write(tmp_path, "d.csv", "judge,gold,weak_cost_usd\n1,1,0.002\n1,1,\n1,1,-1\n1,1,x\n")
    found = read_decisions([path])
    assert found.frame["weak_cost_usd"][0] == 0.002
    assert math.isnan(found.frame["weak_cost_usd"][1])
    assert [(row.line, row.slug, row.field) for row in found.bad_rows] == [
        (4, "decisions-bad-number", "weak_cost_usd"),
        (5, "decisions-bad-number", "weak_cost_usd"),
    ]


def test_bad_rows_are_named_by_line_and_field(tmp_path: Path) -> None:
    text = 'id,judge,gold\na,1,1\nb,1,maybe\n"c\nd",1,1\ne,1\na,0,0\na,1,1\n'
    found = read_decisions([write(tmp_path, "d.csv", text)])
    assert found.frame["id"].tolist() == ["a", "c\nd"]
    assert [(row.line, row.slug, row.field) for row in found.bad_rows] == [
        (3, "decisions-bad-label", "gold"),
        (6, "decisions-short-row", ""),
        (7, "decisions-conflicting-id", "id"),
        (8, "decisions-duplicate-id", "id"),
    ]
    assert "maybe" not in found.bad_rows[0].message


def test_a_comma_that_is_not_quoted_moves_no_value_into_another_column(tmp_path: Path) -> None:
    text = "task,judge,gold\na,1,1\nb, or not b,1,0\nc,0,0,,\n"
    found = read_decisions([write(tmp_path, "d.csv", text)])
    assert found.frame["task"].tolist() == ["a", "c"]
    assert [(row.line, row.slug) for row in found.bad_rows] == [(3, "decisions-long-row")]


def test_too_many_bad_rows_stop_the_reading(tmp_path: Path) -> None:
    path = write(tmp_path, "d.csv", "judge,gold\n" + "1,x\n" * 5)
    error = refusal(path, max_bad_rows=3)
    assert (error.slug, error.line, error.field) == ("traffic-too-many-bad-rows", 2, "gold")
    error = refusal(path, max_bad_rows=0)
    assert (error.slug, error.line) == ("decisions-bad-label", 2)


@pytest.mark.parametrize(
    ("name", "content", "slug", "says"),
    [
        ("d.csv", b"", "traffic-empty", "nothing in it"),
        ("d.csv", b"judge,gold\n", "decisions-empty", "no decision"),
        ("d.csv", b"judge,gold\n1,x\n", "decisions-empty", "none of 1 rows"),
        ("d.csv", b"judge,gold\nx,1\nx,0\n1,1\n", "decisions-bad-label", "2 of 3 verdicts"),
        ("d.csv", b"judge,truth\n1,1\n", "decisions-missing-column", "'gold' is not among"),
        ("d.csv", b"judge,gold,gold\n1,1,0\n", "decisions-repeated-column", "'gold'"),
        ("d.csv", b"a,b\n1,1\n", "decisions-missing-column", "'judge' is not among"),
        ("d.csv", "id,judge,gold\nü,1,1\n".encode("latin1"), "traffic-not-utf8", "not UTF-8"),
        ("d.csv", "judge,gold\n1,1\n".encode("utf-16"), "traffic-not-utf8", "UTF-16"),
        ("d.csv", b'judge,gold\n1,"1\n', "decisions-not-csv", "breaks off"),
        ("d.parquet", b"judge,gold\n1,1\n", "traffic-not-parquet", "not a Parquet file"),
        ("d.csv.gz", b"judge,gold\n1,1\n", "traffic-truncated-gzip", "gzip"),
    ],
)
def test_bad_files_are_refused(
    tmp_path: Path, name: str, content: bytes, slug: str, says: str
) -> None:
    error = refusal(write(tmp_path, name, content))
    assert error.slug == slug
    assert says in error.message
    assert error.file.endswith(name)


def test_verdicts_that_cannot_be_read_stay_without_a_verdict(tmp_path: Path) -> None:
    path = write(tmp_path, "d.csv", "judge,gold\n1,1\nmaybe,1\n0,0\n")
    found = read_decisions([path], max_bad_rows=0)
    assert found.frame["judge"].tolist() == [1, 2, 0]
    assert [(row.line, row.slug, row.field) for row in found.unparsable] == [
        (3, "decisions-bad-label", "judge")
    ]
    assert "maybe" not in found.unparsable[0].message


def test_a_missing_column_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "d.csv", "judge,gold_label\n1,1\n")
    assert refusal(path).hint == "name it: --gold gold_label"
    semicolons = write(tmp_path, "s.csv", "judge;gold\n1;1\n")
    assert "not separated by commas" in refusal(semicolons).hint
    error = refusal(path, names={"gold": "gold_labels"})
    assert error.hint == "did you mean 'gold_label'?"


def test_a_cut_json_line_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "d.jsonl", '{"judge":1,"gold":1}\nnot json\n{"judge":1,"go')
    found = read_decisions([path])
    assert len(found.frame) == 1
    assert [(row.line, row.slug) for row in found.bad_rows] == [
        (2, "traffic-not-json"),
        (3, "traffic-truncated-line"),
    ]


def test_files_of_different_columns_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "judge,gold\n1,1\n")
    write(tmp_path, "b.csv", "judge,gold,task\n1,1,x\n")
    assert refusal(tmp_path).slug == "decisions-different-columns"


def test_a_byte_order_mark_is_not_part_of_a_name(tmp_path: Path) -> None:
    path = write(tmp_path, "d.csv", b"\xef\xbb\xbfjudge,gold\n1,1\n")
    assert len(read_decisions([path]).frame) == 1
