"""Figures become a Report: the answer in a sentence, the gate, the rates, the break-even."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.judge.agreement import agreement, cost_error, kappa
from llmops_cli.judge.cases import Cases, cases
from llmops_cli.judge.constant import CONSTANT
from llmops_cli.judge.correction import Corrected, corrected
from llmops_cli.judge.curves import frontier, reliability_curves, reliability_table
from llmops_cli.judge.drift import drift
from llmops_cli.judge.economics import BreakEven, break_even, deferral, following
from llmops_cli.judge.explain import explanations
from llmops_cli.judge.findings import own_findings
from llmops_cli.judge.gate import Evidence, checks
from llmops_cli.judge.kernel import Tally, tally
from llmops_cli.judge.log_audit import Audit, audit, refuse
from llmops_cli.judge.model import JudgeParameters, usage
from llmops_cli.judge.one_kind import ONE_KIND
from llmops_cli.judge.reliability import Accuracy, accuracy, coverage, estimate, rates, share
from llmops_cli.judge.router_figures import arena_figure, curve_figures
from llmops_cli.judge.spending import prices, spent_following
from llmops_cli.judge.stability import positions, repeats, verbosity
from llmops_cli.judge.tables import confusion, recalls, tasks
from llmops_cli.judge.thresholds import Cut, cut_measures, nested_cut
from llmops_cli.judge.tier_economics import Tiers, tier_measures, tier_spent, tier_table, tiers_of
from llmops_cli.judge.weighted import require_propensities, support, weighting
from llmops_cli.report import (
    Check,
    Finding,
    Measure,
    Report,
    Scalar,
    Series,
    Table,
    Verdict,
    fold,
)

if TYPE_CHECKING:
    import pandas as pd

    from llmops_cli.judge.confidence import Stated

__all__ = ["Question", "evaluate"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What is asked beside the decisions and the parameters.

    Attributes:
        inputs: what the report names as its input.
        findings: what reading the decisions found.
        copies: names of other columns of the log that repeat the truth.
        earlier: decisions of an earlier log, to compare with.
    """

    inputs: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    copies: tuple[str, ...] = ()
    earlier: "pd.DataFrame | Mapping[str, npt.NDArray[Any]] | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class _Evaluation:
    """Every figure of the report; ``found`` is None without verdicts on labelled rows."""

    given: Cases
    parameters: JudgeParameters
    counts: Tally
    found: Accuracy | None
    even: BreakEven | None
    heard: Audit
    stated: "Stated | None"
    corrected: Corrected | None
    cut: Cut | None
    tiers: Tiers | None

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.given, self.parameters, self.found, self.even, self.counts.paired)


def evaluate(
    decisions: "pd.DataFrame | Mapping[str, npt.NDArray[Any]]",
    parameters: JudgeParameters,
    question: Question,
) -> Report:
    """The report of one set of decisions."""
    given = cases(decisions, parameters)
    refuse(given)
    require_propensities(given)
    if given.weights is not None and (parameters.sequential or parameters.sprt):
        raise usage(
            "judge-sequential-weighted",
            "repeated looks take every label as it comes; with propensities each has a weight",
            "leave out --sequential and --sprt, or the propensity column",
        )
    result = _computed(given, parameters, question)
    _refuse(result)
    decided = (*checks(result.evidence), *result.heard.checks, *support(given))
    size, of_weights = weighting(given) if result.found else ((), ())
    measures, tables = (*_measures(result), *size), _tables(result)
    moved: tuple[Finding, ...] = ()
    if question.earlier is not None:
        changes, moved = drift(cases(question.earlier, parameters), given, parameters)
        measures = (*measures, *changes)
    own = own_findings(given, parameters, result.found, result.even)
    through = result.corrected.findings if result.corrected else ()
    return Report(
        command="judge-eval",
        title="Is the routing judge reliable enough?",
        headline=_headline(result, decided),
        inputs=question.inputs,
        parameters=_plain(parameters),
        measures=measures,
        checks=decided,
        tables=tables,
        series=_series(result),
        findings=(*question.findings, *result.heard.findings, *moved, *own, *of_weights, *through),
        explanations=explanations(result.evidence, result.counts),
    )


