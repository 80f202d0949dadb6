"""The tables of a plan: by batch, by draft, by class, and what they rest on."""

from collections.abc import Iterator

import numpy as np

from llmops_cli.report import Column, Scalar, Table, Unit
from llmops_cli.speculation.analysis import Analysis
from llmops_cli.speculation.closed_form import (
    acceptance_for,
    beta_binomial_tokens,
    expected_tokens,
)
from llmops_cli.speculation.decentralised import saved_per_token_s
from llmops_cli.speculation.estimate import beta_shapes, tokens_per_step
from llmops_cli.speculation.evidence import at_temperature, temperatures
from llmops_cli.speculation.latency import latency_at, price_per_million, typical_batch
from llmops_cli.speculation.plan import DraftPlan
from llmops_cli.speculation.speedup import by_batch

__all__ = ["plan_tables", "shown_batches"]


def plan_tables(found: Analysis) -> tuple[Table, ...]:
    """What the reader needs first comes first: two tables are shown without ``-v``."""
    several = len(found.plans) > 1
    return (
        _batches(found),
        *((_drafts(found),) if several else ()),
        *((_slices(found),) if found.slices else ()),
        *((_hops(found),) if found.hops else ()),
        *_temperatures(found),
        _positions(found.best),
        _depths(found),
        _latencies(found),
        _stretches(found),
    )


def shown_batches(found: Analysis) -> tuple[int, ...]:
    """Powers of four, the typical batch of the load and the largest that is looked at."""
    top = len(found.best.costs.batches)
    powers = {4**power for power in range(5)}
    typical = typical_batch(found.load.batches, found.load.shares)
    return tuple(sorted(batch for batch in powers | {typical, top} if batch <= top))


def _batches(found: Analysis) -> Table:
    return Table(
        name="batches",
        title=f"Speedup of {found.best.draft.name} by batch",
        columns=_columns(
            ("batch", "batch", "count"),
            ("share", "of the load, up to it", "share"),
            ("speedup", "speedup", "ratio"),
            ("low", "at least", "ratio"),
            ("high", "at most", "ratio"),
            ("needed", "tokens per step to break even", ""),
            ("acceptance", "acceptance to break even", "share"),
            ("best", "best drafted", "count"),
            ("best_speedup", "speedup there", "ratio"),
        ),
        rows=tuple(_batch_rows(found)),
        note=f"drafting {found.best.depth} tokens; at least and at most: few or many tokens of "
        "resampled requests at the worst and the best step times; acceptance: the same at every "
        "position; best drafted: 0 is plain decoding",
    )


def _batch_rows(found: Analysis) -> Iterator[tuple[Scalar, ...]]:
    plan = found.best
    value, low, high = by_batch(plan.tokens, plan.costs, plan.depth)
    load = tuple(zip(found.load.batches, found.load.shares, strict=True))
    largest = max(found.load.batches)
    for batch in shown_batches(found):
        at = batch - 1
        needed = float(plan.costs.needed[0, plan.depth, at])
        best = next(s.depth for s in plan.stretches if s.first <= batch <= s.last)
        # Shares add up to 1 but for rounding, which would be shown.
        upto = 1.0 if batch >= largest else sum(share for size, share in load if size <= batch)
        there = float(plan.tokens.value[best] / plan.costs.needed[0, best, at])
        yield (
            batch, upto, float(value[at]), float(low[at]), float(high[at]),
            needed, acceptance_for(needed, plan.depth), best, there,
        )  # fmt: skip


