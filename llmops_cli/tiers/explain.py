"""Where the figures of a plan come from: formulas with the reader's own numbers."""

from collections.abc import Iterator

import numpy as np

from llmops_cli.report import Explanation
from llmops_cli.tiers.metrics import METHODS
from llmops_cli.tiers.model import TierParameters
from llmops_cli.tiers.simulation import Simulation
from llmops_cli.tiers.stability import FOLDS

__all__ = ["explanations"]


def explanations(found: Simulation, given: TierParameters) -> tuple[Explanation, ...]:
    """The plan, the evidence behind it, and what it is expected to save."""
    return (
        _plan(found),
        _evidence(found, given),
        _saving(found),
        *_verdicts(found),
        *_figures(found),
    )


def _verdicts(found: Simulation) -> Iterator[Explanation]:
    """Every cascade that the log's own judge was replayed on."""
    for item in found.cascades:
        if item.logged is None:
            continue
        yield Explanation(
            of=f"{' > '.join(item.models)} with the logged verdicts",
            formula="an answer stands where its verdict is 0.5 or more, else the next model is "
            "asked; C = sum of c_t + c_judge over the tiers touched, the last unjudged",
            numbers=tuple((one.name, one.value) for one in item.logged.estimates),
            assumptions=("verdicts to come are of the judge that was logged",),
            source="replayed row by row; rates against independent errors as in RouterBench, "
            "arXiv 2403.12031",
        )


def _figures(found: Simulation) -> Iterator[Explanation]:
    """What each figure of the policies is, with those of this plan or the static table."""
    if found.comparison is None:
        return
    seen: dict[str, tuple[str, float]] = {}
    for policy in found.comparison.policies:
        for item in policy.estimates:
            if item.name not in seen or policy.name in {"this plan", "static table"}:
                seen[item.name] = (policy.name, item.value)
    for name, (policy, value) in seen.items():
        yield Explanation(of=name, formula=METHODS[name], numbers=((policy, value),))


def _plan(found: Simulation) -> Explanation:
    problem, solution = found.plan.problem, found.plan.solution
    goal = "min sum w_k c_kt x_kt" if problem.goal == "cost" else "max sum w_k q_kt x_kt"
    return Explanation(
        of="the plan",
        formula=f"{goal}, sum_t x_kt = 1, floors, budget and limits as asked",
        numbers=(
            ("task classes", len(found.cells.tasks)),
            ("models", len(found.cells.models)),
            ("pairs a floor admits", int(problem.admitted.sum())),
            ("global floor, quality", problem.floor),
            ("budget, USD per request", problem.budget),
            ("objective", solution.objective),
            ("bound", solution.bound),
            ("gap", solution.gap),
            ("found by", solution.method),
        ),
        assumptions=(
            "the traffic to come has the classes of this one in the same shares",
            "a class is told before the model is chosen",
        ),
        source="multiple-choice knapsack: Sinha and Zoltners (1979), Operations Research "
        "27:503-515; HiGHS: Huangfu and Hall (2018)",
    )


def _evidence(found: Simulation, given: TierParameters) -> Explanation:
    known = found.plan.shown
    words = {
        "lower": "q_kt = q_k,ref + d_kt - t(1 - alpha/tests) s_kt, all bounds at once (Bonferroni)",
        "paired": "admit t in k where d_kt > -(1 - rho_k) q_k,ref at level alpha (Holm)",
        "point": "q_kt = mean of the rows",
    }
    largest = int(np.argmax(known.weight))
    return Explanation(
        of="the quality that floors go by",
        formula=words[given.evidence],
        numbers=(
            ("alpha", given.alpha),
            ("tests", known.tests),
            ("largest class", found.cells.tasks[largest]),
            ("its rows", int(known.rows[largest])),
            ("q_ref there", float(known.base[largest, 0])),
            ("largest s there", float(np.max(known.error[largest]))),
        ),
        assumptions=(
            "d_kt is the mean paired difference to the reference, s_kt its error between clusters",
            f"classes with fewer than {given.min_rows} rows keep the reference",
            "quality is the truth or a corrected judge; a judge's own errors are not in s_kt",
        ),
        source="Cochran (1977), Sampling Techniques, 9A; Bonett and Price (2012); Holm (1979)",
    )


def _saving(found: Simulation) -> Explanation:
    expected, own = found.expected, found.own
    return Explanation(
        of="cost saved and quality lost",
        formula="saving = 1 - C_plan / C_ref; loss = Q_ref - Q_plan, over the same resamples",
        numbers=(
            ("C_plan, USD per 1,000", 1000 * expected.cost_usd),
            ("C_ref, USD per 1,000", 1000 * expected.base_cost_usd),
            ("Q_plan", expected.quality),
            ("Q_ref", expected.base_quality),
            ("saving on the rows the plan was chosen on", own.saving),
            ("loss there", own.loss),
            ("clusters", found.cells.clusters),
            ("folds", FOLDS if found.held_out is not None else 0),
        ),
        assumptions=(
            "a plan is chosen without a fifth of the clusters and held against that fifth, in turn",
            "clusters are independent of each other",
        ),
        source="Davison and Hinkley (1997), Bootstrap Methods and their Application, 3.8",
    )