def _computed(given: Cases, parameters: JudgeParameters, question: Question) -> _Evaluation:
    judged = bool(given.answered.any())
    counts = tally(given.columns) if parameters.kind == "binary" else Tally.none()
    return _Evaluation(
        given,
        parameters,
        counts,
        accuracy(given, parameters) if judged else None,
        break_even(counts, given, parameters.level, parameters.seed),
        audit(given, question.copies),
        _stated(given, parameters) if judged else None,
        corrected(given, parameters),
        nested_cut(given, parameters) if judged else None,
        tiers_of(given, parameters),
    )


def _stated(given: Cases, parameters: JudgeParameters) -> "Stated | None":
    if given.columns.keys().isdisjoint({"confidence", "score"}):
        return None
    from llmops_cli.judge.confidence import stated  # noqa: PLC0415 - most logs take none of it

    return stated(given, parameters)


def _plain(parameters: JudgeParameters) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for name, value in asdict(parameters).items():
        found[name] = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return found


def _refuse(result: _Evaluation) -> None:
    if result.even is None and result.parameters.against == "break-even":
        if result.parameters.kind != "binary":
            raise usage(
                "judge-no-break-even",
                "only a judge that says yes or no to the weak answer has a break-even",
                "--against threshold",
            )
        raise LlmopsError(
            "judge-no-outcomes",
            "the break-even needs both models' outcomes, and no row has them",
            hint="add the columns weak_correct and strong_correct, or use --against threshold",
            field="weak_correct",
        )
    if result.found is None and result.even is None:
        raise LlmopsError(
            "judge-no-labels",
            "no decision has a truth to hold the judge against",
            hint="fill the gold column for a random sample of decisions, or name the outcomes: of "
            "two models with --weak and --strong, of tiers with --tiers small,large",
            field="gold",
        )


def _headline(result: _Evaluation, decided: tuple[Check, ...]) -> str:
    found, even = result.found, result.even
    if found is None:
        value = even.measure.value if even else None
        share = "unknown" if value is None else f"{100 * value:.1f} %"
        return f"No verdicts to evaluate; on this traffic a judge breaks even at {share}."
    right = (
        f"right in {100 * found.value:.1f} % of {found.labelled:,} labelled decisions, "
        f"at least {100 * found.gate.low:.1f} % with 95 % confidence."
    )
    slugs = {item.slug for item in result.heard.findings}
    if CONSTANT in slugs:
        return f"The judge always says the same, as a rule without a judge would: {right}"
    if ONE_KIND in slugs and fold(decided) is not Verdict.FAIL:
        return f"Half of the judge is unseen, for all truths are of one kind: {right}"
    threshold = f"{100 * result.parameters.threshold:g} %"
    bars = {
        "threshold": threshold,
        "break-even": "its break-even",
        "both": f"both {threshold} and its break-even",
    }
    words = {
        Verdict.PASS: "is more reliable than",
        Verdict.FAIL: "is not more reliable than",
        Verdict.INCONCLUSIVE: "may or may not be more reliable than",
    }
    return f"The judge {words[fold(decided)]} {bars[result.evidence.against]}: {right}"


def _measures(result: _Evaluation) -> tuple[Measure, ...]:
    # What decides comes first: the text view shows the first few without -v.
    given, parameters, found = result.given, result.parameters, result.found
    even = (result.even.measure,) if result.even else ()
    routed = following(given, result.counts, parameters) if result.even else ()
    if found is None:
        return (*even, *routed)
    return (
        _accuracy(found, parameters.level),
        *even,
        *_by_kind(result, routed),
        *agreement(given, parameters),
        *(() if parameters.kind == "pairwise" else cost_error(given, parameters)),
        *coverage(given, parameters),
        *_router(result),
        *repeats(given, parameters),
        *verbosity(given, parameters),
        *(result.stated.measures if result.stated else ()),
        *(cut_measures(result.cut, parameters) if result.cut else ()),
        *(result.corrected.measures if result.corrected else ()),
        *_clustering(found),
    )


