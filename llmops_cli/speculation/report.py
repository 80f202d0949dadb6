"""An analysis becomes a Report: does it pay, with which draft, up to which batch."""

from dataclasses import replace

import numpy as np

from llmops_cli.report import Check, Finding, Measure, Report, Scalar, Series, Verdict
from llmops_cli.speculation.analysis import Analysis
from llmops_cli.speculation.closed_form import acceptance_for
from llmops_cli.speculation.evidence import of_another, requests_needed
from llmops_cli.speculation.explain import explanations
from llmops_cli.speculation.findings import own_findings
from llmops_cli.speculation.latency import Range, latency_at, price_per_million, typical_batch
from llmops_cli.speculation.plan import DraftPlan, at_batches
from llmops_cli.speculation.speedup import Estimate, by_batch, drawn_over_load
from llmops_cli.speculation.tables import plan_tables
from llmops_cli.stats.bootstrap import percentiles

__all__ = ["report"]

_METHOD = "requests resampled whole, at the worst and the best step times"
_POINTS = 100
"""Of a curve: more cannot be told apart."""
_WORDS = {Verdict.PASS: "GO", Verdict.FAIL: "NO-GO", Verdict.INCONCLUSIVE: "INCONCLUSIVE"}


def report(
    found: Analysis, *, inputs: tuple[str, ...] = (), findings: tuple[Finding, ...] = ()
) -> Report:
    """The report of an analysis; ``findings`` are those of the readers."""
    checks = _checks(found)
    return Report(
        command="plan-speculation",
        title="Does speculative decoding pay",
        headline=_headline(found, checks),
        inputs=inputs,
        parameters=_parameters(found),
        measures=_measures(found),
        checks=checks,
        tables=plan_tables(found),
        series=_series(found),
        findings=(*findings, *own_findings(found)),
        explanations=explanations(found),
    )


def _headline(found: Analysis, checks: tuple[Check, ...]) -> str:
    plan, worth = found.best, found.best.speedup
    if plan.ends == 0:
        told = (
            f"no draft pays at any batch; the nearest is {plan.draft.name}, {worth.value:.2f} "
            "times as fast as plain decoding"
        )
    else:
        spread = "" if worth.low is None else f" ({worth.low:.2f} to {worth.high:.2f})"
        word = "token" if plan.depth == 1 else "tokens"
        told = (
            f"drafting {plan.depth} {word} with {plan.draft.name} decodes this load "
            f"{worth.value:.2f} times as fast{spread}{_where(plan)}"
        )
    word = f"{_WORDS[checks[0].verdict]}: " if checks else ""
    return f"{word}{told}." if word else f"{told[0].upper()}{told[1:]}."


def _where(plan: DraftPlan) -> str:
    """At which batches it pays; nothing where it does at all that were looked at."""
    top = len(plan.costs.batches)
    first, *rest = plan.drafting
    if first.first > 1 or rest:
        runs = [
            f"from {run.first} on" if run.last == top else f"from {run.first} to {run.last}"
            for run in plan.drafting
        ]
        return f", and pays at batches {' and '.join(runs)}"
    return "" if plan.ends is None else f", and pays up to batch {plan.ends}"


def _parameters(found: Analysis) -> dict[str, Scalar]:
    machine, given, layout = found.machine, found.given, found.machine.deployment
    return {
        "target": machine.target.name,
        "gpu": machine.gpu.name,
        "tensor_parallel": layout.tensor_parallel,
        "weight_bits": layout.weight_bits,
        "context": machine.context,
        "drafts": ", ".join(plan.draft.name for plan in found.plans),
        "load": found.load.source or "batch 1",
        "step_times": machine.measured.source if machine.measured else "roofline",
        "nodes": machine.nodes,
        "hop_s": machine.hop_s,
        "reject_s": machine.reject_s,
        "temperature": given.temperature,
        "min_speedup": given.min_speedup,
        "gpu_usd_per_hour": given.gpu_usd_per_hour,
        "resamples": given.resamples,
        "seed": given.seed,
    }


def _speedup(found: Analysis, name: str, label: str, worth: Estimate) -> Measure:
    sampled = worth.low is not None
    return Measure(
        name=name,
        label=label,
        value=worth.value,
        unit="ratio",
        low=worth.low,
        high=worth.high,
        level=found.given.level if sampled else None,
        n=len(found.best.seen),
        method=_METHOD if sampled else "a value without a spread",
    )


def _measures(found: Analysis) -> tuple[Measure, ...]:
    plan = found.best
    return (
        _speedup(found, "speedup", "speedup over the load", plan.speedup),
        _speedup(found, "speedup_always", "drafting at every batch", plan.always),
        _speedup(found, "speedup_adaptive", "at the best depth of each batch", plan.adaptive),
        Measure(
            name="adapting_gain",
            label="gained by adapting the depth",
            value=plan.adaptive.value / plan.speedup.value - 1,
            unit="share",
            method="central step times; depths chosen on the same log",
        ),
        Measure(name="drafted_tokens", value=plan.depth, unit="count", method="best over the load"),
        _tokens(found),
        _first_position(found),
        Measure(
            name="break_even_batch",
            label="pays up to batch",
            value=plan.ends,
            unit="count",
            low=plan.ends_low,
            high=plan.ends_high,
            level=found.given.level,
            method=_METHOD if plan.ends is not None else f"none up to {len(plan.costs.batches)}",
        ),
        *_at_typical(found),
    )


