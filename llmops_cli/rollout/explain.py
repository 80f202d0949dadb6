"""Where the plan's figures come from: formulas with the reader's own numbers."""

from llmops_cli.report import Explanation
from llmops_cli.rollout.baseline import Baseline
from llmops_cli.rollout.harm import NORMAL_FROM
from llmops_cli.rollout.model import COST, LATENCY, QUALITY, Guardrail, Plan
from llmops_cli.rollout.sample import LEAST_EVENTS

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
        formula=_formula(guardrail),
        numbers=(
            ("V0, variance now", guardrail.variance),
            ("V1, variance at the margin", guardrail.variance_at_margin),
            ("margin", guardrail.margin),
            *_ratio(guardrail),
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
            *(_COST if guardrail.name == COST else ()),
        ),
        source="non-inferiority of means and shares: Chow, Shao, Wang & Lokhnygina 2017; "
        f"{_effect(guardrail)}",
    )


_COST = (
    "tokens at the prices of the model and day that the log names",
    "a new version's prompt cache is cold at first: its first requests may be dearer",
    "dearer means every request by the same factor",
)


def _formula(guardrail: Guardrail) -> str:
    control = "V0/k" if guardrail.ratio is None else "r^2 V0/k"
    return (
        f"n = (z_alpha sqrt(V1 + {control}) + z_beta sqrt(V0 + {control}))^2 / margin^2 "
        "x design effect / share of requests that carry it"
    )


def _effect(guardrail: Guardrail) -> str:
    if guardrail.name == COST:
        return "ratio of sums over users: Deng, Knoblich & Lu 2018; least sample: Cochran 1977"
    return "design effect: Kish 1965"


def _ratio(guardrail: Guardrail) -> tuple[tuple[str, float], ...]:
    """A margin that is a ratio: new less r times old is tested, by the delta method."""
    if guardrail.ratio is None:
        return ()
    known = (("r, ratio that matters", guardrail.ratio),)
    if not guardrail.least_requests:
        return known
    return (*known, ("least requests, 25 skewness^2", guardrail.least_requests))


def _judged(guardrail: Guardrail) -> tuple[tuple[str, float], ...]:
    """What a judge's errors do to the sample: the margin shrinks by se + sp - 1."""
    if guardrail.name != QUALITY or guardrail.asked <= guardrail.margin:
        return ()
    shown = guardrail.margin / guardrail.asked
    return (("se + sp - 1, of the judge", shown), ("so the sample grows by", 1 / shown**2))


def _beta(plan: Plan) -> float:
    return (1 - plan.power) / (len(plan.steps) * len(plan.guardrails))


def _errors(plan: Plan) -> Explanation:
    looks = len(plan.steps) * len(plan.guardrails)
    return Explanation(
        of="error rates of the plan",
        formula="alpha per stage = alpha / stages; to go back = alpha / looks; to hold = "
        "(1 - power) / looks; looks = stages x guardrails",
        numbers=(
            ("alpha", plan.alpha),
            ("stages", len(plan.steps)),
            ("power", plan.power),
            ("guardrails", len(plan.guardrails)),
            ("alpha per stage", plan.alpha_per_stage),
            ("to go back", plan.alpha / looks),
            ("to hold", (1 - plan.power) / looks),
        ),
        assumptions=(
            *_looks(plan),
            "going on needs every guardrail, so its alpha is not shared among them",
            "one guardrail is enough to go back or to hold, so those risks are shared out",
            f"harm is tested from {LEAST_EVENTS} expected bad requests on",
            f"where a stage expects fewer than {NORMAL_FROM:g}, by the binomial law and at once",
            _long_enough(plan),
            *_policy(plan),
        ),
        source="Bonferroni; intersection-union test: Berger 1982; mixture boundaries: Robbins "
        "1970, Howard et al. 2021; spending over looks: Lan & DeMets 1983",
    )


def _looks(plan: Plan) -> tuple[str, str]:
    chosen = plan.boundaries
    on = "one look per stage goes on, at its end"
    if chosen.benefit != "fixed":
        on = f"{chosen.benefit_looks} looks per stage may go on; its risk is spent over them as "
        on += f"{_NAMED[chosen.benefit]} do, and the last one sets the sample"
    if chosen.harm == "mixture":
        return on, "going back is tested as often as one looks"
    back = f"four fifths of the risk of going back are spent evenly over {chosen.harm_looks} looks "
    return on, f"{back}of a stage, one fifth holds at all of them and after its end"


_NAMED = {"obrien-fleming": "O'Brien and Fleming", "pocock": "Pocock's boundaries"}


def _long_enough(plan: Plan) -> str:
    if any(stage.cut_short for stage in plan.steps):
        return "stages cut short by their time limit have less power than asked, no more risk"
    return "every stage is long enough to send a harm of the margin back with its power"


def _policy(plan: Plan) -> tuple[str, ...]:
    """What the policy does to the risks."""
    said = list[str]()
    if plan.policy.at_maximum == "abort":
        said.append("a stage not decided in its time goes back: so may a harmless change, as often "
                    "as it is not shown harmless")  # fmt: skip
    if plan.policy.consecutive_looks > 1:
        said.append("waiting for looks in a row makes going back later and rarer, never likelier")
    if plan.policy.watch_s:
        said.append("the watch after 100 % uses what is left of that stage's risk: its boundary "
                    "holds over all time")  # fmt: skip
    return tuple(said)


_REPEATED = (
    "traffic repeats the log: hours of the day, and days of the week that it spans",
    "the rollout starts at the hour and on the day at which the log does",
    "a log shorter than a day knows no hours: its rate holds all day",
)

_EVEN = (
    "requests come evenly over the day; a log knows better",
    "latencies and costs are lognormal, as the numbers that were given say",
    "the numbers are right: they carry no error of their own",
)


def _time(plan: Plan, baseline: Baseline) -> Explanation:
    return Explanation(
        of="duration",
        formula="time until the requests of the stage have come, by the log's own hours",
        numbers=(
            ("requests", sum(stage.requests for stage in plan.steps)),
            ("calls in the log", baseline.calls),
            ("its span in hours", baseline.span_s / 3600),
            ("calls per hour", plan.requests_per_hour),
        ),
        assumptions=_EVEN if baseline.given else _REPEATED,
        source=arrival_method(baseline),
    )


def arrival_method(baseline: Baseline) -> str:
    """Where the rate of arrival comes from."""
    if baseline.given:
        return "as given, the same at all hours"
    return f"t interval over {baseline.blocks} equal parts of the log"
