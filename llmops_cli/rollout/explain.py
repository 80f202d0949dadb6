"""Where the plan's figures come from: formulas with the reader's own numbers."""

from llmops_cli.report import Explanation
from llmops_cli.rollout.baseline import Baseline
from llmops_cli.rollout.decision import NORMAL_FROM
from llmops_cli.rollout.model import LATENCY, QUALITY, Guardrail, Plan
from llmops_cli.rollout.plan import LEAST_EVENTS

__all__ = ["explanations"]


def explanations(plan: Plan, baseline: Baseline) -> tuple[Explanation, ...]:
    """The sample of each guardrail at the first stage, the error rates, and the time."""
    samples = tuple(_sample(plan, guardrail) for guardrail in plan.guardrails)
    return (*samples, _errors(plan), _time(plan, baseline))


def _sample(plan: Plan, guardrail: Guardrail) -> Explanation:
    first = plan.stages[0]
    decision = next(item for item in first.decisions if item.guardrail == guardrail.name)
    slow = (
        (
            "latency: if every request slows by the ratio, the share beyond the baseline p95 "
            "rises by the margin, as the log's own latencies say"
        ),
    )
    return Explanation(
        of=f"{guardrail.name}: requests on the new version at {first.percent:g} %",
        formula="n = (z_alpha sqrt(V1 + V0/k) + z_beta sqrt(V0 + V0/k))^2 / margin^2 "
        "x design effect / share of requests that carry it",
        numbers=(
            ("V0, variance now", guardrail.variance),
            ("V1, variance at the margin", guardrail.variance_at_margin),
            ("margin", guardrail.margin),
            *_judged(guardrail),
            ("k, control per canary request", (100 - first.percent) / first.percent),
            ("design effect", guardrail.design_effect),
            ("share of requests that carry it", guardrail.coverage),
            ("alpha, beta", f"{plan.alpha_per_stage:.3g}, {_beta(plan):.3g}"),
            ("n", decision.canary_requests),
        ),
        assumptions=(
            "a harmless change differs by nothing",
            f"at least {LEAST_EVENTS} bad requests expected at the margin, for the normal law",
            "users are assigned whole; the design effect is that of the log's users",
            *(slow if guardrail.name == LATENCY else ()),
        ),
        source="non-inferiority of means and shares: Chow, Shao, Wang & Lokhnygina 2017; "
        "design effect: Kish 1965",
    )


def _judged(guardrail: Guardrail) -> tuple[tuple[str, float], ...]:
    """What a judge's errors do to the sample: the margin shrinks by se + sp - 1."""
    if guardrail.name != QUALITY or guardrail.asked <= guardrail.margin:
        return ()
    shown = guardrail.margin / guardrail.asked
    return (("se + sp - 1, of the judge", shown), ("so the sample grows by", 1 / shown**2))


def _beta(plan: Plan) -> float:
    return (1 - plan.power) / (len(plan.stages) * len(plan.guardrails))


def _errors(plan: Plan) -> Explanation:
    looks = len(plan.stages) * len(plan.guardrails)
    return Explanation(
        of="error rates of the plan",
        formula="alpha per stage = alpha / stages; to go back = alpha / looks; to hold = "
        "(1 - power) / looks; looks = stages x guardrails",
        numbers=(
            ("alpha", plan.alpha),
            ("stages", len(plan.stages)),
            ("power", plan.power),
            ("guardrails", len(plan.guardrails)),
            ("alpha per stage", plan.alpha_per_stage),
            ("to go back", plan.alpha / looks),
            ("to hold", (1 - plan.power) / looks),
        ),
        assumptions=(
            "one look per stage goes on, at its end; going back is tested as often as one looks",
            "going on needs every guardrail, so its alpha is not shared among them",
            "one guardrail is enough to go back or to hold, so those risks are",
            f"harm is tested from {LEAST_EVENTS} expected bad requests on",
            f"where a stage expects fewer than {NORMAL_FROM:g}, by the binomial law and at once",
            "every stage is long enough to send a harm of the margin back with its power",
        ),
        source="Bonferroni; intersection-union test: Berger 1982; mixture boundaries: Robbins "
        "1970, Howard et al. 2021",
    )


def _time(plan: Plan, baseline: Baseline) -> Explanation:
    return Explanation(
        of="duration",
        formula="time until the requests of the stage have come, by the log's own hours",
        numbers=(
            ("requests", sum(stage.requests for stage in plan.stages)),
            ("calls in the log", baseline.calls),
            ("its span in hours", baseline.span_s / 3600),
            ("calls per hour", plan.requests_per_hour),
        ),
        assumptions=(
            "traffic repeats the log: hours of the day, and days of the week that it spans",
            "the rollout starts at the hour and on the day at which the log does",
            "a log shorter than a day knows no hours: its rate holds all day",
        ),
        source=f"t interval over {baseline.blocks} equal parts of the log",
    )
