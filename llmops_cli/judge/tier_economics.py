"""What following the judge's tier does to quality and cost, beside a single tier and the oracle.

Nothing is assumed about the judge's errors: the logged outcome of the tier it chose is counted.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.cases import Cases, best_tier
from llmops_cli.judge.clustered import ratio_interval
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import estimate
from llmops_cli.report import Column, Measure, Scalar, Table
from llmops_cli.stats.intervals import Interval

__all__ = ["Tiers", "tier_measures", "tier_spent", "tier_table", "tiers_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Tiers:
    """The decisions in which every tier's outcome and the verdict are known.

    Attributes:
        rows: ``(n,)`` which decisions those are.
        quality: ``(m, k)`` outcome of each tier.
        cost: ``(m, k)`` cost of each tier, the judge's own left out; None where not logged.
        judge_cost: ``(m,)`` what the judge costs.
        chosen: ``(m,)`` the tier it says.
    """

    rows: npt.NDArray[np.bool_]
    quality: Floats
    cost: Floats | None
    judge_cost: Floats
    chosen: Ints

    @property
    def single(self) -> int:
        """The tier that alone has the best mean outcome; the cheapest of equals."""
        return int(self.quality.mean(axis=0).argmax())

    @property
    def oracle(self) -> Ints:
        """The cheapest tier with the best outcome of each decision."""
        return best_tier(self.quality)


def tiers_of(given: Cases, parameters: JudgeParameters) -> Tiers | None:
    """The outcomes by tier; None for other verdicts, and where no decision has them all."""
    quality = _columns(given, parameters, "correct")
    if quality is None:
        return None
    cost = _columns(given, parameters, "cost_usd")
    own = given.floats("judge_cost_usd") if "judge_cost_usd" in given.columns else None
    rows = (given.judge != given.missing) & np.isfinite(quality).all(axis=1)
    if cost is not None:
        rows &= np.isfinite(cost).all(axis=1)
    if own is not None:
        rows &= np.isfinite(own)
    rows = given.weighable(rows)
    if not rows.any():
        return None
    judge_cost = np.zeros(int(rows.sum())) if own is None else own[rows]
    paid = None if cost is None else cost[rows]
    return Tiers(rows, quality[rows], paid, judge_cost, given.judge[rows])


def _columns(given: Cases, parameters: JudgeParameters, part: str) -> Floats | None:
    names = [f"tier_{code}_{part}" for code in range(len(parameters.tiers))]
    if parameters.kind != "tiers" or not set(names) <= given.columns.keys():
        return None
    return np.column_stack([given.floats(name) for name in names])


def tier_measures(given: Cases, found: Tiers, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """Quality gained over the best single tier and over the cheapest, cost, and what is left."""
    policies = _policies(found, parameters)
    following, single, oracle = (policies[name] for name in (_JUDGE, _SINGLE, _ORACLE))
    name = parameters.tiers[found.single]
    return (
        _difference(
            ("quality_difference", f"quality gained over always {name}"),
            given, found, (following, single), parameters,
        ),
        *_cost_ratio(given, found, (following, single), name, parameters),
        _difference(
            ("gap_to_oracle", "quality that a perfect judge would add"),
            given, found, (oracle, following), parameters,
        ),
    )  # fmt: skip


_JUDGE, _CHEAPEST, _SINGLE, _ORACLE = "following the judge", "cheapest", "single", "oracle"


def _policies(found: Tiers, parameters: JudgeParameters) -> dict[str, Ints]:
    n = len(found.chosen)
    return {
        _JUDGE: found.chosen,
        _CHEAPEST: np.zeros(n, np.int64),
        _SINGLE: np.full(n, found.single),
        _ORACLE: found.oracle,
        **{name: np.full(n, code) for code, name in enumerate(parameters.tiers)},
    }


def _at(values: Floats, tier: Ints) -> Floats:
    return values[np.arange(len(tier)), tier]


def _difference(
    names: tuple[str, str],
    given: Cases,
    found: Tiers,
    pair: tuple[Ints, Ints],
    parameters: JudgeParameters,
) -> Measure:
    gained = 100 * (_at(found.quality, pair[0]) - _at(found.quality, pair[1]))
    interval = ratio_interval(given.weighted_sums(gained, found.rows), parameters.level)
    return estimate(
        *names, given.mean(gained, found.rows), interval,
        level=parameters.level, n=len(gained), unit="points",
        method="paired, on the logged outcomes of the tiers; Student over rows or clusters",
    )  # fmt: skip


def _spent(found: Tiers, tier: Ints, *, judged: bool) -> Floats | None:
    if found.cost is None:
        return None
    return _at(found.cost, tier) + (found.judge_cost if judged else 0.0)


def _cost_ratio(
    given: Cases, found: Tiers, pair: tuple[Ints, Ints], name: str, parameters: JudgeParameters
) -> tuple[Measure, ...]:
    mine, other = _spent(found, pair[0], judged=True), _spent(found, pair[1], judged=False)
    if mine is None or other is None or not other.sum() > 0:
        return ()
    value, interval = _ratio(given, found, (mine, other), parameters.level)
    return (
        estimate(
            "cost_ratio", f"cost, of always {name}", value, interval,
            level=parameters.level, n=len(mine), method="logged USD: the tier chosen + judge",
        ),
    )  # fmt: skip


def _ratio(
    given: Cases, found: Tiers, pair: tuple[Floats, Floats], level: float
) -> tuple[float, Interval | None]:
    sums = np.column_stack([given.weighted_sums(part, found.rows)[:, 0] for part in pair])
    return float(sums[:, 0].sum() / sums[:, 1].sum()), ratio_interval(sums, level)


def tier_spent(found: Tiers) -> tuple[Floats, Floats] | None:
    """Outcome and cost of every decision when the judge is followed; None without costs."""
    usd = _spent(found, found.chosen, judged=True)
    return None if usd is None else (_at(found.quality, found.chosen), usd)


def tier_table(given: Cases, found: Tiers, parameters: JudgeParameters) -> Table:
    """Every policy: its quality, what it gains over the best single tier, and its cost."""
    policies = _policies(found, parameters)
    single, shown = policies[_SINGLE], {
        "following the judge": policies[_JUDGE],
        **{f"always {name}": policies[name] for name in parameters.tiers},
        "oracle: cheapest of the best": policies[_ORACLE],
    }  # fmt: skip
    return Table(
        name="tier_policies",
        title="What each way to choose the tier does",
        columns=(
            Column(name="policy", label="policy"),
            Column(name="quality", label="quality", unit="share"),
            Column(name="difference", label="gained", unit="points"),
            Column(name="low", label="low", unit="points"),
            Column(name="high", label="high", unit="points"),
            Column(name="cost", label="cost", unit="share"),
        ),
        rows=tuple(
            _row(given, found, (name, tier, single), parameters) for name, tier in shown.items()
        ),
        note=f"gained and cost: against always {parameters.tiers[found.single]}, the best single "
        f"tier of these {len(found.chosen):,} decisions; intervals are paired, "
        f"{100 * parameters.level:g} %",
    )


def _row(
    given: Cases, found: Tiers, policy: tuple[str, Ints, Ints], parameters: JudgeParameters
) -> tuple[Scalar, ...]:
    name, tier, single = policy
    measure = _difference(("difference", ""), given, found, (tier, single), parameters)
    quality = given.mean(_at(found.quality, tier), found.rows)
    mine = _spent(found, tier, judged=name == _JUDGE)
    other = _spent(found, single, judged=False)
    cost = None
    if mine is not None and other is not None and other.sum() > 0:
        cost = _ratio(given, found, (mine, other), parameters.level)[0]
    return name, quality, measure.value, measure.low, measure.high, cost