def _router(result: _Evaluation) -> tuple[Measure, ...]:
    given, parameters = result.given, result.parameters
    followed = spent_following(given)
    if result.tiers:
        paid = tier_spent(result.tiers)
        followed = None if paid is None else (*paid, result.tiers.rows)
    figures = curve_figures(given, parameters)
    if followed is None:
        return figures
    quality, usd, rows = followed
    return (*figures, *arena_figure(given, rows, quality, usd, parameters))


def _by_kind(result: _Evaluation, routed: tuple[Measure, ...]) -> tuple[Measure, ...]:
    given, parameters = result.given, result.parameters
    if parameters.kind == "binary":
        sensitivity, specificity, precision, negative = rates(given, parameters)
        return (
            sensitivity, specificity, _majority(given, parameters),
            kappa(given, parameters), *routed, precision, negative,
        )  # fmt: skip
    return (
        _majority(given, parameters),
        kappa(given, parameters),
        *(tier_measures(given, result.tiers, parameters) if result.tiers else ()),
        *positions(given, parameters),
    )


def _accuracy(found: Accuracy, level: float) -> Measure:
    return estimate(
        "accuracy", "accuracy", found.value, found.shown, level=level, n=found.labelled,
        method="weighted by 1 / propensity" if found.effective is not None
        else "wider of Wilson and cluster bootstrap" if found.clusters else "Wilson",
    )  # fmt: skip


def _majority(given: Cases, parameters: JudgeParameters) -> Measure:
    weights = None if given.weights is None else given.weights[given.labelled]
    counts = np.bincount(given.gold[given.labelled], weights, minlength=len(given.names))
    names, commoner = ("majority_baseline", "always the commoner answer"), int(counts.argmax())
    return share(names, given, (given.labelled, given.gold == commoner), parameters)


def _clustering(found: Accuracy) -> tuple[Measure, ...]:
    if not found.clusters:
        return ()
    method = "1 + (rows of a cluster - 1) x correlation; n counts clusters"
    correlation = found.clustering.correlation if found.clustering else None
    return (
        Measure(
            name="design_effect", value=found.design_effect, unit="ratio",
            n=found.clusters, method=method,
        ),
        Measure(
            name="cluster_correlation", label="correlation inside clusters", value=correlation,
            n=found.clusters, method="analysis of variance",
        ),
    )  # fmt: skip


def _tables(result: _Evaluation) -> tuple[Table, ...]:
    given, parameters, found = result.given, result.parameters, result.found
    if found is None:
        return _economics(result, None)
    by_task = tasks(given, parameters)
    return (
        confusion(given, parameters.kind),
        *((by_task,) if by_task else ()),
        *((recalls(given, parameters.level),) if parameters.kind != "binary" else ()),
        *((result.corrected.table,) if result.corrected else ()),
        *((tier_table(given, result.tiers, parameters),) if result.tiers else ()),
        *_economics(result, found),
        *(result.stated.tables if result.stated else ()),
        *result.heard.tables,
    )


def _economics(result: _Evaluation, found: Accuracy | None) -> tuple[Table, ...]:
    kinds = deferral(result.counts)
    if kinds is None or result.given.weights is not None:
        return ()
    paid = prices(result.given)
    logged = {m.name: m.value for m in following(result.given, result.counts, result.parameters)}
    tables = [frontier(kinds, paid)]
    if found is not None:
        stands = found.value, logged.get("quality_difference"), logged.get("cost_ratio")
        tables.insert(0, reliability_table(kinds, paid, stands))
    return tuple(tables)


def _series(result: _Evaluation) -> tuple[Series, ...]:
    kinds = deferral(result.counts)
    drawn = kinds is not None and result.given.weights is None
    curves = reliability_curves(kinds, prices(result.given)) if kinds and drawn else ()
    return (*curves, *(result.stated.series if result.stated else ()))
