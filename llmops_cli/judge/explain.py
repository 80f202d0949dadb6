"""Where the judge's figures come from: formulas with the reader's own numbers."""

from llmops_cli.judge.economics import BreakEven
from llmops_cli.judge.kernel import Tally
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import Accuracy
from llmops_cli.report import Explanation

__all__ = ["explanations"]


def explanations(
    given: JudgeParameters, counts: Tally, found: Accuracy | None, even: BreakEven | None
) -> tuple[Explanation, ...]:
    """The gate, the rates, kappa and the break-even, as far as they were computed."""
    items: list[Explanation] = []
    if found is not None:
        items += [_gate(given, found), _rates(counts), _kappa(counts)]
    if even is not None:
        items.append(_break_even(counts, even))
    return tuple(items)


def _gate(given: JudgeParameters, found: Accuracy) -> Explanation:
    clustered = (
        "clusters are resampled whole; the wider of that and the exact interval decides"
        if found.clusters
        else "decisions are independent; name a cluster column if they are not"
    )
    return Explanation(
        of="the accuracy gate",
        formula="pass: lower bound > threshold; fail: upper bound <= threshold",
        numbers=(
            ("correct", found.correct),
            ("labelled", found.labelled),
            ("accuracy", found.value),
            ("lower bound", found.gate.low),
            ("upper bound", found.gate.high),
            ("threshold", given.threshold),
        ),
        assumptions=("labelled decisions are a random sample of the traffic", clustered),
        source="Clopper & Pearson 1934, each end a one-sided 95 % bound; "
        "cluster bootstrap: Davison & Hinkley 1997",
    )


def _rates(counts: Tally) -> Explanation:
    table = counts.confusion
    return Explanation(
        of="sensitivity and specificity",
        formula="sensitivity = tp / positives; specificity = tn / negatives",
        numbers=(
            ("tp", table.tp),
            ("fp", table.fp),
            ("tn", table.tn),
            ("fn", table.fn),
            ("positives", counts.positives),
            ("negatives", counts.negatives),
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


def _kappa(counts: Tally) -> Explanation:
    table = counts.confusion
    return Explanation(
        of="Cohen's kappa",
        formula="(observed - chance) / (1 - chance)",
        numbers=(
            ("observed", table.correct / table.n if table.n else 0.0),
            ("verdicts of yes", table.said_yes),
            ("truths of yes", table.positives),
            ("n", table.n),
        ),
        source="Cohen 1960; interval: Fleiss, Cohen & Everitt 1969",
    )


def _break_even(counts: Tally, even: BreakEven) -> Explanation:
    return Explanation(
        of="break-even reliability r*",
        formula="r* = n01 / (n01 + n10)",
        numbers=(
            ("n01, only the strong model right", even.only_strong),
            ("n10, only the weak model right", even.only_weak),
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
