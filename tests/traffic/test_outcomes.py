"""Outcome tables: wide, long, RouterBench's and RouteLLM's columns, CSV, JSON lines and Parquet."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.outcome_columns import TOKENS
from llmops_cli.traffic.outcomes import (
    OutcomeColumns,
    OutcomeTable,
    looks_like_outcomes,
    read_outcomes,
)

WIDE = (
    "request_id,task,cluster,small,small|cost,small|latency,large,large|cost,large|latency\n"
    "r1,sum,c1,1,0.001,0.5,1,0.01,2\n"
    "r2,sum,c1,0,0.002,0.6,1,0.02,3\n"
    "r3,code,c2,0.5,0.001,nan,0.75,0.01,4\n"
)


def read(folder: Path, text: str, name: str = "outcomes.csv", **asked: object) -> OutcomeTable:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_outcomes([path], OutcomeColumns(**asked))  # type: ignore[arg-type]


def long_text() -> str:
    """The same as :data:`WIDE`, a row per answer and the answers of a model together."""
    frame = pd.read_csv(_path(WIDE))
    rows = ["request_id,model,quality,cost,latency,task,cluster"]
    for model in ("small", "large"):
        for _, row in frame.iterrows():
            late = row[f"{model}|latency"]
            seen = "" if np.isnan(late) else f"{late}"
            rows.append(
                f"{row['request_id']},{model},{row[model]},{row[f'{model}|cost']},{seen},"
                f"{row['task']},{row['cluster']}"
            )
    return "\n".join(rows) + "\n"


def _path(text: str) -> object:
    import io  # noqa: PLC0415 - one use

    return io.StringIO(text)


def test_a_wide_table(tmp_path: Path) -> None:
    table = read(tmp_path, WIDE)
    assert table.models == ("small", "large")
    assert table.quality.tolist() == [[1, 1], [0, 1], [0.5, 0.75]]
    assert table.cost_usd[:, 1].tolist() == [0.01, 0.02, 0.01]
    assert table.latency_s is not None
    assert np.isnan(table.latency_s[2, 0])
    assert table.tasks == ("sum", "code")
    assert table.task.tolist() == [0, 0, 1]
    assert table.cluster.tolist() == [0, 0, 1]
    assert (table.chosen, table.propensity, table.bad_rows) == (None, None, ())


def test_a_long_table_is_the_wide_one(tmp_path: Path) -> None:
    wide, long = read(tmp_path, WIDE), read(tmp_path, long_text(), "long.csv")
    assert wide.models == long.models
    for name in ("quality", "cost_usd", "latency_s", "task", "cluster"):
        np.testing.assert_array_equal(getattr(wide, name), getattr(long, name), err_msg=name)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_other_files_hold_the_same(tmp_path: Path, kind: str) -> None:
    for number, text in enumerate((WIDE, long_text())):
        frame = pd.read_csv(_path(text))
        path = tmp_path / f"{number}.{kind}"
        if kind == "parquet":
            frame.to_parquet(path)
        else:
            frame.to_json(path, orient="records", lines=True)
        found, wide = read_outcomes([path]), read(tmp_path, WIDE)
        for name in ("quality", "cost_usd", "latency_s", "task", "cluster"):
            np.testing.assert_allclose(getattr(found, name), getattr(wide, name), err_msg=name)


def test_chunks_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(tmp_path, long_text(), "long.csv")
    monkeypatch.setattr(
        "llmops_cli.traffic.outcome_rows.chunks.__kwdefaults__", {"rows": 2}, raising=True
    )
    parts = read(tmp_path, long_text(), "long.csv")
    for name in ("quality", "cost_usd", "latency_s", "task", "cluster"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name), err_msg=name)


def test_routerbench_columns(tmp_path: Path) -> None:
    text = (
        "sample_id,prompt,eval_name,a/x,b/y,a/x|model_response,a/x|total_cost,"
        "b/y|model_response,b/y|total_cost,oracle_model_to_route_to\n"
        "s1,hello,arc,1.0,0.0,yes,0.1,no,0.2,a/x\n"
        "s2,hello,mbpp,,1.0,yes,,no,0.2,b/y\n"
    )
    table = read(tmp_path, text)
    assert table.models == ("a/x", "b/y")
    assert table.tasks == ("arc", "mbpp")
    assert table.cost_usd[0].tolist() == [0.1, 0.2]
    assert np.isnan(table.quality[1, 0])
    assert np.isnan(table.cost_usd[1, 0])


def test_routellm_columns_are_the_ones_that_are_right_or_wrong(tmp_path: Path) -> None:
    text = "prompt,weak,strong,weak_response,note\nhi,True,False,a,1.5\nho,False,True,b,0\n"
    table = read(tmp_path, text)
    assert table.models == ("weak", "strong")
    assert table.quality.tolist() == [[1, 0], [0, 1]]
    assert np.isnan(table.cost_usd).all()


def test_named_models_may_be_graded(tmp_path: Path) -> None:
    text = "question,a,b,length\nq,7,10,3\nr,1,4,3\n"
    table = read(tmp_path, text, models=("a", "b"), quality_range=(1.0, 10.0))
    np.testing.assert_allclose(table.quality, [[6 / 9, 1], [0, 3 / 9]])


def test_tokens_and_scores_and_text_where_they_are_asked_for(tmp_path: Path) -> None:
    text = (
        "id,prompt,a,b,a|input_tokens,a|output_tokens,a|cache_read_tokens,"
        "b|input_tokens,b|output_tokens,router\n"
        "1,hello,1,0,10,5,7,20,6,0.25\n"
    )
    asked = {"keep_tokens": True, "keep_text": True, "scores": ("router",)}
    table = read(tmp_path, text, **asked)
    assert table.tokens is not None
    assert table.tokens.shape == (1, 2, len(TOKENS))
    assert table.tokens[0, 0].tolist() == [10, 7, 0, 0, 5]
    assert (table.text, table.scores.tolist()) == (("hello",), [[0.25]])
    plain = read(tmp_path, text)
    assert (plain.tokens, plain.text) == (None, None)


def test_the_chosen_model_of_a_log(tmp_path: Path) -> None:
    head = "request_id,model,quality,cost,propensity\n"
    table = read(tmp_path, head + "1,a,1,1,0.5\n2,b,0,1,0.25\n")
    assert table.chosen is not None
    assert table.propensity is not None
    assert table.chosen.tolist() == [0, 1]
    assert table.propensity.tolist() == [0.5, 0.25]
    marked = (
        "request_id,model,quality,cost,chosen\n1,a,1,1,no\n1,b,1,1,yes\n2,a,0,1,no\n2,b,1,1,no\n"
    )
    found = read(tmp_path, marked).chosen
    assert found is not None
    assert found.tolist() == [1, -1]


def test_files_may_be_classes(tmp_path: Path) -> None:
    for name in ("law", "art"):
        (tmp_path / f"{name}.csv").write_text("a,b\nTrue,False\n", encoding="utf-8")
    table = read_outcomes([tmp_path], OutcomeColumns(task_of_file=True))
    assert table.tasks == ("art", "law")


BAD = [
    ("r9,x,c,2,0.1,1,1,0.1,1", "outcomes-bad-quality", "small"),
    ("r9,x,c,good,0.1,1,1,0.1,1", "outcomes-bad-quality", "small"),
    ("r9,x,c,1,-0.1,1,1,0.1,1", "outcomes-bad-cost", "small|cost"),
    ("r9,x,c,1,0.1,1,1,cheap,1", "outcomes-bad-cost", "large|cost"),
    ("r9,x,c,1,0.1,-1,1,0.1,1", "outcomes-bad-latency", "small|latency"),
    ("r9,x,c,1,0.1,inf,1,0.1,1", "outcomes-bad-latency", "small|latency"),
    ("r9,x,c,1,0.1", "outcomes-short-row", ""),
    ("r9,x, and y,c,1,0.1,1,1,0.1,1", "outcomes-long-row", ""),
    ("r1,x,c,1,0.1,1,1,0.1,1", "outcomes-duplicate", "id"),
]


@pytest.mark.parametrize(("row", "slug", "field"), BAD)
def test_a_bad_row_is_kept_by_place_and_the_others_stay(
    tmp_path: Path, row: str, slug: str, field: str
) -> None:
    table = read(tmp_path, WIDE + row + "\n")
    (bad,) = table.bad_rows
    assert (bad.line, bad.slug, bad.field) == (5, slug, field)
    assert len(table.quality) == 3
    assert "good" not in bad.message
    assert "cheap" not in bad.message


def test_an_answer_that_comes_twice_is_quarantined(tmp_path: Path) -> None:
    table = read(tmp_path, long_text() + "r1,small,0,0.001,0.5,sum,c1\n", "long.csv")
    (bad,) = table.bad_rows
    assert (bad.slug, bad.line) == ("outcomes-duplicate", 8)
    assert table.quality[0, 0] == 1


def test_json_lines_may_name_a_model_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "llmops_cli.traffic.outcome_rows.chunks.__kwdefaults__", {"rows": 2}, raising=True
    )
    rows = [{"id": i, "a": 1, "a|cost": 1, "b": 0, "b|cost": 2} for i in range(3)]
    rows.append({"id": 9, "a": 1, "a|cost": 1, "b": 0, "b|cost": 2, "c": 1, "c|cost": 3})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    table = read(tmp_path, text + "{broken\n", "late.jsonl")
    assert table.models == ("a", "b", "c")
    assert np.isnan(table.quality[:3, 2]).all()
    assert table.quality[3, 2] == 1
    assert [bad.slug for bad in table.bad_rows] == ["traffic-not-json"]


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("", "traffic-empty"),
        ("a,b\n", "outcomes-empty"),
        ("prompt,answer\nx,y\n", "outcomes-no-models"),
        ("model,cost\na,1\n", "outcomes-missing-column"),
        ("model,quality,cost,cost_usd\na,1,1,1\n", "outcomes-ambiguous-column"),
        ("a,a,b\n1,1,0\n", "outcomes-repeated-column"),
        ("a,a|cost,b,b|cost\n5,1,5,1\n", "outcomes-empty"),
        ('a,b\n1,"0\n', "outcomes-not-csv"),
    ],
)
def test_refusals(tmp_path: Path, text: str, slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        read(tmp_path, text)
    assert caught.value.slug == slug


def test_wide_and_long_files_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(WIDE, encoding="utf-8")
    (tmp_path / "b.csv").write_text(long_text(), encoding="utf-8")
    with pytest.raises(LlmopsError) as caught:
        read_outcomes([tmp_path])
    assert caught.value.slug == "outcomes-mixed-tables"


def test_the_limit_of_bad_rows(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(WIDE + BAD[0][0] + "\n" + BAD[1][0] + "\n", encoding="utf-8")
    with pytest.raises(LlmopsError) as caught:
        read_outcomes([path], max_bad_rows=1)
    assert caught.value.slug == "traffic-too-many-bad-rows"


def test_a_log_is_no_outcome_table(tmp_path: Path, datasets: Path) -> None:
    assert not looks_like_outcomes([datasets / "chat.jsonl.gz"])
    assert looks_like_outcomes([datasets / "outcomes.csv"])
    (tmp_path / "o.jsonl").write_text('{"a": 1, "a|cost": 1, "b": 0, "b|cost": 1}\n', "utf-8")
    assert looks_like_outcomes([tmp_path / "o.jsonl"])
    assert not looks_like_outcomes([tmp_path / "absent.csv"])


CELLS = st.one_of(
    st.sampled_from(
        ["0", "1", "0.5", "True", "no", "", "nan", "inf", "-1", "2", "x", '"', "a,b", "é", "1e999"]
    ),
    st.text(max_size=4),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(
            ["a", "b", "a|cost", "b|cost", "b|latency", "task", "cluster", "id", "model",
             "quality", "cost", "propensity", "chosen", "prompt", ""]
        ),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.lists(CELLS, min_size=1, max_size=8), max_size=6),
    st.sampled_from(["f.csv", "f.jsonl"]),
)  # fmt: skip
def test_no_table_breaks_the_reader(
    tmp_path: Path, header: list[str], rows: list[list[str]], name: str
) -> None:
    path = tmp_path / name
    if name.endswith("csv"):
        text = "\n".join(",".join(row) for row in (header, *rows)) + "\n"
    else:
        found = [dict(zip(header, row, strict=False)) for row in rows]
        text = "".join(json.dumps(row) + "\n" for row in found)
    path.write_text(text, encoding="utf-8", errors="replace")
    columns = OutcomeColumns(keep_text=True, keep_tokens=True)
    try:
        table = read_outcomes([path], columns, max_bad_rows=10**6)
    except LlmopsError:
        return
    known = table.quality[~np.isnan(table.quality)]
    assert ((known >= 0) & (known <= 1)).all()
    assert (np.nan_to_num(table.cost_usd) >= 0).all()
    assert len(table.task) == len(table.cluster) == len(table.quality)


@pytest.mark.parametrize("mark", [";", "\t"])
def test_other_separators_are_named(tmp_path: Path, mark: str) -> None:
    with pytest.raises(LlmopsError, match="no columns of two models") as caught:
        read(tmp_path, WIDE.replace(",", mark))
    assert caught.value.hint == "its fields are not separated by commas; write it as CSV"


def test_a_broken_table_is_still_a_table_and_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.csv"
    path.write_text(WIDE + '"r4,code,c2,1,1,1,1,1,1\n', encoding="utf-8")
    assert looks_like_outcomes([path])
    with pytest.raises(LlmopsError) as caught:
        read_outcomes([path])
    assert (caught.value.slug, caught.value.line) == ("outcomes-not-csv", 5)


@pytest.mark.parametrize("value", ["1e13", "1e308", "inf", "-0.1"])
def test_no_request_costs_or_takes_more_than_sums_can_hold(tmp_path: Path, value: str) -> None:
    table = read(tmp_path, WIDE.replace(",0.002,", f",{value},").replace(",4\n", f",{value}\n"))
    assert [row.slug for row in table.bad_rows] == ["outcomes-bad-cost", "outcomes-bad-latency"]
    assert len(table.quality) == 1
