"""A dataset holds every call once, whatever is added to it again and wherever a run is cut off."""

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic import Options, read_calls, read_traffic
from llmops_cli.traffic.dataset import Dataset
from llmops_cli.traffic.ingestion import Ingested, ingest_into


def line(name: str, day: int = 1, model: str = "claude-sonnet-4-6") -> str:
    body = {
        "timestamp": f"2026-09-{day:02d}T08:00:00Z",
        "request": {"model": model, "messages": [{"role": "user", "content": f"secret {name}"}]},
        "response": {"type": "message", "id": name, "model": model, "usage": {"input_tokens": 9}},
    }
    return json.dumps(body) + "\n"


def session(message: str, request: str, output: int = 5) -> str:
    body = {
        "type": "assistant",
        "uuid": f"{message}-{output}",
        "sessionId": "s1",
        "requestId": request,
        "timestamp": "2026-09-01T08:00:00Z",
        "message": {
            "id": message,
            "model": "claude-sonnet-4-6",
            "usage": {"input_tokens": 3, "output_tokens": output},
        },
    }
    return json.dumps(body) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "a.jsonl"
    path.parent.mkdir()
    path.write_text("".join(line(f"m{number}", day=1 + number % 3) for number in range(9)))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "calls"


def add(target: Path, *paths: Path, options: Options | None = None) -> Ingested:
    return ingest_into(target, paths, options or Options())


def ids(target: Path) -> list[str]:
    return sorted(read_calls([target]).calls["call_id"])


def files(target: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(target.rglob("*")) if path.is_file())
    return {str(path.relative_to(target)): path.read_bytes() for path in paths}


def test_calls_lie_by_day_provider_and_model(target: Path, log: Path) -> None:
    log.write_text(line("m1") + line("m2", day=2) + line("m3", model="claude/odd model"))
    assert add(target, log).rows == 3
    folders = {str(path.parent.relative_to(target)) for path in target.rglob("*.parquet")}
    assert folders == {
        "day=2026-09-01/provider=anthropic/model=claude-sonnet-4-6",
        "day=2026-09-02/provider=anthropic/model=claude-sonnet-4-6",
        "day=2026-09-01/provider=anthropic/model=claude%2Fodd%20model",
    }


def test_a_call_without_time_or_model_is_kept(target: Path, log: Path) -> None:
    log.write_text(json.dumps({"response": {"type": "message", "id": "m"}, "request": {
        "model": "claude-x", "messages": []}}) + "\n")  # fmt: skip
    add(target, log)
    assert [path.parts[-4] for path in target.rglob("*.parquet")] == ["day=unknown"]
    assert ids(target) == ["m"]


def test_a_dataset_reads_as_the_log_it_was_made_of(target: Path, log: Path) -> None:
    add(target, log)
    order = ["call_id"]
    there = read_calls([target]).calls.sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(
        there, read_calls([log]).calls.sort_values(order, ignore_index=True)
    )


def test_other_tools_see_the_same_calls_and_the_partition(target: Path, log: Path) -> None:
    add(target, log)
    table = pq.read_table(target)
    assert table.num_rows == 9
    assert {"day", "provider", "model"} <= set(table.schema.names)


def test_the_same_file_twice_adds_nothing(target: Path, log: Path) -> None:
    add(target, log)
    before = files(target)
    again = add(target, log)
    assert (again.rows, again.read, again.known) == (0, [], [str(log)])
    assert files(target) == before


def test_the_same_content_under_another_name_adds_nothing(target: Path, log: Path) -> None:
    add(target, log)
    log.rename(log.with_name("a.jsonl.1.jsonl"))
    assert add(target, log.parent).rows == 0


def test_two_files_of_the_same_content_count_once(target: Path, log: Path) -> None:
    shutil.copy(log, log.with_name("copy.jsonl"))
    assert add(target, log.parent).rows == 9
    assert len(ids(target)) == 9


def test_another_file_is_added(target: Path, log: Path) -> None:
    add(target, log)
    other = log.with_name("b.jsonl")
    other.write_text(line("n1"))
    assert add(target, log.parent).rows == 1
    assert ids(target) == [*(f"m{number}" for number in range(9)), "n1"]


def test_a_grown_file_replaces_what_it_gave_before(target: Path, log: Path) -> None:
    log.write_text(log.read_text()[:-20])  # its writer was in the middle of a line
    first = add(target, log)
    assert (first.rows, len(first.quarantine.rows)) == (8, 1)
    log.write_text("".join(line(f"m{number}", day=1 + number % 3) for number in range(12)))
    assert add(target, log).rows == 12
    assert ids(target) == sorted(f"m{number}" for number in range(12))
    assert len(list((target / ".llmops").glob("*.commit.json"))) == 1


def test_a_log_that_began_anew_under_its_old_name_is_added(target: Path, log: Path) -> None:
    add(target, log)
    log.write_text(line("fresh") * 1 + "".join(line(f"x{n}") for n in range(20)))
    assert add(target, log).rows == 21
    assert len(ids(target)) == 30


