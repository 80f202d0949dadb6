"""A semantic-cache replay as the figures of a report: its sentence, measures and gate."""

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.semantic import SemanticEstimate
from llmops_cli.cache.semantic_threshold import entries_needed
from llmops_cli.report import Check, Explanation, Measure
from llmops_cli.stats.bootstrap import bootstrap_ratio, cluster_sums
from llmops_cli.stats.intervals import wilson

__all__ = [
    "semantic_checks",
    "semantic_explanations",
    "semantic_headline",
    "semantic_measures",
]


def semantic_headline(figures: SemanticEstimate) -> str:
    """The answer in a sentence."""
    hits, false = _hit_rate(figures), figures.shown.judged
    value, low, high = (100 * (side or 0.0) for side in (hits.value, hits.low, hits.high))
    share = f"{value:.1f} % [{low:.1f}, {high:.1f}]"
    if not figures.any_hit:
        return (
            "A semantic cache would have answered no call: none of the questions, "
            f"{len(figures.prompts):,} in all, comes again within its scope."
        )
    if not figures.has_answers:
        return (
            f"A semantic cache of repeated questions would answer at most {share} of the calls; "
            "without logged answers nobody can say how many of them wrongly."
        )
    if figures.chosen is None:
        return (
            f"No matching rule is shown to answer wrongly in at most "
            f"{100 * figures.given.max_false_hit:g} % of its hits; repeated questions are {share} "
            "of the calls."
        )
    return (
        f"A semantic cache with the rule '{figures.shown.rung.label}' would answer {share} of the "
        f"calls, at most {100 * false.interval.high:.2g} % of these wrongly."
    )


def semantic_measures(figures: SemanticEstimate) -> tuple[Measure, ...]:
    """Hit rate, false-hit rate, and the money, all on the calls that judge."""
    return (
        _hit_rate(figures),
        _false_hits(figures),
        Measure(
            name="semantic_ceiling",
            value=figures.ceiling,
            unit="share",
            n=int(figures.judging.sum()),
            method=f"every call stored; guard, and similarity from {figures.least:g} on",
            label="calls with any earlier question near enough",
        ),
        *_money(figures),
    )


def _hit_rate(figures: SemanticEstimate) -> Measure:
    hits = figures.shown.hits[figures.judging]
    low, high, n, method = _share_interval(figures, hits.astype(np.float64))
    bound = "" if figures.has_answers else ", at most"
    return Measure(
        name="semantic_hit_rate",
        value=float(hits.mean()),
        unit="share",
        low=low,
        high=high,
        level=figures.given.level,
        n=n,
        method=method,
        label=f"calls answered from a semantic cache, {figures.shown.rung.label}{bound}",
    )


def _share_interval(
    figures: SemanticEstimate, values: npt.NDArray[np.float64]
) -> tuple[float, float, int, str]:
    """The interval of a share of calls: users or conversations are resampled whole."""
    prompts, level = figures.prompts, figures.given.level
    cluster = prompts.cluster[figures.judging]
    # Calls that name nobody are witnesses of their own.
    alone = cluster < 0
    cluster = np.where(alone, cluster.max(initial=-1) + 1 + np.cumsum(alone) - 1, cluster)
    codes = np.unique(cluster, return_inverse=True)[1].astype(np.int64)
    groups = int(codes.max()) + 1
    if not prompts.clustered_by:
        interval = wilson(int(values.sum()), len(values), level)
        return interval.low, interval.high, len(values), "Wilson; calls taken as independent"
    if groups == 1:
        return 0.0, 1.0, 1, f"a single {prompts.clustered_by}: nothing to resample"
    if values.all() or not values.any():
        # Resampling what is all alike would claim certainty: each cluster is one witness.
        interval = wilson(int(values.all()) * groups, groups, level)
        return interval.low, interval.high, groups, f"Wilson; {prompts.clustered_by}s as witnesses"
    sums = cluster_sums(np.column_stack([values, np.ones(len(values))]).astype(np.float64), codes)
    ratio = bootstrap_ratio(sums, level=level, seed=figures.given.seed)
    return ratio.low, ratio.high, groups, f"cluster bootstrap over {prompts.clustered_by}s"


def _false_hits(figures: SemanticEstimate) -> Measure:
    judged = figures.shown.judged
    known = judged.labelled > 0
    return Measure(
        name="semantic_false_hit_rate",
        value=judged.share,
        unit="share",
        low=judged.interval.low if known else None,
        high=judged.interval.high if known else None,
        level=figures.given.level if known else None,
        n=judged.labelled,
        method=(
            "Clopper-Pearson, widened for hits on the same answer (Korn-Graubard)"
            if known
            else "no logged answers to compare"
        ),
        label=f"false among these hits, {figures.shown.rung.label}",
    )


