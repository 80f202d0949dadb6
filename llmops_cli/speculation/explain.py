"""Where the figures of a plan come from: formulas with the reader's own numbers."""

from collections.abc import Iterator

from llmops_cli.hardware.silicon import roofline_error
from llmops_cli.report import Explanation
from llmops_cli.speculation.analysis import Analysis
from llmops_cli.speculation.costs import LEAST_PASS_S, LOOKUP_S, RANGES
from llmops_cli.speculation.latency import latency_at, typical_batch

__all__ = ["explanations"]


def explanations(found: Analysis) -> tuple[Explanation, ...]:
    """Tokens per step, step times, the speedup over the load, and the other figures."""
    return (
        _tokens(found),
        _steps(found),
        _speedup(found),
        _break_even(found),
        *_hops(found),
    )


def _tokens(found: Analysis) -> Explanation:
    plan, formula = found.best, found.formulas[0]
    seen, depth = plan.seen, plan.depth
    inside = plan.tokens.interval(depth)
    rates = [
        (f"p_{at + 1}", float(plan.tokens.rates[at])) for at in range(min(depth, seen.positions))
    ]
    return Explanation(
        of=f"tokens per step of {plan.draft.name}, drafting {depth}",
        formula="E = sum of tokens / sum of steps at the logged depth; at another depth the steps "
        "of each request are its tokens over 1 + sum_k prod_(i<=k) p_i with its own p_i, drawn "
        "towards those of all by (1 - rho) / rho",
        numbers=(
            ("requests", len(seen)),
            ("steps", float(seen.steps.sum())),
            ("tokens", float(seen.tokens.sum())),
            *rates,
            ("rho, of acceptances within a request", plan.tokens.correlation),
            ("E", float(plan.tokens.value[depth])),
            ("at least", inside.low if inside else None),
            ("at most", inside.high if inside else None),
            ("by one acceptance for all", formula.alike),
            ("by the first position at all", formula.first),
            ("by a beta-binomial law", formula.beta_binomial),
        ),
        assumptions=(
            "requests to come are like those of the log",
            "a shallower draft accepts at its positions what the logged one accepted there",
        ),
        source="cluster bootstrap over requests: Davison and Hinkley 1997; one acceptance for "
        "all: Leviathan et al. 2023, arXiv 2211.17192",
    )


def _steps(found: Analysis) -> Explanation:
    machine, plan = found.machine, found.best
    batch = typical_batch(found.load.batches, found.load.shares)
    at, depth = batch - 1, plan.depth
    reached, error = plan.steps.deployments[0].efficiency, roofline_error("tpot")
    fitted = plan.steps.fitted
    ranges = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in RANGES.items())
    told = (
        f"against {error.rows} measured deployments half of its times per token are within "
        f"{100 * error.median:.0f} % and nine in ten within {100 * error.p90:.0f} %"
    )
    if fitted is not None:
        told = (
            f"fitted to {fitted.rows} steps; of held-out ones half are within "
            f"{100 * fitted.median_error:.1f} % and nine in ten within "
            f"{100 * fitted.p90_error:.1f} %"
        )
    return Explanation(
        of=f"seconds of a step at batch {batch}",
        formula="t = max(FLOPs / rate, bytes / rate) + overhead + all-reduce; verification brings "
        "1 + drafted tokens per sequence, the cache is read once; step = verification + passes of "
        "the draft + rejection",
        numbers=(
            ("context", machine.context),
            ("plain step", float(plan.costs.plain[0, at])),
            ("verification", float(plan.costs.verify[0, depth, at])),
            ("drafting", float(plan.costs.draft[0, depth, at])),
            ("rejection", plan.costs.reject),
            ("share of the peak rate", reached.compute),
            ("share of the bandwidth", reached.memory),
            ("overhead", reached.overhead_s),
        ),
        assumptions=(
            told,
            *((f"every corner of {ranges} is tried; the interval covers all",)
              if fitted is None else ()),
            (
                f"a pass of a draft takes {1000 * LEAST_PASS_S:g} ms or more, a look-up "
                f"{1000 * LOOKUP_S:g} ms"
            ),
            "a draft is laid out as its target is, with 16-bit weights",
        ),
        source=f"{machine.gpu.name}: {machine.gpu.source}; {machine.target.name}: "
        f"{machine.target.source}",
    )  # fmt: skip


def _speedup(found: Analysis) -> Explanation:
    plan, load = found.best, found.load
    return Explanation(
        of="speedup over the load",
        formula="1 / sum_B w_B / S_B, S_B = E t_plain(B) / t_step(B) at batches where that is "
        "at least 1, and 1 elsewhere",
        numbers=(
            ("batches", len(load.batches)),
            ("typical batch", typical_batch(load.batches, load.shares)),
            ("drafted", plan.depth),
            ("up to batch", plan.ends),
            ("S over the load", plan.speedup.value),
            ("drafting at every batch", plan.always.value),
            ("at the best depth of each batch", plan.adaptive.value),
        ),
        assumptions=(
            "the same tokens at the same batches: faster decoding would empty them a little",
            "w_B is the share of decoding time without speculation",
            "prefill is not sped up and not counted",
            (
                "draft and depth are chosen on the log they are judged on: of several that are "
                "close, the best looks a little better than it is"
            ),
        ),
        source=load.source or "no load was given: batch 1",
    )


def _break_even(found: Analysis) -> Explanation:
    batch = typical_batch(found.load.batches, found.load.shares)
    here = latency_at(found.best, batch)
    return Explanation(
        of="break-even",
        formula="tokens per step needed = t_step / t_plain; the batch is the largest at which E "
        "reaches that",
        numbers=(
            ("batch", batch),
            ("needed there", here.needed),
            ("found", float(found.best.tokens.value[found.best.depth])),
            ("pays up to batch", found.best.ends),
            ("at the low end", found.best.ends_low),
            ("at the high end", found.best.ends_high),
        ),
        assumptions=("none: it pays at every batch up to what the cache holds",)
        if found.best.ends is None
        else (),
        source="as the speedup",
    )


def _hops(found: Analysis) -> Iterator[Explanation]:
    if not found.hops:
        return
    machine, plan = found.machine, found.best
    yield Explanation(
        of="a pipeline of nodes",
        formula="t_plain and verification each cross (N - 1) links once; saved per token: "
        "(N - 1) t_1 (k - 1) / k",
        numbers=(
            ("N", machine.nodes),
            ("t_1", machine.hop_s),
            ("k", float(plan.tokens.value[plan.depth])),
        ),
        assumptions=("no token is accepted that the target would not have sampled",),
        source="arXiv 2511.11733; its further 15 to 20 % come of accepting other tokens",
    )