def _drafts(found: Analysis) -> Table:
    return Table(
        name="drafts",
        title="Drafts, the best first",
        columns=_columns(
            ("draft", "draft", ""),
            ("kind", "kind", ""),
            ("drafted", "drafted", "count"),
            ("tokens", "tokens per step", ""),
            ("speedup", "speedup over the load", "ratio"),
            ("low", "at least", "ratio"),
            ("high", "at most", "ratio"),
            ("adaptive", "at the best depth of each batch", "ratio"),
            ("ends", "pays up to batch", "count"),
            ("first", "fastest in", "share"),
        ),
        rows=tuple(
            (
                plan.draft.name, plan.draft.kind, plan.depth,
                float(plan.tokens.value[plan.depth]),
                plan.speedup.value, plan.speedup.low, plan.speedup.high, plan.adaptive.value,
                plan.ends, None if np.isnan(first) else first,
            )
            for plan, first in zip(found.plans, found.first, strict=True)
        ),
        note="fastest in: of resamples of the requests, at the central step times; no batch: it "
        "pays at every batch that was looked at",
    )  # fmt: skip


def _slices(found: Analysis) -> Table:
    return Table(
        name="slices",
        title="Classes under the plan, from the one that gains least",
        columns=_columns(
            ("task", "class", ""),
            ("requests", "requests", "count"),
            ("tokens_share", "of tokens", "share"),
            ("tokens", "tokens per step", ""),
            ("speedup", "speedup", "ratio"),
            ("low", "at least", "ratio"),
            ("high", "at most", "ratio"),
            ("loses", "loses", ""),
        ),
        rows=tuple(
            (
                item.task, item.requests, item.token_share, item.tokens.value,
                item.speedup.value, item.speedup.low, item.speedup.high, item.loses,
            )
            for item in found.slices
        ),
        note="the class alone at the batches of the load; loses: all of its interval is below 1",
    )  # fmt: skip


def _hops(found: Analysis) -> Table:
    nodes = found.machine.nodes
    return Table(
        name="hops",
        title=f"A pipeline of {nodes} nodes, by latency of a link",
        columns=_columns(
            ("hop", "latency of a link", "s"),
            ("saved", "saved per token", "s"),
            ("drafted", "best drafted", "count"),
            ("speedup", "speedup over the load", "ratio"),
            ("low", "at least", "ratio"),
            ("high", "at most", "ratio"),
        ),
        rows=tuple(
            (
                hop,
                saved_per_token_s(nodes, hop, float(plan.tokens.value[plan.depth])),
                plan.depth, plan.speedup.value, plan.speedup.low, plan.speedup.high,
            )
            for hop, plan in found.hops
        ),
        note="the draft runs where tokens are sampled; outputs stay those of the target",
    )  # fmt: skip


def _temperatures(found: Analysis) -> Iterator[Table]:
    """Tokens per step by temperature, where the best draft's log has several."""
    seen, depth = found.logged[0].seen, found.best.depth
    known = temperatures(seen)
    if len(known) < 2:  # noqa: PLR2004 - one is no comparison
        return

    def row(temperature: float) -> tuple[Scalar, ...]:
        part = at_temperature(seen, temperature)
        given = found.given
        tokens = tokens_per_step(part, level=given.level, resamples=given.resamples,
                                 seed=given.seed)  # fmt: skip
        inside = tokens.interval(depth)
        ends = (inside.low, inside.high) if inside else (None, None)
        return (temperature, len(part), float(tokens.value[depth]), *ends)

    yield Table(
        name="temperatures",
        title=f"Acceptance of {found.best.draft.name} by temperature",
        columns=_columns(
            ("temperature", "temperature", ""),
            ("requests", "requests", "count"),
            ("tokens", "tokens per step", ""),
            ("low", "at least", ""),
            ("high", "at most", ""),
        ),
        rows=tuple(row(temperature) for temperature in known[:12]),
        note=f"drafting {depth} tokens; with --temperature only its requests count",
    )


