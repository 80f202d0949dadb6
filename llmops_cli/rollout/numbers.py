"""A baseline from a handful of numbers, where there is no log to measure one from."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from statistics import NormalDist

import numpy as np

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout.baseline import DAY_S, Baseline
from llmops_cli.rollout.cost import SKEW_SAMPLE
from llmops_cli.rollout.guardrails import Measured, Missing, errors_guardrail, rare_share
from llmops_cli.rollout.model import COST, DEFAULT_MARGINS, LATENCY, QUALITY, Guardrail
from llmops_cli.rollout.parameters import RolloutParameters
from llmops_cli.rollout.sample import with_margin
from llmops_cli.stats.intervals import Interval

__all__ = ["Numbers", "baseline_of", "numbers_of"]

_SLOW = 0.95
_Z_SLOW = NormalDist().inv_cdf(_SLOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What is known of the version in production.

    Attributes:
        requests_per_day: of all traffic.
        requests_per_day_low: the fewest a day may bring; the same where absent.
        requests_per_day_high: the most.
        baseline_days: how long the old version will have been watched before the rollout.
        error_rate: share of requests that fail.
        score_mean: mean evaluation score, between 0 and 1.
        score_sd: standard deviation of a score; of yes and no where absent.
        score_share: share of requests that are scored.
        latency_p50_s: median duration; latencies are taken as lognormal between the two.
        latency_p95_s: their 95th percentile.
        cost_mean_usd: mean cost of a request.
        cost_sd_usd: its standard deviation; costs are taken as lognormal.
        design_effect: how much requests of one user are alike: variance of a mean over that of
            as many independent requests.
    """

    requests_per_day: float
    requests_per_day_low: float | None = None
    requests_per_day_high: float | None = None
    baseline_days: float = 7.0
    error_rate: float = 0.0
    score_mean: float | None = None
    score_sd: float | None = None
    score_share: float = 1.0
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    cost_mean_usd: float | None = None
    cost_sd_usd: float | None = None
    design_effect: float = 1.0

    def __post_init__(self) -> None:
        """Refuse numbers that contradict themselves."""
        most = self.requests_per_day_high
        for name, low, high in (
            ("requests_per_day", 0.0, 1e12),
            ("requests_per_day_low", 0.0, self.requests_per_day * (1 + 1e-12)),
            ("baseline_days", 0.0, 36_500.0),
            ("score_mean", 0.0, 1.0),
            ("score_share", 0.0, 1.0 + 1e-12),
            ("latency_p50_s", 0.0, 1e9),
            ("latency_p95_s", self.latency_p50_s or 0.0, 1e9),
            ("cost_mean_usd", 0.0, 1e9),
            ("cost_sd_usd", 0.0, 1e12),
            ("score_sd", 0.0, _largest_sd(self.score_mean)),
        ):
            value = getattr(self, name)
            if value is not None and not low < value < high:
                raise _bad(name, f"does not lie between {low:g} and {high:g}")
        if not 0 <= self.error_rate < 1:
            raise _bad("error_rate", "is not a share of 0 or more and below 1")
        if not 1 <= self.design_effect < 1e6:  # noqa: PLR2004 - nobody's users are so alike
            raise _bad("design_effect", "is not 1 or more")
        if most is not None and not self.requests_per_day <= most < math.inf:
            raise _bad("requests_per_day_high", "is below requests_per_day")
        for one, other in (("latency_p50_s", "latency_p95_s"), ("cost_mean_usd", "cost_sd_usd")):
            if (getattr(self, one) is None) is not (getattr(self, other) is None):
                raise _bad(one, f"and {other} belong together")

    @property
    def baseline_calls(self) -> int:
        """Requests of the old version before the rollout."""
        return max(1, round(self.requests_per_day * self.baseline_days))


def _largest_sd(mean: float | None) -> float:
    """Of a score between 0 and 1 with that mean; rounding forgiven."""
    known = mean is not None and 0 < mean < 1
    return 1.0001 * math.sqrt(mean * (1 - mean)) if known and mean is not None else 1.0


def _bad(name: str, reason: str) -> LlmopsError:
    return LlmopsError("rollout-bad-number", f"{name} {reason}", field=name)


def numbers_of(values: Mapping[str, object], *, source: str) -> Numbers:
    """Numbers by their names, as a file or the command line gives them.

    Raises:
        LlmopsError: ``rollout-unknown-number`` with the nearest name, ``rollout-bad-number``,
            ``rollout-no-traffic`` without requests_per_day.
    """
    known = [item.name for item in fields(Numbers)]
    found = dict[str, float]()
    for name, value in values.items():
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            message = "there is no such number of a baseline"
            raise LlmopsError(
                "rollout-unknown-number", message, hint=hint, file=source, field=str(name)
            )
        if value is not None:
            found[name] = _number(name, value, source)
    if "requests_per_day" not in found:
        raise LlmopsError(
            "rollout-no-traffic",
            "without requests_per_day nobody knows how long a stage takes",
            hint="--numbers requests_per_day=50000",
            file=source,
            field="requests_per_day",
        )
    try:
        return Numbers(**found)
    except LlmopsError as error:
        raise LlmopsError(error.slug, error.message, file=source, field=error.field) from error


def _number(name: str, value: object, source: str) -> float:
    found = math.nan
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with suppress(ValueError):
            found = float(value)
    if not math.isfinite(found):
        message = f"{name} is not a number"
        raise LlmopsError("rollout-bad-number", message, file=source, field=name)
    return found


