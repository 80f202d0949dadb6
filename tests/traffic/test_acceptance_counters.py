"""Counters of several engines over time: what lies between scrapes, restarts, gauges, refusals."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic.acceptance import AcceptanceOptions, read_acceptance
from llmops_cli.traffic.acceptance_counters import (
    Counts,
    Scrape,
    json_scrapes,
    stretches,
    text_scrapes,
)


def series(name: str, value: float, **labels: object) -> str:
    named = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{named}}} {value}\n"


def engine(drafts: int, positions: list[int], running: int = 3, **labels: object) -> str:
    """One engine's part of a scrape."""
    first = "vllm:spec_decode_num"
    each = (
        series(f"{first}_accepted_tokens_per_pos_total", value, position=at, **labels)
        for at, value in enumerate(positions)
    )
    return "".join(
        (
            series(f"{first}_drafts_total", drafts, **labels),
            series(f"{first}_draft_tokens_total", drafts * len(positions), **labels),
            series(f"{first}_accepted_tokens_total", sum(positions), **labels),
            *each,
            series("vllm:num_requests_running", running, **labels),
        )
    )


def of(*texts: str) -> list[Scrape]:
    return [scrape for at, text in enumerate(texts) for scrape in text_scrapes(text, f"{at}.prom")]


@st.composite
def counts(draw: st.DrawFn, depth: int = 3) -> Counts:
    falling = sorted(draw(st.lists(st.integers(0, 50), min_size=depth + 1, max_size=depth + 1)))
    drafts, *accepted = reversed(falling)
    return Counts(float(drafts), float(drafts * depth), tuple(map(float, accepted)))


@given(st.lists(st.tuples(counts(), counts()), min_size=2, max_size=6))
def test_stretches_add_up_to_what_was_counted_between_the_first_and_the_last(
    steps: list[tuple[Counts, Counts]],
) -> None:
    totals = {"a": Counts(), "b": Counts()}
    scrapes = [Scrape(counts=dict(totals), source="s")]
    for one, two in steps:
        totals = {"a": totals["a"] + one, "b": totals["b"] + two}
        scrapes.append(Scrape(counts=dict(totals), source="s"))
    whole = totals["a"] + totals["b"]
    if not whole.drafts:
        with pytest.raises(LlmopsError):
            stretches(scrapes)
        return
    found = sum((item.counts for item in stretches(scrapes)), Counts())
    assert (found.drafts, found.drafted) == (whole.drafts, whole.drafted)
    assert found.accepted == whole.accepted


@given(counts(), counts())
def test_what_came_since_is_never_less_than_nothing(now: Counts, before: Counts) -> None:
    found = now.since(before)
    assert min(found.drafts, found.drafted, *found.accepted) >= 0
    assert found in (now, now + Counts(-before.drafts, -before.drafted,
                                       tuple(-at for at in before.accepted)))  # fmt: skip


def test_an_engine_that_restarts_begins_at_nothing_while_its_neighbour_goes_on() -> None:
    one = engine(100, [80, 50], engine=0) + engine(100, [90, 60], engine=1)
    two = engine(400, [320, 200], engine=0) + engine(10, [9, 6], engine=1)
    (found,) = stretches(of(one, two))
    # Together the counters rose from 200 to 410; the second engine did 10 since it restarted.
    assert found.counts.drafts == 300 + 10
    assert found.counts.accepted == (240 + 9, 150 + 6)


def test_a_restart_shows_in_any_counter() -> None:
    (found,) = stretches(of(engine(100, [80, 50]), engine(120, [40, 25])))
    assert found.counts == Counts(120, 240, (40, 25))


def test_an_engine_that_comes_later_counts_from_nothing() -> None:
    one = engine(100, [80, 50], engine=0)
    two = engine(150, [120, 75], engine=0) + engine(30, [20, 10], engine=1)
    (found,) = stretches(of(one, two))
    assert found.counts == Counts(80, 160, (60, 35))


def test_a_restart_with_another_depth_is_one() -> None:
    (found,) = stretches(of(engine(100, [80, 50, 20]), engine(300, [200, 100])))
    assert found.counts == Counts(300, 600, (200, 100))


def test_scrapes_appended_to_one_file_are_scrapes() -> None:
    text = engine(100, [80, 50]) + engine(180, [140, 90]) + engine(250, [190, 120])
    assert [item.counts.drafts for item in stretches(of(text))] == [80, 70]


def test_two_models_are_not_added_up(tmp_path: Path) -> None:
    text = engine(100, [80], model_name="a") + engine(100, [10], model_name="b")
    (tmp_path / "m.prom").write_text(text)
    with pytest.raises(LlmopsError) as refused:
        read_acceptance([str(tmp_path / "m.prom")])
    assert refused.value.slug == "acceptance-several-models"
    assert refused.value.exit_code == ExitCode.BAD_INPUT
    assert "a, b" in refused.value.message
    assert 'model_name="a"' in refused.value.hint


def test_scrapes_of_two_models_are_not_held_against_each_other() -> None:
    one, two = (engine(100 * at, [80 * at], model_name=name) for at, name in ((1, "a"), (2, "b")))
    with pytest.raises(LlmopsError) as refused:
        stretches(of(one, two))
    assert refused.value.slug == "acceptance-several-models"


def test_what_runs_is_the_mean_over_engines_for_each_has_its_own_batches() -> None:
    text = engine(100, [80], running=4, engine=0) + engine(100, [80], running=8, engine=1)
    assert stretches(of(text))[0].running == 6


