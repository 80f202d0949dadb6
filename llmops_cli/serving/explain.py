"""Where the figures of a comparison come from: formulas with the reader's own numbers."""

from llmops_cli.hardware.step_time import StepForm
from llmops_cli.report import Explanation
from llmops_cli.serving.capacity import TOLERANCE
from llmops_cli.serving.comparison import Comparison, Played
from llmops_cli.serving.differences import best
from llmops_cli.serving.findings import error_statement
from llmops_cli.serving.policies import LINK_GBPS, TIER_GBPS
from llmops_cli.serving.question import ServingParameters

__all__ = ["explanations"]

_STEP = {
    StepForm.ROOFLINE: "t = max(FLOPs / rate, bytes / bandwidth) + overhead + all-reduce; "
    "FLOPs = 2 P tokens + attention over contexts; bytes = weights once + KV of contexts",
    StepForm.POLYNOMIAL: "t = a T^2 + b T + c of T prefill tokens + max(least, d u^2 + e u + f) "
    "of the share u of KV memory in use",
    StepForm.AFFINE: "t = intercept + per prefill token + per decoding sequence + per token of "
    "context",
}


def explanations(found: Comparison, given: ServingParameters) -> tuple[Explanation, ...]:
    """The step time, the latencies, reuse, the intervals, and what was searched."""
    return (
        _step_time(found),
        _latencies(found),
        _reuse(found),
        _intervals(found),
        _cost(found, given),
        *((_capacity(found, given),) if given.find else ()),
    )


def _step_time(found: Comparison) -> Explanation:
    played = best(found)
    step = played.policy.step_time
    names = {
        StepForm.ROOFLINE: ("FLOPs per token", "attention FLOPs per pair", "weight bytes",
                            "KV bytes per token", "FLOP/s", "bytes/s", "overhead, s"),
    }.get(step.form, ())  # fmt: skip
    return Explanation(
        of="how long an iteration takes",
        formula=_STEP.get(step.form, step.form.name.lower()),
        numbers=(
            ("policy", played.policy.name),
            ("step time", step.name),
            *((name, float(value)) for name, value in zip(names, step.coefficients, strict=False)),
        ),
        assumptions=(
            f"absolute latencies are those of {error_statement(found)}",
            "replicas are alike, nothing fails, and the network to the user takes no time",
        ),
        source=step.source,
    )


def _latencies(found: Comparison) -> Explanation:
    return Explanation(
        of="TTFT, TPOT, goodput",
        formula="TTFT = first token - arrival; TPOT = (last - first token) / (output - 1); goodput "
        "= share of requests with every limit kept",
        numbers=(
            ("requests", len(found.trace)),
            ("counted", int(found.warm_up.counted.sum())),
            ("warm-up, s", found.warm_up.seconds),
            ("warm-up ends", found.warm_up.rule),
        ),
        assumptions=(
            "requests that arrive before the end of the warm-up are served and not counted",
            "an answer of one token has no TPOT and keeps its limit",
            "a percentile is the smallest value that so many requests do not exceed",
        ),
        source="goodput: Zhong et al., DistServe, OSDI 2024",
    )


def _reuse(found: Comparison) -> Explanation:
    return Explanation(
        of="hit rate",
        formula="prompt tokens found in a prefix cache at admission / prompt tokens",
        numbers=(
            ("tokens of a block", found.trace.block_tokens),
            ("visits of blocks", found.reuse.visits),
            ("distinct blocks", found.reuse.distinct),
            ("endless cache, of visits", found.reuse.block_share),
            ("endless cache, of tokens", found.reuse.token_share),
        ),
        assumptions=(
            "bounds take one cache for the whole fleet and requests in the order of arrival",
            "a prefix is cached once its prompt has been computed, and whole blocks only",
        ),
        source="LRU by stack distances: Mattson et al. 1970; clairvoyant eviction: Belady 1966",
    )


def _intervals(found: Comparison) -> Explanation:
    seconds = float(found.trace.arrival_s[found.warm_up.counted].max()) - found.warm_up.seconds
    return Explanation(
        of="intervals and paired differences",
        formula="figures over stretches of time drawn with replacement; a difference over the "
        "same draws for both policies; the middle 95 %",
        numbers=(
            ("stretches", found.stretches.count),
            ("seconds each", seconds / found.stretches.count),
            ("resamples", len(found.stretches.draws)),
        ),
        assumptions=(
            "stretches are so long that one tells little of the next",
            "they say how much a figure hangs on this stretch of traffic, not on the step time",
        ),
        source="block bootstrap: Carlstein 1986; Künsch 1989",
    )


def _cost(found: Comparison, given: ServingParameters) -> Explanation:
    played = best(found)
    return Explanation(
        of="cost",
        formula="GPUs x hours from the first counted arrival to the last answer / output tokens",
        numbers=(
            ("policy", played.policy.name),
            ("GPUs", played.counted.gpus),
            ("hours", played.counted.lasted_s / 3600),
            ("output tokens", int(played.counted.output_tokens.sum())),
            ("USD per GPU hour", given.gpu_usd_per_hour),
        ),
        assumptions=(
            "the fleet is paid for while it serves this trace, idle or not",
            *_links(found.played),
        ),
    )


def _links(played: tuple[Played, ...]) -> tuple[str, ...]:
    found: list[str] = []
    if any(each.policy.pools for each in played):
        found.append(f"KV caches travel at {LINK_GBPS:g} GB/s where a policy does not say")
    if any(each.policy.memory.second_tier for each in played):
        found.append(f"a second tier loads {TIER_GBPS:g} GB/s where a policy does not say")
    return tuple(found)


def _capacity(found: Comparison, given: ServingParameters) -> Explanation:
    searched = [each.capacity for each in found.played if each.capacity is not None]
    rate = given.find == "rate"
    return Explanation(
        of="most traffic" if rate else "fewest replicas",
        formula="largest factor on the rate of the trace" if rate else "smallest number",
        numbers=(
            ("SLO", str(given.slo)),
            ("share of requests within it", given.slo.share if given.slo else None),
            ("replays", sum(len(each.trials) for each in searched)),
        ),
        assumptions=(
            "more traffic is never served better: the search doubles and then halves"
            + (f", to {100 * TOLERANCE:g} %" if rate else ""),
            "the same requests come faster, with the same gaps between them in proportion"
            if rate
            else "pools keep their proportion",
            "beyond what the fleet can serve, waits grow with the length of the trace",
        ),
    )
