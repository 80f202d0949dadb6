"""Where the judge's figures come from: formulas with the reader's own numbers."""

from llmops_cli.judge.gate import Evidence
from llmops_cli.judge.kernel import Tally
from llmops_cli.judge.reliability import Accuracy
from llmops_cli.report import Explanation

__all__ = ["explanations"]


def explanations(evidence: Evidence, counts: Tally) -> tuple[Explanation, ...]:
    """The gate, the rates, kappa and the break-even, as far as they were computed."""
    items: list[Explanation] = []
    found = evidence.found
    if found is not None:
        items.append(_gate(evidence, found))
        if evidence.parameters.kind == "binary":
            items.append(_rates(evidence))
        items += [_kappa(evidence), *_more(evidence)]
    if evidence.even is not None:
        items.append(_break_even(evidence, counts))
    if found is not None and found.effective is not None:
        items.append(_weights(found, found.effective))
    return (*items, *_routed(evidence))


def _weights(found: Accuracy, effective: float) -> Explanation:
    return Explanation(
        of="weighted figures",
        formula="sum(x / propensity) / sum(1 / propensity) over labelled decisions",
        numbers=(("labelled", found.labelled), ("worth, drawn evenly", effective)),
        assumptions=("only the propensity decided whether the row's truth came to be known",),
        source="self-normalised inverse propensity: Hajek 1971; effective size: Kish 1965",
    )


def _routed(evidence: Evidence) -> tuple[Explanation, ...]:
    """The figures that only some logs have."""
    columns = evidence.given.columns.keys()
    items: list[Explanation] = []
    if "tier_0_correct" in columns:
        items.append(
            Explanation(
                of="following the judge's tier",
                formula="mean outcome of the tier it says, less that of one tier for all",
                assumptions=("every tier's model answered every decision that is counted",),
                source="paired differences of logged outcomes; the oracle takes the cheapest of "
                "the best",
            )
        )
    if {"weak_correct", "strong_correct"} <= columns and {"score", "confidence"} & columns:
        items.append(
            Explanation(
                of="APGR and CPT",
                formula="(quality - weak) / (strong - weak) against the share of strong calls",
                assumptions=("cuts at the deciles of the score, kept while rows are resampled",),
                source="Ong et al. 2024 (RouteLLM); where nothing falls CPT interpolates",
            )
        )
    return tuple(items)


def _gate(evidence: Evidence, found: Accuracy) -> Explanation:
    clustered = (
        "clusters are drawn at random; the widest of three intervals decides"
        if found.clusters
        else "decisions are independent; name a cluster column if they are not"
    )
    source = (
        "Clopper & Pearson 1934, each end a one-sided 95 % bound; effective sample size: Korn & "
        "Graubard 1998; cluster bootstrap: Davison & Hinkley 1997"
    )
    if evidence.parameters.sequential:
        source = "betting: Waudby-Smith & Ramdas 2024, each end valid over all looks"
        clustered = "decisions come in an order that does not depend on what they are"
    return Explanation(
        of="the accuracy gate",
        formula="pass: lower bound > threshold; fail: upper bound <= threshold",
        numbers=(
            ("correct", found.correct),
            ("labelled", found.labelled),
            ("accuracy", found.value),
            ("lower bound", found.gate.low),
            ("upper bound", found.gate.high),
            ("threshold", evidence.parameters.threshold),
        ),
        assumptions=("labelled decisions are a random sample of the traffic", clustered),
        source=source,
    )


def _rates(evidence: Evidence) -> Explanation:
    table = evidence.given.table
    return Explanation(
        of="sensitivity and specificity",
        formula="sensitivity = tp / positives; specificity = tn / negatives",
        numbers=(
            ("tp", int(table[1, 1])),
            ("fp", int(table[1, 0])),
            ("tn", int(table[0, 0])),
            ("fn", int(table[0, 1])),
            ("positives", int(table[:, 1].sum())),
            ("negatives", int(table[:, 0].sum())),
        ),
        assumptions=(
            (
                "positive: the weak answer will do; a false accept costs quality, a false "
                "escalation costs money"
            ),
            "a decision without a verdict counts as wrong",
        ),
        source="intervals for display: Wilson 1927",
    )


def _kappa(evidence: Evidence) -> Explanation:
    table = evidence.given.table[:-1]
    n = int(table.sum())
    return Explanation(
        of="Cohen's kappa",
        formula="(observed - chance) / (1 - chance)",
        numbers=(
            ("observed", float(table.trace()) / n if n else 0.0),
            (
                "chance",
                float(table.sum(axis=0) @ table.sum(axis=1)) / n**2 if n else 0.0,
            ),
            ("n", n),
        ),
        source="Cohen 1960; interval: Fleiss, Cohen & Everitt 1969, on Fisher's scale",
    )


def _more(evidence: Evidence) -> tuple[Explanation, ...]:
    """The figures of -v, where their definitions are not in their names."""
    parameters = evidence.parameters
    items = [
        Explanation(
            of="Gwet's AC1",
            formula="(observed - chance) / (1 - chance), chance = sum m (1 - m) / (k - 1)",
            assumptions=("m is the mean share of a class over verdicts and truths",),
            source="Gwet 2008",
        ),
        Explanation(
            of="Krippendorff's alpha",
            formula="1 - observed / expected disagreement",
            source="Krippendorff 2011; decisions (or clusters) are resampled whole",
        ),
    ]
    if parameters.kind != "pairwise":
        items.append(
            Explanation(
                of="cost-weighted error",
                formula="mean of tiers off x cost of the side",
                numbers=(
                    ("too cheap, per tier", parameters.under_cost),
                    ("too dear, per tier", parameters.over_cost),
                ),
                assumptions=("decisions without a verdict are not in it",),
            )
        )
    return tuple(items)


def _break_even(evidence: Evidence, counts: Tally) -> Explanation:
    even = evidence.even
    strong, weak = (even.only_strong, even.only_weak) if even else (0, 0)
    return Explanation(
        of="break-even reliability r*",
        formula="r* = n01 / (n01 + n10)",
        numbers=(
            ("n01, only the strong model right", strong),
            ("n10, only the weak model right", weak),
            ("paired outcomes", counts.paired),
        ),
        assumptions=(
            (
                "the judge is wrong equally often on both kinds of request and independently of "
                "the strong model's outcome; the quality difference above assumes neither"
            ),
        ),
        source="quality of following equals quality of the strong model alone; share of "
        "discordant pairs: McNemar 1947, interval: Clopper & Pearson 1934",
    )
