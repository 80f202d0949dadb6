"""The whole question on small traces: what the report says, gates, searches, events."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llmops_cli import simulate_serving
from llmops_cli.errors import LlmopsError
from llmops_cli.hardware.catalogue import gpu_named, model_named
from llmops_cli.report import Report, Verdict
from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving import ServingParameters, compare_policies, parse_slo
from llmops_cli.serving.event_table import event_table
from llmops_cli.serving.load import faster, windowed
from llmops_cli.serving.machines import Machines
from llmops_cli.serving.model import EventKind
from llmops_cli.serving.perfetto import chrome_trace
from llmops_cli.serving.policy_lines import Line, parse_line
from llmops_cli.traffic.request_traces import read_request_trace

MACHINES = Machines(model=model_named("llama-3.1-8b"), gpu=gpu_named("h100"))
LINES = (parse_line("name=blind router=round-robin"), parse_line("name=aware router=kv"))
SLO = parse_slo("ttft=1,tpot=0.05")


@pytest.fixture(scope="module")
def fleet(datasets: Path) -> RequestTrace:
    """A minute and a half of the committed trace."""
    read = read_request_trace([datasets / "fleet.trace.gz"])
    assert read.bad_rows == ()
    assert read.split == 0
    return windowed(read.trace, 0, 90)


@pytest.fixture(scope="module")
def told(fleet: RequestTrace) -> Report:
    return simulate_serving(fleet, MACHINES, LINES, ServingParameters(slo=SLO))


def without_blocks(trace: RequestTrace) -> RequestTrace:
    return replace(
        trace,
        starts=np.zeros(len(trace) + 1, np.int64),
        blocks=np.zeros(0, np.int64),
        block_tokens=0,
    )


def slugs(report: Report) -> set[str]:
    return {finding.slug for finding in report.findings}


def test_awareness_of_caches_pays_where_customers_share_long_prompts(told: Report) -> None:
    by_name = {measure.name: measure for measure in told.measures}
    hits, waits = by_name["hit_rate_tokens_change"], by_name["ttft_p50_s_change"]
    assert hits.low is not None
    assert hits.low > 5
    assert waits.high is not None
    assert waits.high < 0
    assert told.headline.startswith("aware against blind: TTFT p50 ")


def test_every_policy_has_every_figure_and_every_row(told: Report) -> None:
    tables = {table.name: table for table in told.tables}
    assert [*tables][:2] == ["policies", "load"]
    for name in ("policies", "load", "machines"):
        assert [row[0] for row in tables[name].rows] == ["blind", "aware"]
    assert len(tables["latencies"].rows) == 8
    assert {row[0] for row in tables["differences"].rows} == {"aware"}
    assert [row[1] for row in tables["reuse"].rows] == [
        "least recently used", "clairvoyant", "none: endless",
    ]  # fmt: skip
    numbered = {measure.name for measure in told.measures if measure.name.endswith("_2")}
    assert {"ttft_p99_s_2", "goodput_share_2", "utilisation_2"} <= numbered


def test_curves_of_one_figure_stand_together(told: Report) -> None:
    charts = [series.chart or series.name for series in told.series]
    assert charts == [
        *["Time to first token"] * 2,
        *["Hit rate over time"] * 3,
        *["Decoding sequences per iteration"] * 2,
        *["Prompt tokens per iteration"] * 2,
        "lru",
    ]
    blind, aware = (np.array(series.y, np.float64) for series in told.series[:2])
    assert told.series[0].x == told.series[1].x
    assert (np.diff(blind) >= 0).all()
    assert max(blind[-1], aware[-1]) <= 1
    assert min(blind[-1], aware[-1]) >= 0.99
    assert aware.mean() > blind.mean()


def test_no_policy_hits_more_than_an_endless_cache(told: Report) -> None:
    curves = {series.title: series for series in told.series if "hits" in series.name}
    endless = curves.pop("endless cache")
    for curve in curves.values():
        for hit, most in zip(curve.y, endless.y, strict=True):
            assert hit is None or (most is not None and hit <= most + 1e-9)


def test_absolute_latencies_come_with_the_error_of_the_roofline(told: Report) -> None:
    (finding,) = [each for each in told.findings if each.slug == "serving-latency-model"]
    assert "35 measured systems" in finding.message
    step = told.explanations[0]
    assert any("measured systems" in text for text in step.assumptions)
    assert dict(step.numbers)["KV bytes per token"] == 131_072


def test_the_same_twice_and_on_any_number_of_processes(fleet: RequestTrace, told: Report) -> None:
    again = simulate_serving(fleet, MACHINES, LINES, ServingParameters(slo=SLO, jobs=2))
    assert again == told


@pytest.mark.parametrize(
    ("gates", "verdict"),
    [
        ({"min_goodput": 0.9, "max_ttft_p99_s": 2.0, "min_hit_rate": 0.4}, Verdict.PASS),
        ({"max_ttft_p99_s": 0.001}, Verdict.FAIL),
        ({"min_hit_rate": 0.99}, Verdict.FAIL),
    ],
)
def test_gates_are_held_against_the_policy_that_does_best(
    fleet: RequestTrace, gates: dict[str, float], verdict: Verdict
) -> None:
    found = simulate_serving(fleet, MACHINES, LINES, ServingParameters(slo=SLO, **gates))
    assert found.verdict is verdict
    assert all(check.name.startswith("aware: ") for check in found.checks)


def test_a_bound_inside_the_interval_does_not_decide(fleet: RequestTrace, told: Report) -> None:
    (known,) = [each for each in told.measures if each.name == "ttft_p99_s_2"]
    assert known.value is not None
    given = ServingParameters(slo=SLO, max_ttft_p99_s=known.value)
    assert simulate_serving(fleet, MACHINES, LINES, given).verdict is Verdict.INCONCLUSIVE


def test_one_policy_is_told_alone(fleet: RequestTrace) -> None:
    found = simulate_serving(fleet, MACHINES, LINES[:1])
    assert found.headline.startswith("blind: p99 TTFT ")
    assert "differences" not in {table.name for table in found.tables}
    assert not any(measure.name.endswith("_change") for measure in found.measures)


def test_the_first_may_be_the_best(fleet: RequestTrace) -> None:
    found = simulate_serving(fleet, MACHINES, LINES[::-1])
    assert found.headline.startswith("No policy does better than aware: p99 TTFT ")


def test_a_trace_without_blocks_says_that_nothing_can_be_reused(fleet: RequestTrace) -> None:
    found = simulate_serving(without_blocks(fleet), MACHINES, LINES)
    assert "serving-no-blocks" in slugs(found)
    tables = {table.name: table for table in found.tables}
    assert "reuse" not in tables
    rates = [row[5] for row in tables["policies"].rows]
    assert rates == [0, 0]


def test_blocks_that_never_come_twice(fleet: RequestTrace) -> None:
    fresh = replace(fleet, blocks=np.arange(len(fleet.blocks)))
    assert "serving-no-reuse" in slugs(simulate_serving(fresh, MACHINES, LINES))


def test_a_fleet_that_does_not_keep_up_says_so(fleet: RequestTrace, told: Report) -> None:
    assert "serving-saturated" not in slugs(told)
    rushed = simulate_serving(faster(fleet, 10), MACHINES, LINES)
    (finding,) = [each for each in rushed.findings if each.slug == "serving-saturated"]
    assert "blind, aware" in finding.message


def test_a_clock_that_is_rounded_makes_bursts_and_says_so(
    fleet: RequestTrace, told: Report
) -> None:
    assert "serving-bursts" not in slugs(told)
    rounded = replace(fleet, arrival_s=3 * np.floor(fleet.arrival_s / 3))
    (finding,) = [
        each
        for each in simulate_serving(rounded, MACHINES, LINES).findings
        if each.slug == "serving-bursts"
    ]
    late = len(fleet) - len(np.unique(rounded.arrival_s))
    assert finding.message.startswith(f"{late:,} of {len(fleet):,} requests")


def test_equal_policies_are_not_told_apart(fleet: RequestTrace) -> None:
    twin = Line("twin", LINES[0].values)
    found = simulate_serving(fleet, MACHINES, (LINES[0], twin))
    assert "serving-no-difference" in slugs(found)
    assert all(row[7] is False for table in found.tables if table.name == "differences"
               for row in table.rows)  # fmt: skip


def test_a_closed_loop_without_sessions_closes_nothing(fleet: RequestTrace) -> None:
    lost = replace(fleet, session=np.full(len(fleet), -1))
    line = parse_line("name=closed think=2")
    assert "serving-no-sessions" in slugs(simulate_serving(lost, MACHINES, [line]))
    assert "serving-no-sessions" not in slugs(simulate_serving(fleet, MACHINES, [line]))


def test_a_price_makes_cost(fleet: RequestTrace, told: Report) -> None:
    assert "serving-no-price" in slugs(told)
    assert "usd_per_million_output_1" not in {measure.name for measure in told.measures}
    found = simulate_serving(fleet, MACHINES, LINES, ServingParameters(gpu_usd_per_hour=2.0))
    by_name = {measure.name: measure.value for measure in found.measures}
    hours = by_name["gpu_hours_per_million_output_1"]
    assert hours is not None
    assert by_name["usd_per_million_output_1"] == pytest.approx(2 * hours)


@pytest.mark.parametrize("search", ["rate", "replicas"])
def test_capacity_is_searched_for_every_policy(fleet: RequestTrace, search: str) -> None:
    short = windowed(fleet, 30, 60)
    given = ServingParameters(slo=parse_slo("ttft=0.5,tpot=0.05"), find=search)  # type: ignore[arg-type]
    found = simulate_serving(short, MACHINES, LINES, given)
    (table,) = [each for each in found.tables if each.name == "capacity"]
    blind, aware = (row[1] for row in table.rows)
    assert isinstance(blind, float)
    assert isinstance(aware, float)
    assert aware > blind if search == "rate" else aware <= blind
    trials = [each for each in found.tables if each.name == "trials"]
    assert len(trials) == 2
    for each in trials:
        assert len(each.rows) == len({row[0] for row in each.rows})
    assert "90 % within ttft=0.5,tpot=0.05" in found.headline


def test_an_slo_that_nothing_keeps(fleet: RequestTrace) -> None:
    short = windowed(fleet, 30, 40)
    given = ServingParameters(slo=parse_slo("ttft=0.001"), find="rate")
    found = simulate_serving(short, MACHINES, LINES, given)
    assert "It does not hold 90 % within ttft=0.001 at any rate tried." in found.headline
    (table,) = [each for each in found.tables if each.name == "capacity"]
    assert [row[1] for row in table.rows] == [None, None]


def test_events_are_kept_and_tell_the_outcome(fleet: RequestTrace) -> None:
    found = compare_policies(fleet, MACHINES, LINES)
    table = event_table(found.played)
    assert set(table["policy"].to_pylist()) == {"blind", "aware"}
    assert set(table["kind"].unique().to_pylist()) <= {kind.name.lower() for kind in EventKind}
    rows = table.to_pandas()
    for played in found.played:
        own = rows[(rows["policy"] == played.policy.name) & (rows["kind"] == "finish")]
        finished = dict(zip(own["request"], own["time_s"], strict=True))
        assert finished == dict(enumerate(played.outcome.finish_s.tolist()))
    assert rows[rows["kind"] == "iteration"]["request"].isna().all()


def test_a_chrome_trace_holds_every_iteration_and_request(fleet: RequestTrace) -> None:
    found = compare_policies(fleet, MACHINES, LINES[:1])
    trace = json.loads(json.dumps(chrome_trace(found.played)))
    events = found.played[0].outcome.events
    assert events is not None
    slices = [each for each in trace["traceEvents"] if each["ph"] == "X"]
    assert len(slices) == int((events.kind == EventKind.ITERATION).sum())
    assert sum(each["dur"] for each in slices) == pytest.approx(
        1e6 * found.played[0].outcome.busy_s.sum(), rel=1e-6
    )
    begins = [each for each in trace["traceEvents"] if each["ph"] == "b"]
    ends = [each for each in trace["traceEvents"] if each["ph"] == "e"]
    assert len(begins) == len(ends) == 4 * len(fleet)
    names = {each["args"]["name"] for each in trace["traceEvents"] if each["ph"] == "M"}
    assert names == {"blind", *(f"replica {at}" for at in range(4))}


@pytest.mark.parametrize(
    ("rows", "slug"),
    [(1, "trace-one-request"), (0, "trace-one-request")],
)
def test_traces_that_are_no_load(fleet: RequestTrace, rows: int, slug: str) -> None:
    few = replace(
        fleet,
        arrival_s=fleet.arrival_s[:rows],
        input_tokens=fleet.input_tokens[:rows],
        output_tokens=fleet.output_tokens[:rows],
        starts=fleet.starts[: rows + 1],
        blocks=fleet.blocks[: fleet.starts[rows]],
        session=fleet.session[:rows],
    )
    with pytest.raises(LlmopsError) as caught:
        simulate_serving(few, MACHINES, LINES)
    assert caught.value.slug == slug


def test_two_requests_are_enough(fleet: RequestTrace) -> None:
    found = simulate_serving(windowed(fleet, 0, fleet.arrival_s[2]), MACHINES, LINES)
    assert [row[0] for row in found.tables[0].rows] == ["blind", "aware"]