def _money(figures: SemanticEstimate) -> tuple[Measure, ...]:
    if figures.usd is None:
        return ()
    usd = figures.usd[figures.judging]
    hits = figures.shown.hits[figures.judging]
    priced = ~np.isnan(usd)
    judged, penalty = figures.shown.judged, figures.given.penalty_usd
    saved, spent = float(usd[hits & priced].sum()), float(usd[priced].sum())
    n = int(priced.sum())
    known = judged.share is not None
    lost = [judged.hits * share * penalty for share in (judged.interval.low, judged.interval.high)]
    return (
        Measure(
            name="semantic_saved_usd",
            value=saved,
            unit="usd",
            n=n,
            method="sum over hits of what the call cost, input and output",
            label=f"saved by these hits, of ${spent:,.2f}",
        ),
        Measure(
            name="semantic_net_usd",
            value=saved - judged.hits * (judged.share or 0.0) * penalty if known else None,
            unit="usd",
            low=saved - lost[1] if known else None,
            high=saved - lost[0] if known else None,
            level=figures.given.level if known else None,
            n=n,
            method=f"saved - false hits x ${penalty:,.2f}; the interval is that of the false hits",
            label="saved, less the price of false hits",
        ),
    )


def semantic_checks(figures: SemanticEstimate) -> tuple[Check, ...]:
    """The gate on false hits."""
    given = figures.given
    needed = entries_needed(given.max_false_hit, given.level)
    return (
        Check.at_most(
            "max_false_hit",
            _false_hits(figures),
            given.max_false_hit,
            needed=f"{needed:,} cached answers served again without a false hit, and their logged "
            "answers: a longer log, or a wider gate",
        ),
    )


def semantic_explanations(figures: SemanticEstimate) -> tuple[Explanation, ...]:
    """How a hit, a false hit and the chosen rule come about."""
    given, shown = figures.given, figures.shown
    ttl = "for ever" if given.ttl_s is None else f"{given.ttl_s:g} s after its answer"
    return (
        Explanation(
            of="calls answered from a semantic cache",
            formula="hits / calls that end in a user's words",
            numbers=(
                ("rule", shown.rung.label),
                ("hits", int(shown.hits[figures.judging].sum())),
                ("calls that judge", int(figures.judging.sum())),
                ("calls in the log", figures.prompts.total),
            ),
            assumptions=(
                (
                    "a hit needs the same isolation domain, model, tools, system prompt and "
                    "conversation before the question; temperature and the like are not compared"
                ),
                "numbers, ids, units, dates, names, negations, opposites and language must agree",
                (
                    f"an entry can be served once its answer is complete, and lives {ttl}; a hit "
                    "neither renews nor inserts one"
                ),
                "what the cache itself costs to run is not counted",
            ),
        ),
        Explanation(
            of="false among these hits",
            formula="hits whose own logged answer contradicts or differs / hits with both answers",
            numbers=(
                ("false", shown.judged.false),
                ("hits with both answers", shown.judged.labelled),
                ("cached answers they come from", shown.judged.entries),
                ("--max-false-hit", given.max_false_hit),
                ("--answer-similarity", given.answer_similarity),
            ),
            assumptions=(
                (
                    "answers with other words and a cosine below the given one count as different, "
                    "even if they say the same"
                ),
                (
                    "the rule is chosen on the first half of the calls, from the strictest on "
                    "until one fails, and judged on the second"
                ),
                "similar questions are tested on the hits that are no repeats",
                "an answer that is not with its call is that of the conversation's next turn",
            ),
            source="fixed-sequence testing: Maurer, Hothorn & Lehmacher 1995; Learn then Test: "
            "Angelopoulos et al. 2021; clustered exact interval: Korn & Graubard 1998",
        ),
        Explanation(
            of="calls with any earlier question near enough",
            formula="calls with a question of the same scope before them / calls that judge",
            numbers=(("share", figures.ceiling), ("similarity from", figures.least)),
            assumptions=(
                "every call is stored, so no rule of the ladder answers more; false hits count too",
            ),
        ),
        *([_money_explained(figures)] if figures.usd is not None else []),
    )


def _money_explained(figures: SemanticEstimate) -> Explanation:
    saved, net = _money(figures)
    return Explanation(
        of="saved by these hits",
        formula="sum over hits of the call's own tokens by class x price, input and output",
        numbers=(
            ("calls with usage and a price", saved.n),
            ("saved", saved.value),
            ("price of a false hit", figures.given.penalty_usd),
            ("saved, less false hits", net.value),
        ),
        assumptions=(
            "a hit costs nothing; the call is priced as the log counts it, prompt cache included",
            f"prices {f'as {figures.given.price_as}' if figures.given.price_as else 'of the log'}",
        ),
        source="the log's usage counters; prices as `llmops prices MODEL` shows them",
    )
