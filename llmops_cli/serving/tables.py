"""The tables of a comparison: policies side by side, searches, load, latencies, bounds."""

from collections.abc import Sequence

from llmops_cli.report import Column, Scalar, Table
from llmops_cli.serving.comparison import Comparison, Played
from llmops_cli.serving.differences import COMPARED, differences
from llmops_cli.serving.measures import FIGURES
from llmops_cli.serving.policies import gpus_of
from llmops_cli.serving.question import ServingParameters

__all__ = ["comparison_tables"]

_SIDE_BY_SIDE = (
    ("ttft_p50_s", "TTFT p50"),
    ("ttft_p99_s", "TTFT p99"),
    ("tpot_p50_s", "TPOT p50"),
    ("tpot_p99_s", "TPOT p99"),
    ("goodput_share", "within SLO"),
    ("hit_rate_tokens", "hit rate"),
    ("output_tokens_per_s", "output tokens/s"),
)
_LOAD = (
    ("queue_mean_s", "queueing mean"),
    ("queue_p99_s", "queueing p99"),
    ("preemptions", "preemptions"),
    ("utilisation", "busy"),
    ("gpu_hours_per_million_output", "GPU hours"),
    ("usd_per_million_output", "cost"),
    ("hit_rate_requests", "requests that hit"),
    ("goodput_per_s", "good requests/s"),
)


def comparison_tables(found: Comparison, given: ServingParameters) -> tuple[Table, ...]:
    """What the reader needs first comes first: two tables are shown without ``-v``."""
    return (
        _figures(
            found,
            ("policies", "Policies side by side"),
            _SIDE_BY_SIDE,
            f"{int(found.warm_up.counted.sum()):,} requests after the warm-up; hit rate: prompt "
            f"tokens found in cache{_alike(found)}",
        ),
        *_capacity(found, given),
        _figures(
            found,
            ("load", "Load and cost"),
            _LOAD,
            "GPU hours and cost: per million output tokens; busy: of the whole replay",
        ),
        _latencies(found),
        *_differences(found),
        *_bounds(found),
        _machines(found),
    )


def _figures(
    found: Comparison,
    name: tuple[str, str],
    columns: Sequence[tuple[str, str]],
    note: str,
) -> Table:
    known = [
        column
        for column in columns
        if any(_known(played, column[0]) is not None for played in found.played)
    ]
    return Table(
        name=name[0],
        title=name[1],
        columns=(
            Column(name="policy", label="policy"),
            *(Column(name=key, label=label, unit=FIGURES[key].unit) for key, label in known),
        ),
        rows=tuple(
            (played.policy.name, *(_known(played, key) for key, _ in known))
            for played in found.played
        ),
        note=note,
    )


def _alike(found: Comparison) -> str:
    """What all policies run on, where it is the same."""
    each = {
        (p.policy.replicas, p.policy.step_time.name, p.policy.memory.blocks) for p in found.played
    }
    if len(each) > 1:
        return ""
    replicas, step, blocks = each.pop()
    size = found.played[0].policy.memory.block_tokens
    return f"; {replicas} replicas, {step}, {blocks:,} KV blocks of {size:,} tokens each"


def _known(played: Played, name: str) -> float | None:
    value = played.figures[name].value
    return value if value == value else None  # noqa: PLR0124 - NaN is not itself


def _latencies(found: Comparison) -> Table:
    names = ("mean", "p50", "p90", "p99")
    kinds = (("ttft", "TTFT"), ("tpot", "TPOT"), ("e2e", "end to end"), ("queue", "queueing"))
    return Table(
        name="latencies",
        title="Latencies",
        columns=(
            Column(name="policy", label="policy"),
            Column(name="latency", label="latency"),
            *(Column(name=f"{name}_s", label=name, unit="s") for name in names),
        ),
        rows=tuple(
            (
                played.policy.name,
                label,
                *(_known(played, f"{kind}_{name}_s") for name in names),
            )
            for played in found.played
            for kind, label in kinds
        ),
        note="TTFT: arrival to first token; TPOT: per token after it",
    )