def baseline_of(numbers: Numbers, given: RolloutParameters) -> Baseline:
    """The baseline that a plan is made from; arrivals are even over the day.

    Raises:
        LlmopsError: ``rollout-mostly-errors``, ``rollout-few-errors``, ``rollout-no-cost``, and
            for a margin without its numbers ``rollout-no-quality``, ``rollout-no-latency``;
            ``rollout-low-quality`` and ``rollout-flat-latency``.
    """
    rate, calls = numbers.requests_per_day / DAY_S, numbers.baseline_calls
    low = numbers.requests_per_day_low or numbers.requests_per_day
    high = numbers.requests_per_day_high or numbers.requests_per_day
    measured, missing = list[Measured](), list[Missing]()
    for asked, found in (
        (given.quality_margin, _quality(numbers, given)),
        (given.latency_margin, _latency(numbers, given)),
    ):
        if isinstance(found, Guardrail):
            measured.append(Measured(found, None, round(calls * found.coverage)))
        elif asked is not None:
            raise found.error()
        else:
            missing.append(found)
    measured.append(Measured(_errors(numbers, given), None, calls))
    if given.cost_margin is not None:
        measured.append(Measured(_cost(numbers, given.cost_margin), None, calls))
    return Baseline(
        calls=calls,
        span_s=numbers.baseline_days * DAY_S,
        rate_per_s=rate,
        rate=Interval(low / DAY_S, high / DAY_S),
        blocks=0,
        units=0,
        unit="",
        arrivals=np.full(24, 3600 * rate),
        measured=tuple(measured),
        missing=tuple(missing),
        design_effect=numbers.design_effect,
    )


def _at(guardrail: Guardrail, numbers: Numbers) -> Guardrail:
    effect = replace(guardrail, design_effect=numbers.design_effect)
    return with_margin(effect, effect.margin)


def _quality(numbers: Numbers, given: RolloutParameters) -> Guardrail | Missing:
    asked = DEFAULT_MARGINS[QUALITY] if given.quality_margin is None else given.quality_margin
    margin, mean = asked * given.judge_knows, numbers.score_mean
    if mean is None:
        reason, hint = "score_mean is not among the numbers", "give it"
        return Missing(QUALITY, "rollout-no-quality", reason, hint, "score_mean")
    if mean <= margin:
        reason = f"a mean score of {mean:.3g} cannot fall by {margin:g}"
        return Missing(
            QUALITY, "rollout-low-quality", reason, "give a smaller --quality-margin", "score_mean"
        )
    share = numbers.score_share
    if numbers.score_sd is None:
        planned = rare_share(1 - mean, numbers.baseline_calls * share)
        variance = planned * (1 - planned)
    else:
        variance = numbers.score_sd**2
    guardrail = Guardrail(
        name=QUALITY,
        metric="mean evaluation score",
        baseline=mean,
        margin=margin,
        asked=asked,
        variance=variance,
        variance_at_margin=variance,
        design_effect=1.0,
        coverage=share,
    )
    return _at(guardrail, numbers)


def _latency(numbers: Numbers, given: RolloutParameters) -> Guardrail | Missing:
    ratio = DEFAULT_MARGINS[LATENCY] if given.latency_margin is None else given.latency_margin
    median, slow_s = numbers.latency_p50_s, numbers.latency_p95_s
    if median is None or slow_s is None:
        reason, hint = "latency_p50_s and latency_p95_s are not among the numbers", "give both"
        return Missing(LATENCY, "rollout-no-latency", reason, hint, "latency_p95_s")
    sigma = math.log(slow_s / median) / _Z_SLOW
    share = 1 - _SLOW
    margin = 1 - NormalDist().cdf(_Z_SLOW - math.log(ratio) / sigma) - share
    guardrail = Guardrail(
        name=LATENCY,
        metric="share of requests as slow as the baseline p95 or slower",
        baseline=share,
        margin=margin,
        asked=ratio,
        variance=share * _SLOW,
        variance_at_margin=share * _SLOW,
        design_effect=1.0,
        coverage=1 - numbers.error_rate,
        threshold_s=slow_s,
    )
    return _at(guardrail, numbers)


def _errors(numbers: Numbers, given: RolloutParameters) -> Guardrail:
    count = round(numbers.error_rate * numbers.baseline_calls)
    guardrail = errors_guardrail(numbers.error_rate, given, count, numbers.baseline_calls)
    return replace(guardrail, design_effect=numbers.design_effect)


def _cost(numbers: Numbers, ratio: float) -> Guardrail:
    if numbers.cost_mean_usd is None or numbers.cost_sd_usd is None:
        raise LlmopsError(
            "rollout-no-cost",
            "cost_mean_usd and cost_sd_usd are not among the numbers, so cost cannot be guarded",
            hint="give both, or leave out --cost-margin",
            field="cost_mean_usd",
            exit_code=ExitCode.BAD_INPUT,
        )
    spread = numbers.cost_sd_usd / numbers.cost_mean_usd
    skewness = (spread**2 + 3) * spread  # of a lognormal law
    guardrail = Guardrail(
        name=COST,
        metric="cost of a request over its baseline mean",
        baseline=1.0,
        margin=ratio - 1,
        asked=ratio,
        variance=spread**2,
        variance_at_margin=spread**2,
        design_effect=1.0,
        ratio=ratio,
        unit_usd=numbers.cost_mean_usd,
        least_requests=round(SKEW_SAMPLE * skewness**2 * numbers.design_effect),
    )
    return _at(guardrail, numbers)