def _positions(plan: DraftPlan) -> Table:
    seen, tokens = plan.seen, plan.tokens
    ends = tokens.rate_intervals
    return Table(
        name="positions",
        title=f"Acceptance of {plan.draft.name} by position",
        columns=_columns(
            ("position", "position", "count"),
            ("acceptance", "accepted", "share"),
            ("low", "at least", "share"),
            ("high", "at most", "share"),
            ("steps", "steps that got there", "count"),
        ),
        rows=tuple(
            (
                at + 1, float(tokens.rates[at]),
                ends[at].low if ends else None, ends[at].high if ends else None,
                float(seen.reached[:, at].sum()),
            )
            for at in range(seen.positions)
        ),
        note="of steps in which the position was drafted and all before it accepted; intervals "
        "from resampled requests",
    )  # fmt: skip


def _depths(found: Analysis) -> Table:
    plan, formula = found.best, found.formulas[0]
    shapes = beta_shapes(plan.tokens)

    def row(depth: int) -> tuple[Scalar, ...]:
        inside = plan.tokens.interval(depth)
        value = float(plan.tokens.value[depth])
        alike = expected_tokens(formula.acceptance, depth)
        law = None if shapes is None else beta_binomial_tokens(*shapes, depth)
        return (depth, value, inside.low if inside else None, inside.high if inside else None,
                alike, alike / value - 1, law)  # fmt: skip

    return Table(
        name="depths",
        title="Tokens per step by drafted tokens, and what formulas say",
        columns=_columns(
            ("drafted", "drafted", "count"),
            ("tokens", "tokens per step", ""),
            ("low", "at least", ""),
            ("high", "at most", ""),
            ("alike", "one acceptance for all", ""),
            ("excess", "too many by", "share"),
            ("beta_binomial", "beta-binomial", ""),
        ),
        rows=tuple(row(depth) for depth in range(1, len(plan.tokens.value))),
        note=f"one acceptance for all: mean over requests {formula.acceptance:.3f}; beta-binomial: "
        f"acceptance differs over requests, correlation {plan.tokens.correlation:.3f}",
    )


def _latencies(found: Analysis) -> Table:
    price = found.given.gpu_usd_per_hour

    def row(batch: int) -> tuple[Scalar, ...]:
        here = latency_at(found.best, batch)
        usd = [
            None if price is None else price_per_million(found.machine, price, batch, tpot)
            for tpot in (here.plain.value, here.mean.value, here.mean.low, here.mean.high)
        ]
        return (
            batch, here.plain.value, here.mean.value, here.p50.value, here.p50.low, here.p50.high,
            here.p99.value, here.p99.low, here.p99.high, here.verify_share, *usd,
        )  # fmt: skip

    return Table(
        name="latency",
        title="Time and price of a token by batch",
        columns=_columns(
            ("batch", "batch", "count"),
            ("plain", "plain", "s"),
            ("mean", "drafting", "s"),
            ("p50", "p50 of requests", "s"),
            ("p50_low", "at least", "s"),
            ("p50_high", "at most", "s"),
            ("p99", "p99 of requests", "s"),
            ("p99_low", "at least", "s"),
            ("p99_high", "at most", "s"),
            ("verify", "of it verification", "share"),
            ("usd_plain", "a million tokens, plain", "usd"),
            ("usd", "drafting", "usd"),
            ("usd_low", "at least", "usd"),
            ("usd_high", "at most", "usd"),
        ),
        rows=tuple(row(batch) for batch in shown_batches(found)),
        note="ends at the best and the worst step times and, of quantiles, by ranks of requests",
    )


def _stretches(found: Analysis) -> Table:
    return Table(
        name="schedule",
        title="Best drafted tokens by batch",
        columns=_columns(
            ("first", "from batch", "count"),
            ("last", "to", "count"),
            ("drafted", "drafted", "count"),
        ),
        rows=tuple((item.first, item.last, item.depth) for item in found.best.stretches),
        note="at the central step times; 0 is plain decoding",
    )


def _columns(*given: tuple[str, str, Unit]) -> tuple[Column, ...]:
    return tuple(Column(name=name, label=label, unit=unit) for name, label, unit in given)
