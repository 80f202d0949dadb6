"""Tables of other policies beside the plan: baselines, routers, and others' claims."""

from collections.abc import Iterator

from llmops_cli.report import Column, Scalar, Table
from llmops_cli.tiers.figures import PolicyResult
from llmops_cli.tiers.simulation import Simulation

__all__ = ["PUBLISHED", "figure_tables", "policy_tables", "published"]

PUBLISHED: tuple[tuple[str, str, str], ...] = (
    (
        "98 % (HEADLINES), 73 % (OVERRULING), 59 % (COQA)",
        "FrugalGPT: cost to match the best single model",
        "arXiv 2305.05176: three data sets",
    ),
    (
        "up to 85 %",
        "RouteLLM: at 95 % of GPT-4",
        "its README: MT-Bench alone",
    ),
    (
        "at most 31.7 %",
        "LLMRouterBench: at the accuracy of the best single model",
        "its README: best of its routers",
    ),
    (
        "quality falls fast where a judge errs in more than 20 %",
        "RouterBench: cascades with an imperfect judge",
        "arXiv 2403.12031; on 3,148 of its rows the loss is linear",
    ),
    (
        "5.4x cheaper at +9.6 points, 13.9x at -6.3",
        "RouterBench rows, 11 models, judge right in 100 %, 80 %",
        "recomputed from 3,148 rows",
    ),
)
"""What others report to save; none of it is about this traffic."""


def policy_tables(found: Simulation) -> Iterator[Table]:
    """One row per policy."""
    if found.comparison is None:
        return
    base = found.comparison.policy(found.comparison.reference)
    at_reference = (base.estimate("quality").value, base.estimate("cost_usd").value)
    yield Table(
        name="policies",
        title=f"The plan beside every baseline, on the same {found.comparison.rows:,} requests",
        columns=(
            Column(name="policy", label="policy"),
            Column(name="quality", label="quality"),
            Column(name="cost_usd_per_1000", label="per 1,000", unit="usd"),
            Column(name="saving", label="saves", unit="share"),
            Column(name="gain_low", label="over the table", unit="points"),
            Column(name="gain_high", label="to", unit="points"),
            Column(name="kind", label="kind"),
        ),
        rows=tuple(
            _policy(policy, at_reference)
            for policy in sorted(found.comparison.policies, key=lambda one: one.kind != "given")
        ),
        note="mix, table, routers, cascades and oracle at the setting that equalled the "
        "reference's quality on other rows; over the table: interval of mean quality less the "
        "static table's at equal budgets: across zero is no gain",
    )


def _policy(policy: PolicyResult, at_reference: tuple[float, float]) -> tuple[Scalar, ...]:
    known = {item.name: item for item in policy.estimates}
    gain = known.get("gain_over_table")
    quality: float | None = None
    cost: float | None = None
    if "saving_as_planned" in known:
        quality = at_reference[0] - known["loss_as_planned"].value
        cost = at_reference[1] * (1 - known["saving_as_planned"].value)
    elif "quality" in known:
        quality, cost = known["quality"].value, known["cost_usd"].value
    return (
        policy.name,
        quality,
        None if cost is None else 1000 * cost,
        None if cost is None or at_reference[1] <= 0 else 1 - cost / at_reference[1],
        None if gain is None or gain.low is None else 100 * gain.low,
        None if gain is None or gain.high is None else 100 * gain.high,
        policy.kind,
    )


def figure_tables(found: Simulation) -> Iterator[Table]:
    """One row per figure of a policy."""
    if found.comparison is None:
        return
    yield Table(
        name="figures",
        title="Every figure of every policy",
        columns=(
            Column(name="policy", label="policy"),
            Column(name="figure", label="figure"),
            Column(name="value", label="value"),
            Column(name="low", label="low"),
            Column(name="high", label="high"),
        ),
        rows=tuple(
            (policy.name, item.name, item.value, item.low, item.high)
            for policy in found.comparison.policies
            for item in policy.estimates
        ),
        note=f"intervals of {100 * found.comparison.level:.0f} %, paired, "
        f"{found.comparison.resamples:,} resamples of {found.comparison.clusters:,} clusters; "
        "--explain says what each is",
    )


def published() -> Table:
    """What others report."""
    return Table(
        name="published",
        title="What others report, to compare with",
        columns=(
            Column(name="figure", label="saved"),
            Column(name="what", label="by what"),
            Column(name="source", label="source"),
        ),
        rows=PUBLISHED,
        note="on their data and prices; no promise for this traffic",
    )