def test_the_same_logs_give_the_same_bytes(tmp_path: Path, log: Path) -> None:
    for name in ("one", "two"):
        add(tmp_path / name, log)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_rows_that_join_are_read_together(target: Path, tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text(session("msg_1", "r1", output=2))
    (tmp_path / "two.jsonl").write_text(session("msg_1", "r1", output=7) + session("msg_2", "r2"))
    assert add(target, tmp_path / "one.jsonl").rows == 1
    # A resumed session repeats the lines of the one before: only together they count once.
    assert add(target, tmp_path / "one.jsonl", tmp_path / "two.jsonl").rows == 2
    assert ids(target) == ["msg_1", "msg_2"]


def test_what_was_read_with_another_file_cannot_grow_without_it(
    target: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    one.write_text(session("msg_1", "r1"))
    two.write_text(session("msg_2", "r2"))
    add(target, one, two)
    two.write_text(two.read_text() + session("msg_3", "r3"))
    with pytest.raises(LlmopsError) as caught:
        add(target, two)
    assert (caught.value.slug, caught.value.file) == ("dataset-part-of-more", str(two))
    assert ids(target) == ["msg_1", "msg_2"]
    assert add(target, one, two).rows == 3


def test_a_refused_log_leaves_nothing_behind(target: Path, log: Path) -> None:
    add(target, log)
    before = files(target)
    bad = log.with_name("bad.jsonl")
    bad.write_text("{broken\n" + line("n1"))
    with pytest.raises(LlmopsError) as caught:
        add(target, bad, options=Options(max_bad_rows=0))
    assert caught.value.slug == "traffic-not-json"
    assert files(target) == before


def test_bad_rows_are_counted_over_all_files(target: Path, log: Path) -> None:
    for name in ("b", "c"):
        log.with_name(f"{name}.jsonl").write_text("{broken\n" + line(name))
    with pytest.raises(LlmopsError) as caught:
        add(target, log.parent, options=Options(max_bad_rows=1))
    assert caught.value.slug == "traffic-too-many-bad-rows"
    assert add(target, log.parent, options=Options(max_bad_rows=2)).rows == 1


def test_a_folder_without_any_call_is_refused(target: Path, log: Path) -> None:
    log.write_text("{broken\n")
    with pytest.raises(LlmopsError) as caught:
        add(target, log)
    assert caught.value.slug == "traffic-no-calls"


@pytest.mark.parametrize(
    ("first", "then", "slug"),
    [
        (Options(), Options(hash_key=b"k"), "dataset-other-key"),
        (Options(hash_key=b"k"), Options(), "dataset-other-key"),
        (Options(hash_key=b"k"), Options(hash_key=b"l"), "dataset-other-key"),
        (Options(), Options(keep_content=True), "dataset-other-content"),
        (Options(keep_content=True), Options(), "dataset-other-content"),
    ],
)
def test_a_dataset_stays_what_it_began_as(
    target: Path, log: Path, first: Options, then: Options, slug: str
) -> None:
    add(target, log, options=first)
    with pytest.raises(LlmopsError) as caught:
        add(target, log, options=then)
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)


def test_prompts_are_kept_only_where_that_is_asked_for(tmp_path: Path, log: Path) -> None:
    add(tmp_path / "hashed", log)
    add(tmp_path / "kept", log, options=Options(keep_content=True))
    assert b"secret" not in b"".join(files(tmp_path / "hashed").values())
    kept = pq.read_table(tmp_path / "kept", columns=["content"])["content"].to_pylist()
    assert all("secret m" in item for item in kept)


def test_a_folder_of_something_else_is_left_alone(target: Path, log: Path) -> None:
    target.mkdir()
    (target / "thesis.txt").write_text("mine")
    with pytest.raises(LlmopsError) as caught:
        add(target, log)
    assert caught.value.slug == "dataset-not-ours"
    assert files(target) == {"thesis.txt": b"mine"}


def test_standard_input_has_no_place_in_a_dataset(target: Path) -> None:
    with pytest.raises(LlmopsError) as caught:
        add(target, Path("-"))
    assert caught.value.slug == "dataset-from-stdin"


def test_two_processes_cannot_write_at_once(target: Path, log: Path) -> None:
    with Dataset(target, Options()), pytest.raises(LlmopsError) as caught:
        add(target, log)
    assert caught.value.slug == "dataset-busy"
    assert add(target, log).rows == 9


def _killed_at(step: int, target: Path, log: Path) -> None:
    """Add a log, and die before the n-th change of a name in the file system."""
    left = step

    def dying(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: object, **more: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(9)
            return change(*arguments, **more)

        return changed

    Path.replace = dying(Path.replace)  # type: ignore[method-assign]
    Path.unlink = dying(Path.unlink)  # type: ignore[method-assign]
    add(target, log)


STEPS = 8
"""Decide, move three parts, remove two and the commit that listed them, and be done."""


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_a_killed_run_loses_nothing_and_doubles_nothing(target: Path, log: Path, step: int) -> None:
    before = log.with_name("before.jsonl")
    before.write_text(line("a0", day=1) + line("a1", day=2))
    add(target, before)
    log.write_text(before.read_text() + log.read_text())  # the log has grown: it replaces
    whole = sorted(["a0", "a1", *(f"m{number}" for number in range(9))])
    process = multiprocessing.get_context("spawn").Process(
        target=_killed_at, args=(step, target, log)
    )
    process.start()
    process.join()
    assert process.exitcode == (9 if step < STEPS else 0)
    if step == 0:
        assert ids(target) == ["a0", "a1"]
    elif step < STEPS:
        with pytest.raises(LlmopsError, match="cut off"):
            ids(target)
    add(target, log)
    assert ids(target) == whole
    assert not list((target / ".llmops").glob("staging-*"))


def test_kept_prompts_are_read_back(tmp_path: Path, log: Path) -> None:
    kept = Options(keep_content=True)
    add(tmp_path / "kept", log, options=kept)
    there = read_traffic([tmp_path / "kept"], kept).calls.sort_values("call_id")
    first = read_traffic([log], kept).calls.sort_values("call_id")
    assert there["content"].tolist() == first["content"].tolist()
    assert "content" not in read_calls([tmp_path / "kept"]).calls.columns