def test_a_mean_length_is_the_mean_over_ranks_and_not_their_sum() -> None:
    text = series("sglang:spec_accept_length", 2.0, tp_rank=0)
    text += series("sglang:spec_accept_length", 3.0, tp_rank=1)
    assert stretches(of(text))[0].length == 2.5


def test_every_scrape_of_a_mean_counts_but_those_before_the_first_step() -> None:
    texts = [series("sglang:spec_accept_length", value) for value in (0.0, 2.0, 3.0)]
    assert [item.length for item in stretches(of(*texts))] == [2.0, 3.0]
    with pytest.raises(LlmopsError) as refused:
        stretches(of(texts[0]))
    assert refused.value.slug == "acceptance-no-steps"


def test_means_and_counters_are_not_mixed() -> None:
    with pytest.raises(LlmopsError) as refused:
        stretches(of(engine(100, [80]), series("sglang:spec_accept_length", 2.0)))
    assert refused.value.slug == "acceptance-mixed"


@pytest.mark.parametrize(
    "change",
    [
        lambda line: f"{line} 1700000000000",
        lambda line: line + ' # {trace_id="} 9 "} 1.0 1700000000',
        lambda line: line.replace("{", '{path="a}b \\" c",'),
        lambda line: line + "\r",
        lambda line: f"\ufeff{line}",
    ],
    ids=["timestamp", "exemplar", "braces and quotes in a label", "carriage return", "mark"],
)
def test_a_line_is_read_whatever_stands_around_its_value(change: object) -> None:
    lines = engine(100, [80, 50], model_name="m").splitlines()
    (scrape,) = text_scrapes("\n".join(map(change, lines)), "m.prom")
    (counted,) = scrape.counts.values()
    assert counted == Counts(100, 200, (80, 50))
    assert scrape.running == 3


def test_other_metrics_may_hold_anything() -> None:
    text = 'vllm:spec_decode_num_drafts_created 1.7e9\nup{a="spec_decode_num_drafts"} NaN\n'
    text += 'vllm:spec_decode_num_steps_bucket{le="+Inf"} -1\n'
    (scrape,) = text_scrapes(text + engine(100, [80]), "m.prom")
    (counted,) = scrape.counts.values()
    assert counted.drafts == 100


@pytest.mark.parametrize(
    "document",
    [
        {"num_drafts": 100, "num_accepted_tokens_per_pos": {"x": 4}},
        {"num_drafts": 100, "num_accepted_tokens_per_pos": {"-1": 4}},
        {"num_drafts": 100, "num_accepted_tokens_per_pos": {"9" * 12: 4}},
        {"num_drafts": 100, "num_accepted_tokens_per_pos": "abc"},
        {"num_drafts": 100, "num_accepted_tokens_per_pos": 5},
        {"num_drafts": 100, "num_accepted_tokens_per_pos": [None]},
        {"num_drafts": 100, "num_accepted_tokens_per_pos": []},
        {"num_drafts": 100, "num_accepted_tokens_per_pos": {"0": 50, "2": 10}},
        {"num_drafts": True, "num_accepted_tokens_per_pos": [1]},
        {"num_drafts": [100], "num_accepted_tokens_per_pos": [1]},
        {"num_drafts": 1e300, "num_accepted_tokens_per_pos": [1]},
        {"num_drafts": 10**400, "num_accepted_tokens_per_pos": [1]},
        {"num_accepted_tokens_per_pos": [1]},
    ],
    ids=lambda document: json.dumps(document)[:40],
)
def test_json_counters_that_are_none_are_refused(document: object) -> None:
    with pytest.raises(LlmopsError) as refused:
        json_scrapes(document, "m.json")
    assert (refused.value.slug, refused.value.file) == ("acceptance-bad-counter", "m.json")


def test_metrics_of_several_engines_are_added_up() -> None:
    document = [
        {"name": f"vllm:spec_decode_{name}", "labels": {"engine": at}, **value}
        for at in (0, 1)
        for name, value in (
            ("num_drafts", {"value": 100}),
            ("num_accepted_tokens_per_pos", {"values": [80, 40 + at]}),
        )
    ]
    (found,) = stretches(json_scrapes(document, "m.json"))
    assert found.counts == Counts(200, 0, (160, 81))


def test_sglangs_server_information_has_one_length_per_rank(tmp_path: Path) -> None:
    states = [{"avg_spec_accept_length": 2.0}, {"avg_spec_accept_length": 3.0}, None]
    document = {"model_path": "m", "version": "0.5", "internal_states": states}
    (tmp_path / "info.json").write_text(json.dumps(document, indent=1))
    found = read_acceptance([str(tmp_path / "info.json")], AcceptanceOptions(drafted=4))
    assert found.kind == "lengths"
    assert 1 + found.accepted.sum() / found.steps.sum() == pytest.approx(2.5)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["num_drafts", "num_accepted_tokens_per_pos", "name", "value", "values",
                 "labels", "internal_states", "avg_spec_accept_length", "0", "1"]
            ),
            inner, max_size=4,
        ),
        max_leaves=10,
    )
)  # fmt: skip
def test_any_json_ends_in_scrapes_or_a_refusal(document: object) -> None:
    try:
        for item in stretches(json_scrapes(document, "m.json") or (Scrape(counts={}),)):
            assert item.length is not None or item.counts.drafts > 0
    except LlmopsError:
        return
