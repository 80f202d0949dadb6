"""Acceptance logs of every shape become one table, and what contradicts itself is named."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.acceptance import AcceptanceOptions, AcceptanceTable, read_acceptance
from llmops_cli.traffic.acceptance_rows import steps_of_row

NAMES = ("drafts", "draft_tokens", "accepted_tokens")


def scrape(drafts: int, drafted: int, positions: list[int], engine: str = "0") -> str:
    """Prometheus text as vLLM writes it."""
    totals = dict(zip(NAMES, (drafts, drafted, sum(positions)), strict=True))
    lines = [f"# TYPE vllm:spec_decode_num_{name} counter" for name in NAMES]
    lines += [
        f'vllm:spec_decode_num_{name}_total{{engine="{engine}"}} {value}.0'
        for name, value in totals.items()
    ]
    lines += [f'vllm:spec_decode_num_drafts_created{{engine="{engine}"}} 1.7e9']
    lines += [
        f'vllm:spec_decode_num_accepted_tokens_per_pos_total{{engine="{engine}",position="{at}"}}'
        f" {value}"
        for at, value in enumerate(positions)
    ]
    return "\n".join([*lines, f'vllm:num_requests_running{{engine="{engine}"}} 12', ""])


def read(tmp_path: Path, text: str, name: str = "log.jsonl", **options: object) -> AcceptanceTable:
    path = tmp_path / name
    path.write_text(text)
    return read_acceptance([str(path)], AcceptanceOptions(**options))


def test_spec_bench_answers(tmp_path: Path) -> None:
    rows = [
        {"question_id": 81, "category": "math", "choices": [{"accept_lengths": [1, 3, 4]},
                                                            {"accept_lengths": [2]}]},
        {"question_id": 82, "category": "qa", "choices": [{"accept_lengths": [1]}]},
    ]  # fmt: skip
    found = read(tmp_path, "\n".join(map(json.dumps, rows)))
    assert found.kind == "requests"
    assert found.steps.tolist() == [4, 1]
    # Lengths hold the target's own token: 1 is nothing accepted.
    assert found.accepted.tolist() == [[3, 2, 1], [0, 0, 0]]
    assert found.reached.tolist() == [[4, 3, 2], [1, 0, 0]]
    assert (found.tasks, found.task.tolist()) == (("math", "qa"), [0, 1])
    assert found.depth_assumed


def test_lengths_may_be_without_the_own_token(tmp_path: Path) -> None:
    found = read(tmp_path, '{"accept_lengths": [0, 2]}', bonus=False, drafted=3)
    assert found.accepted.tolist() == [[1, 1, 0]]
    assert found.reached.tolist() == [[2, 1, 1]]
    assert not found.depth_assumed


def test_vllm_summaries_and_details_are_the_same_request(tmp_path: Path) -> None:
    details = {"per_step_accepted": [0, 2, 1, 0], "per_step_drafted": [2, 2, 2, 2]}
    summary = {"acceptance_histogram": [2, 1, 1]}
    named = {"acceptance_histogram": {"0": 2, "1": 1, "2": 1}}
    totals = {"num_spec_steps": 4, "num_draft_tokens": 8, "num_accepted_draft_tokens": 3}
    for own in (details, summary, named):
        row = {"metrics": {"speculative_decoding": {**own, **totals}}, "temperature": 0.5}
        found = read(tmp_path, json.dumps(row), drafted=2)
        assert found.steps.tolist() == [4]
        assert found.accepted.tolist() == [[2, 1]]
        assert found.reached.tolist() == [[4, 2]]
        assert found.temperature.tolist() == [0.5]


def test_a_step_that_drafted_less_does_not_count_where_it_did_not(tmp_path: Path) -> None:
    found = read(tmp_path, '{"accepted": [1, 0, 0], "drafted": [1, 0, 3]}')
    assert found.offered.tolist() == [[2, 1, 1]]
    assert found.reached.tolist() == [[2, 0, 0]]
    assert found.accepted.tolist() == [[1, 0, 0]]


def test_rows_name_their_batch_their_times_and_their_sampling(tmp_path: Path) -> None:
    row = {"accepted": [1], "drafted": 2, "batch": 8, "started": 1.0, "ended": 3.5,
           "sampling_params": {"temperature": 0.7}}  # fmt: skip
    found = read(tmp_path, json.dumps(row))
    assert found.batch.tolist() == [8]
    assert found.spans.tolist() == [[1.0, 3.5]]
    assert found.temperature.tolist() == [0.7]


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)).map(sorted), min_size=1),
        min_size=1,
    )
)
def test_counts_are_those_of_the_steps(requests: list[list[list[int]]]) -> None:
    for steps in requests:
        accepted, drafted = zip(*steps, strict=True)
        found = steps_of_row({"accepted": list(accepted), "drafted": list(drafted)})
        assert sum(found.counts.values()) == len(steps)
        assert sum(one * times for (one, _), times in found.counts.items()) == sum(accepted)


@pytest.mark.parametrize(
    ("row", "slug", "field"),
    [
        ('{"accepted": [3], "drafted": 2}', "acceptance-more-than-drafted", "accepted"),
        ('{"accepted": [1, 1], "drafted": [1]}', "acceptance-lengths-differ", "drafted"),
        ('{"accepted": []}', "acceptance-empty-steps", ""),
        ('{"accept_lengths": [2, 0]}', "acceptance-empty-steps", "accept_lengths"),
        ('{"accepted": [1.5]}', "acceptance-not-a-count", "accepted"),
        ('{"accepted": [-1]}', "acceptance-not-a-count", "accepted"),
        ('{"accepted": [true]}', "acceptance-not-a-count", "accepted"),
        ('{"accepted": [99999]}', "acceptance-not-a-count", "accepted"),
        ('{"accepted": [1e400]}', "acceptance-not-json", ""),
        ('{"accepted": [' + "9" * 400 + "]}", "acceptance-not-a-count", "accepted"),
        ('{"acceptance_histogram": {"' + "9" * 40 + '": 1}}', "acceptance-not-a-count",
         "acceptance_histogram"),
        ('{"acceptance": ' + "9" * 400 + "}", "acceptance-bad-rate", "acceptance"),
        ('{"accepted": [[1]]}', "acceptance-not-a-count", "accepted"),
        ('{"accepted": 3}', "acceptance-not-a-count", "accepted"),
        ('{"accept_lengths": "3"}', "acceptance-not-a-count", "accept_lengths"),
        ('{"text": "secret"}', "acceptance-no-steps", ""),
        ('{"metrics": {"speculative_decoding": {}}}', "acceptance-no-steps",
         "acceptance_histogram"),
        ('{"acceptance_histogram": [1, 1], "num_spec_steps": 3}', "acceptance-contradiction",
         "num_spec_steps"),
        ('{"acceptance_histogram": [1, 1], "num_accepted_draft_tokens": 3}',
         "acceptance-contradiction", "num_accepted_draft_tokens"),
        ("[1]", "acceptance-not-json", ""),
        ("not json", "acceptance-not-json", ""),
    ],
)  # fmt: skip
def test_a_row_that_is_none_is_kept_apart_by_place(
    tmp_path: Path, row: str, slug: str, field: str
) -> None:
    found = read(tmp_path, f'{{"accepted": [1], "drafted": 2}}\n{row}\n')
    bad = found.bad_rows[0]
    assert (bad.line, bad.slug, bad.field) == (2, slug, field)
    assert "secret" not in bad.message
    with pytest.raises(LlmopsError) as refused:
        read(tmp_path, row + "\n" + row)
    assert refused.value.slug == "acceptance-no-steps"
    assert slug in refused.value.message


def test_more_accepted_than_the_user_says_is_a_bad_row(tmp_path: Path) -> None:
    found = read(tmp_path, '{"accept_lengths": [2]}\n{"accept_lengths": [5]}', drafted=3)
    assert [row.slug for row in found.bad_rows] == ["acceptance-more-than-drafted"]


def test_bad_rows_beyond_the_limit_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(LlmopsError) as refused:
        read(tmp_path, '{"accepted": [1]}\n{}\n{}\n', max_bad_rows=1)
    assert refused.value.slug == "traffic-too-many-bad-rows"


def test_one_scrape_is_a_total(tmp_path: Path) -> None:
    found = read(tmp_path, scrape(100, 300, [80, 50, 20]), "metrics.prom")
    assert found.kind == "scrapes"
    assert found.accepted.tolist() == [[80, 50, 20]]
    assert found.reached.tolist() == [[100, 80, 50]]
    assert found.batch.tolist() == [12]


def test_engines_are_added_up(tmp_path: Path) -> None:
    text = scrape(100, 300, [80, 50, 20]) + scrape(10, 30, [5, 5, 5], engine="1")
    assert read(tmp_path, text, "metrics.prom").accepted.tolist() == [[85, 55, 25]]


def test_scrapes_are_what_lies_between_them(tmp_path: Path) -> None:
    made = [(100, [80, 50]), (180, [140, 90]), (180, [140, 90]), (60, [50, 20])]
    paths = []
    for at, (drafts, positions) in enumerate(made):
        path = tmp_path / f"{at}.prom"
        path.write_text(scrape(drafts, 2 * drafts, positions))
        paths.append(str(path))
    found = read_acceptance(paths)
    # Nothing happened between the second and the third; before the fourth the server restarted.
    assert found.steps.tolist() == [80, 60]
    assert found.accepted.tolist() == [[60, 40], [50, 20]]


@pytest.mark.parametrize(
    "document",
    [
        {"num_drafts": 100, "num_draft_tokens": 200, "num_accepted_tokens_per_pos": [80, 50]},
        {"vllm:spec_decode_num_drafts_total": 100,
         "vllm:spec_decode_num_accepted_tokens_per_pos_total": {"0": 80, "1": 50}},
        [{"name": "vllm:spec_decode_num_drafts", "value": 100},
         {"name": "vllm:spec_decode_num_accepted_tokens_per_pos", "values": [80, 50]}],
    ],
)  # fmt: skip
@pytest.mark.parametrize("indent", [None, 2])
def test_counters_may_be_json(tmp_path: Path, document: object, indent: int | None) -> None:
    found = read(tmp_path, json.dumps(document, indent=indent), "counters.json")
    assert (found.kind, found.steps.tolist()) == ("scrapes", [100])
    assert found.accepted.tolist() == [[80, 50]]


def test_a_server_that_cannot_always_draft_offers_less(tmp_path: Path) -> None:
    found = read(tmp_path, scrape(100, 100, [40, 20]), "metrics.prom")
    assert found.offered.tolist() == [[50, 50]]


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        (scrape(100, 300, [80, 90, 20]), "acceptance-bad-counter"),
        (scrape(100, 90, [80, 50, 20]), "acceptance-more-than-drafted"),
        (scrape(100, 300, [120, 50, 20]), "acceptance-bad-counter"),
        (scrape(100, 300, [80, 50]).replace(" 130.0", " 150.0"), "acceptance-bad-counter"),
        (scrape(100, 300, []), "acceptance-bad-counter"),
        (scrape(0, 0, [0, 0]), "acceptance-no-steps"),
        (scrape(100, 300, [80, 50, 20]).replace("} 100.0", "} NaN"), "acceptance-bad-counter"),
        ("vllm:num_requests_running 3\n", "acceptance-no-counters"),
    ],
)
def test_counters_that_contradict_themselves_are_refused(
    tmp_path: Path, text: str, slug: str
) -> None:
    with pytest.raises(LlmopsError) as refused:
        read(tmp_path, text, "metrics.prom")
    assert (refused.value.slug, Path(refused.value.file).name) == (slug, "metrics.prom")


def test_a_mean_is_the_acceptance_that_gives_it(tmp_path: Path) -> None:
    text = 'sglang:spec_accept_length{tp_rank="0"} 2.5\n'
    found = read(tmp_path, text, "metrics.prom", drafted=4)
    assert found.kind == "lengths"
    assert 1 + found.accepted.sum() / found.steps.sum() == pytest.approx(2.5)
    ratios = found.accepted[0, 1:] / found.accepted[0, :-1]
    assert ratios == pytest.approx(np.full(3, found.accepted[0, 0]))


@pytest.mark.parametrize(
    ("length", "options", "slug"),
    [
        ("2.5", {}, "acceptance-needs-drafted"),
        ("6", {"drafted": 4}, "acceptance-bad-rate"),
        ("1", {"drafted": 4}, "acceptance-bad-rate"),
    ],
)
def test_a_mean_that_says_too_little_is_refused(
    tmp_path: Path, length: str, options: dict[str, int], slug: str
) -> None:
    with pytest.raises(LlmopsError) as refused:
        read(tmp_path, f"sglang:spec_accept_length {length}\n", "metrics.prom", **options)
    assert refused.value.slug == slug


def test_rates_of_classes(tmp_path: Path) -> None:
    text = "task,acceptance,steps\nmath,0.8,100\nqa,0.5,300\n"
    found = read(tmp_path, text, "rates.csv", drafted=2)
    assert (found.kind, found.tasks) == ("rates", ("math", "qa"))
    assert found.accepted == pytest.approx(np.array([[80, 64], [150, 75]]))
    assert found.reached == pytest.approx(np.array([[100, 80], [300, 150]]))
    as_rows = '{"task": "math", "acceptance": 0.8, "steps": 100}\n'
    assert read(tmp_path, as_rows, drafted=2).accepted == pytest.approx(np.array([[80, 64]]))


@pytest.mark.parametrize(
    ("row", "slug"),
    [
        ("math,0,100", "acceptance-bad-rate"),
        ("math,1,100", "acceptance-bad-rate"),
        ("math,1.2,100", "acceptance-bad-rate"),
        ("math,,100", "acceptance-bad-rate"),
        ("math,0.8,0", "acceptance-empty-steps"),
        ("math,0.8,some", "acceptance-empty-steps"),
    ],
)
def test_a_rate_that_is_none_is_refused(tmp_path: Path, row: str, slug: str) -> None:
    with pytest.raises(LlmopsError) as refused:
        read(tmp_path, f"task,acceptance,steps\n{row}\n", "rates.csv", drafted=2)
    assert (refused.value.slug, refused.value.line) == (slug, 2)


def test_a_csv_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LlmopsError) as refused:
        read(tmp_path, "a,b\n1,2\n", "rates.csv")
    assert refused.value.slug == "acceptance-bad-rate"


def test_kinds_are_not_added_up(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"accepted": [1]}\n')
    (tmp_path / "b.prom").write_text(scrape(100, 300, [80, 50, 20]))
    with pytest.raises(LlmopsError) as refused:
        read_acceptance([str(tmp_path / "a.jsonl"), str(tmp_path / "b.prom")])
    assert refused.value.slug == "acceptance-mixed"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "accepted",
                        "drafted",
                        "accept_lengths",
                        "choices",
                        "metrics",
                        "task",
                        "speculative_decoding",
                        "acceptance_histogram",
                        "per_step_accepted",
                        "batch",
                        "acceptance",
                        "num_drafts",
                        "num_accepted_tokens_per_pos",
                        "name",
                        "value",
                        "spec_accept_length",
                        "temperature",
                        "started",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_reading_ends_in_a_table_or_a_refusal(tmp_path_factory: object, row: object) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_text(json.dumps(row) + "\n" + '{"accepted": [1], "drafted": 2}\n')
    try:
        found = read_acceptance([str(path)], AcceptanceOptions(drafted=3))
    except LlmopsError:
        return
    assert (found.steps > 0).all()
    assert (found.accepted <= found.reached).all()
    assert (found.reached <= found.offered + 1e-9).all()


def test_an_array_of_rows_is_read(tmp_path: Path) -> None:
    rows = [{"accepted": [1], "drafted": 2}, {"accepted": [0], "drafted": 2}]
    found = read(tmp_path, json.dumps(rows, indent=1), "log.json")
    assert found.steps.tolist() == [1, 1]
