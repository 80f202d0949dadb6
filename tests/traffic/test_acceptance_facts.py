"""Class, sampling, batch and times of a row: read where they can be, named where they cannot."""

import json
import math
from pathlib import Path

import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.acceptance import AcceptanceOptions, read_acceptance
from llmops_cli.traffic.acceptance_facts import facts_of_row
from llmops_cli.traffic.acceptance_rows import steps_of_row
from llmops_cli.traffic.quarantine import RowError


def test_a_row_may_say_nothing() -> None:
    found = facts_of_row({})
    assert found["task"] == ""
    assert all(math.isnan(item) for item in (found["temperature"], found["batch"], *found["span"]))


@pytest.mark.parametrize(
    ("row", "task"),
    [
        ({"task": "code"}, "code"),
        ({"category": "qa"}, "qa"),
        ({"task_class": 7}, "7"),
        ({"task": None, "category": "qa"}, "qa"),
        ({"task": "code", "category": "qa"}, "code"),
    ],
)
def test_classes_go_by_several_names(row: dict[str, object], task: str) -> None:
    assert facts_of_row(row)["task"] == task


@pytest.mark.parametrize(
    "row",
    [
        {"temperature": 0.5},
        {"request": {"temperature": 0.5}, "temperature": 9},
        {"body": {"temperature": 0.5}},
        {"sampling_params": {"temperature": 0.5}},
    ],
)
def test_temperatures_stand_in_several_places(row: dict[str, object]) -> None:
    assert facts_of_row(row)["temperature"] == 0.5


@pytest.mark.parametrize(
    ("began", "ended"),
    [
        (100.0, 160.5),
        ("1970-01-01T00:01:40Z", "1970-01-01T00:02:40.5+00:00"),
        ("1970-01-01T01:01:40+01:00", "1970-01-01 00:02:40.500"),
    ],
)
def test_times_are_seconds_or_iso_8601(began: object, ended: object) -> None:
    assert facts_of_row({"started": began, "ended": ended})["span"] == (100.0, 160.5)


@pytest.mark.parametrize(
    ("row", "slug", "field"),
    [
        ({"batch": 0}, "acceptance-bad-batch", "batch"),
        ({"batch_size": -3}, "acceptance-bad-batch", "batch_size"),
        ({"concurrency": 1e9}, "acceptance-bad-batch", "concurrency"),
        ({"batch": "8"}, "acceptance-bad-batch", "batch"),
        ({"batch": True}, "acceptance-bad-batch", "batch"),
        ({"batch": 10**400}, "acceptance-bad-batch", "batch"),
        ({"temperature": -1}, "acceptance-bad-temperature", "temperature"),
        ({"temperature": "0.7"}, "acceptance-bad-temperature", "temperature"),
        ({"body": {"temperature": [0]}}, "acceptance-bad-temperature", "body.temperature"),
        ({"task": ["secret"]}, "acceptance-bad-task", "task"),
        ({"category": {"secret": 1}}, "acceptance-bad-task", "category"),
        ({"started": "yesterday"}, "acceptance-bad-time", "started"),
        ({"ended": 10**400}, "acceptance-bad-time", "ended"),
        ({"started": 5, "ended": 3}, "acceptance-bad-time", "ended"),
    ],
)
def test_what_cannot_be_is_kept_apart_by_its_field(
    tmp_path: Path, row: dict[str, object], slug: str, field: str
) -> None:
    with pytest.raises(RowError) as refused:
        facts_of_row(row)
    assert (refused.value.slug, refused.value.field) == (slug, field)
    assert "secret" not in refused.value.message
    path = tmp_path / "log.jsonl"
    steps = {"accepted": [1], "drafted": 2}
    path.write_text(json.dumps(steps) + "\n" + json.dumps({**steps, **row}) + "\n")
    found = read_acceptance([str(path)])
    assert [(bad.line, bad.slug) for bad in found.bad_rows] == [(2, slug)]
    assert len(found.steps) == 1


def vllm(**own: object) -> dict[str, object]:
    return {"metrics": {"speculative_decoding": own}}


@pytest.mark.parametrize(
    ("own", "counts"),
    [
        # Eight steps and 24 tokens: three each.
        ({"acceptance_histogram": {"0": 5, "1": 3}, "num_draft_tokens": 24},
         {(0, 3): 5, (1, 3): 3}),
        # No multiple of the steps, or fewer than one step accepted: nobody says which had how many.
        ({"acceptance_histogram": {"0": 5, "1": 3}, "num_draft_tokens": 23},
         {(0, -1): 5, (1, -1): 3}),
        ({"acceptance_histogram": {"0": 7, "4": 1}, "num_draft_tokens": 16},
         {(0, -1): 7, (4, -1): 1}),
        ({"acceptance_histogram": {"0": 5, "1": 3}}, {(0, -1): 5, (1, -1): 3}),
        ({"acceptance_histogram": [5, 3, 0], "num_draft_tokens": 8},
         {(0, 2): 5, (1, 2): 3, (2, 2): 0}),
        ({"per_step_accepted": [0, 2], "num_draft_tokens": 6}, {(0, 3): 1, (2, 3): 1}),
        ({"per_step_accepted": [0, 2], "per_step_drafted": [1, 3], "num_draft_tokens": 4},
         {(0, 1): 1, (2, 3): 1}),
    ],
)  # fmt: skip
def test_the_total_drafted_says_how_deep_steps_were(
    own: dict[str, object], counts: dict[tuple[int, int], int]
) -> None:
    assert dict(steps_of_row(vllm(**own)).counts) == counts


@pytest.mark.parametrize(
    ("own", "slug"),
    [
        ({"acceptance_histogram": {"0": 5, "5": 3}, "num_draft_tokens": 14},
         "acceptance-more-than-drafted"),
        ({"per_step_accepted": [2], "num_draft_tokens": 0}, "acceptance-more-than-drafted"),
        ({"per_step_accepted": [0], "per_step_drafted": [3], "num_draft_tokens": 4},
         "acceptance-contradiction"),
        ({"per_step_accepted": [0], "num_draft_tokens": -1}, "acceptance-not-a-count"),
        ({"per_step_accepted": [0], "num_draft_tokens": "many"}, "acceptance-not-a-count"),
    ],
)  # fmt: skip
def test_a_total_that_contradicts_its_steps_is_named(own: dict[str, object], slug: str) -> None:
    with pytest.raises(RowError) as refused:
        steps_of_row(vllm(**own))
    assert refused.value.slug == slug


def test_a_log_in_which_nothing_was_drafted_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"accepted": [0, 0], "drafted": 0}\n' * 3)
    with pytest.raises(LlmopsError) as refused:
        read_acceptance([str(path)])
    assert refused.value.slug == "acceptance-nothing-drafted"
    path.write_text('{"accepted": [0, 0], "drafted": 0}\n{"accepted": [1], "drafted": 2}\n')
    assert read_acceptance([str(path)]).offered.tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize("steps", ["1e308", "inf", "-1", "0", "nan"])
def test_rates_of_more_steps_than_can_be_counted_are_refused(tmp_path: Path, steps: str) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(f"task,acceptance,steps\na,0.5,{steps}\n")
    with pytest.raises(LlmopsError) as refused:
        read_acceptance([str(path)], AcceptanceOptions(drafted=2))
    assert (refused.value.slug, refused.value.line) == ("acceptance-empty-steps", 2)