def _tokens(found: Analysis) -> Measure:
    plan = found.best
    inside = plan.tokens.interval(plan.depth)
    return Measure(
        name="tokens_per_step",
        value=float(plan.tokens.value[plan.depth]),
        low=inside.low if inside else None,
        high=inside.high if inside else None,
        level=found.given.level if inside else None,
        n=int(plan.seen.steps.sum()),
        method="requests resampled whole",
    )


def _first_position(found: Analysis) -> Measure:
    tokens = found.best.tokens
    ends = tokens.rate_intervals
    return Measure(
        name="acceptance",
        label="first drafted token accepted",
        value=float(tokens.rates[0]),
        unit="share",
        low=ends[0].low if ends else None,
        high=ends[0].high if ends else None,
        level=found.given.level if ends else None,
        n=int(found.best.seen.reached[:, 0].sum()),
        method="requests resampled whole",
    )


def _at_typical(found: Analysis) -> tuple[Measure, ...]:
    """Figures at the batch that half of the time is at or below."""
    batch = typical_batch(found.load.batches, found.load.shares)
    plan, here = found.best, latency_at(found.best, batch)
    told = (
        ("tpot_plain_s", f"per token at batch {batch}, plain", here.plain),
        ("tpot_p50_s", "p50 of requests, drafting", here.p50),
        ("tpot_p99_s", "p99 of requests, drafting", here.p99),
    )
    times = tuple(
        Measure(
            name=name, label=label, value=worth.value, unit="s", low=worth.low, high=worth.high,
            n=len(plan.seen), method="best and worst step times, ranks of requests",
        )
        for name, label, worth in told
    )  # fmt: skip
    needed = acceptance_for(here.needed, plan.depth)
    even = Measure(
        name="break_even_acceptance",
        label=f"acceptance to break even at batch {batch}",
        value=needed,
        unit="share",
        method="the same at every position, central step times"
        if needed is not None
        else "no acceptance does",
    )
    return (*times, even, *_prices(found, batch, here.plain, here.mean))


def _prices(found: Analysis, batch: int, plain: Range, drafting: Range) -> tuple[Measure, ...]:
    price = found.given.gpu_usd_per_hour
    if price is None:
        return ()

    def usd(tpot: float) -> float:
        return price_per_million(found.machine, price, batch, tpot)

    return tuple(
        Measure(
            name=name, label=label, value=usd(worth.value), unit="usd",
            low=usd(worth.low), high=usd(worth.high), method="decoding only, GPUs of one replica",
        )
        for name, label, worth in (
            ("usd_per_million_plain", f"a million tokens at batch {batch}, plain", plain),
            ("usd_per_million", "drafting", drafting),
        )
    )  # fmt: skip


def _checks(found: Analysis) -> tuple[Check, ...]:
    bound = found.given.min_speedup
    if bound is None:
        return ()
    measure = _measures(found)[0]
    if measure.low is None:
        return (
            Check(
                name="min_speedup",
                measure=measure,
                on="value",
                op=">=",
                bound=bound,
                verdict=Verdict.INCONCLUSIVE,
                reason="the evidence has no spread, so nothing is known of other requests",
                needed="acceptance logged per request",
            ),
        )
    check = Check.at_least("min_speedup", measure, bound, needed=_needed(found, bound))
    if of_another(found.logged[0].seen, found.given.temperature):
        check = replace(
            check,
            verdict=Verdict.INCONCLUSIVE,
            reason="the log was sampled at another temperature, and acceptance depends on it",
            needed=f"acceptance logged at temperature {found.given.temperature:g}",
        )
    return (check,)


def _needed(found: Analysis, bound: float) -> str:
    """What would decide: more requests, or step times that are measured and not assumed."""
    plan, shares = found.best, np.array(found.load.shares)
    drawn = drawn_over_load(
        plan.tokens, at_batches(plan.costs, found.load), plan.depths_of(found.load), shares
    )
    inside = percentiles(drawn, found.given.level)
    if not inside.low <= bound <= inside.high:
        return "measured steps (--step-times): at the central step times these requests decide"
    value = plan.speedup.value
    requests = requests_needed(len(plan.seen), value, (inside.low, inside.high), bound)
    if requests is None:
        return "nothing: the speedup is the bound itself"
    steps = plan.seen.steps.sum() / len(plan.seen) * requests
    words = f"about {requests:,} requests ({steps:,.0f} steps) like these"
    return words if plan.steps.fitted else f"{words}, and measured steps (--step-times)"


def _series(found: Analysis) -> tuple[Series, ...]:
    """Speedup against batch with its ends, and the load under it."""
    plan = found.best
    chart = f"Speedup of {plan.draft.name} by batch"
    top = len(plan.costs.batches)
    rows = np.unique(np.rint(np.geomspace(1, top, _POINTS)).astype(np.int64)) - 1
    x = tuple(plan.costs.batches[rows].tolist())
    curves = zip(
        ("speedup", "speedup_low", "speedup_high"),
        ("central", "at least", "at most"),
        by_batch(plan.tokens, plan.costs, plan.depth),
        strict=True,
    )
    return (
        *(
            Series(name=name, title=title, x_label="batch", y_label="times as fast", x=x,
                   y=tuple(curve[rows].tolist()), chart=chart)
            for name, title, curve in curves
        ),
        Series(
            name="load",
            title="Share of decoding time by batch",
            x_label="batch",
            y_label="share of the time",
            x=tuple(float(batch) for batch in found.load.batches),
            y=found.load.shares,
        ),
    )  # fmt: skip