def _differences(found: Comparison) -> tuple[Table, ...]:
    first, *others = found.played
    if not others:
        return ()
    rows: list[tuple[Scalar, ...]] = [
        (
            played.policy.name,
            FIGURES[each.figure].label,
            each.first,
            each.other,
            each.change,
            each.low,
            each.high,
            each.shown,
        )
        for played in others
        for each in differences(first, played, COMPARED)
    ]
    return (
        Table(
            name="differences",
            title=f"Against {first.policy.name}, paired",
            columns=(
                Column(name="policy", label="policy"),
                Column(name="figure", label="figure"),
                Column(name="first", label=first.policy.name),
                Column(name="other", label="this"),
                Column(name="change", label="change"),
                Column(name="low", label="from"),
                Column(name="high", label="to"),
                Column(name="shown", label="beyond chance"),
            ),
            rows=tuple(rows),
            note="seconds, shares and tokens per second; from, to: 95 % interval over resampled "
            "stretches of the trace, the same for both policies",
        ),
    )


def _capacity(found: Comparison, given: ServingParameters) -> tuple[Table, ...]:
    if not given.find or given.slo is None:
        return ()
    rate = given.find == "rate"
    rows: list[tuple[Scalar, ...]] = []
    for played in found.played:
        held = played.capacity
        if held is not None:
            rows.append(
                (played.policy.name, held.value, held.low, held.high, held.requests_per_s,
                 len(held.trials))
            )  # fmt: skip
    what = "times the rate of the trace" if rate else "replicas"
    return (
        Table(
            name="capacity",
            title=f"{'Most traffic' if rate else 'Fewest replicas'} with {100 * given.slo.share:g} "
            f"% of requests within {given.slo}",
            columns=(
                Column(name="policy", label="policy"),
                Column(name="value", label=what, unit="ratio" if rate else ""),
                Column(name="low", label="from", unit="ratio" if rate else ""),
                Column(name="high", label="to", unit="ratio" if rate else ""),
                Column(name="requests_per_s", label="requests/s"),
                Column(name="replays", label="replays"),
            ),
            rows=tuple(rows),
            note="from, to: where the ends of the share's interval cross it; a dash: not reached",
        ),
        *(_trials(played) for played in found.played if played.capacity is not None),
    )


def _trials(played: Played) -> Table:
    held = played.capacity
    return Table(
        name="trials",
        title=f"Replays of the search: {played.policy.name}",
        columns=(
            Column(name="size", label="rate" if held and held.search == "rate" else "replicas"),
            Column(name="share", label="within SLO", unit="share"),
            Column(name="low", label="from", unit="share"),
            Column(name="high", label="to", unit="share"),
        ),
        rows=tuple((t.size, t.share, t.low, t.high) for t in (held.trials if held else ())),
    )


def _bounds(found: Comparison) -> tuple[Table, ...]:
    if not found.bounds:
        return ()
    rows = [(each.blocks, each.eviction, each.visits, each.tokens) for each in found.bounds]
    return (
        Table(
            name="reuse",
            title="What the trace could reuse at all",
            columns=(
                Column(name="blocks", label="blocks in one cache"),
                Column(name="eviction", label="eviction"),
                Column(name="visits", label="of block visits", unit="share"),
                Column(name="tokens", label="of prompt tokens", unit="share"),
            ),
            rows=(
                *rows,
                (None, "none: endless", found.reuse.block_share, found.reuse.token_share),
            ),
            note=f"{found.reuse.visits:,} visits to {found.reuse.distinct:,} blocks in the order "
            "of arrival, one cache for the whole fleet",
        ),
    )


def _machines(found: Comparison) -> Table:
    return Table(
        name="machines",
        title="What was simulated",
        columns=(
            Column(name="policy", label="policy"),
            Column(name="replicas", label="replicas"),
            Column(name="gpus", label="GPUs"),
            Column(name="blocks", label="KV blocks each"),
            Column(name="block_tokens", label="tokens each"),
            Column(name="router", label="router"),
            Column(name="batching", label="batching"),
            Column(name="token_budget", label="token budget"),
            Column(name="step_time", label="step time"),
        ),
        rows=tuple(
            (
                played.policy.name,
                played.policy.replicas,
                gpus_of(played.policy, played.machines),
                played.policy.memory.blocks,
                played.policy.memory.block_tokens,
                played.policy.router.routing.name.lower().replace("_", " "),
                played.policy.scheduler.batching.name.lower(),
                played.policy.scheduler.token_budget,
                played.policy.step_time.name,
            )
            for played in found.played
        ),
    )
