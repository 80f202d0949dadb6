"""Where the evidence comes from: each figure's formula, the log's own numbers, rules and rows."""

from llmops_cli.cache.estimate import Estimate
from llmops_cli.cache.leaks import REASONS, Leak
from llmops_cli.cache.model import AS_LOGGED, NONE
from llmops_cli.report import Explanation

__all__ = ["evidence_explanations"]


def evidence_explanations(figures: Estimate) -> tuple[Explanation, ...]:
    """What is read and taken, what is lost and where, how tokens are known, misses, latency."""
    misses = (_misses(figures), _truth(figures)) if figures.evidence.after_misses else ()
    return (
        _hit_rate(figures),
        _achieved(figures),
        _losses(figures),
        *([_prompts(figures)] if figures.evidence.prompts else []),
        _tokens(figures),
        *misses,
        _latency(figures),
    )


def _hit_rate(figures: Estimate) -> Explanation:
    tokens = figures.outcomes[figures.target].tokens.sum(axis=0).tolist()
    return Explanation(
        of="input read from cache",
        formula="read / (fresh + read + written), tokens; one definition for replay and bill",
        numbers=tuple(zip(("fresh", "read", "5-minute", "1-hour"), tokens[:4], strict=True)),
        source="usage counters (R18)",
    )


def _achieved(figures: Estimate) -> Explanation:
    none, least = figures.outcomes[NONE].input_usd, figures.least_usd
    return Explanation(
        of="share of the achievable saving taken",
        formula="(no caching - policy) / (no caching - least possible)",
        numbers=(
            ("no caching", none),
            ("policy", figures.outcomes[figures.target].input_usd),
            ("least possible", least),
        ),
        assumptions=("the rest is what the reasons below lose, and writes that foresight spares",),
        source="both ends by the same rules and prices; the least possible is LB3",
    )


def _losses(figures: Estimate) -> Explanation:
    return Explanation(
        of="repeated input still not read",
        formula="loss = tokens x (price they were billed at - price of a read), by reason",
        numbers=tuple((REASONS[leak.reason].title, leak.usd) for leak in figures.leaks),
        assumptions=tuple(_example(figures, leak) for leak in figures.leaks),
        source="the first reason that holds, in the order R10, R8, R9, change of the prompt, R4, "
        "R2; a token is counted once",
    )


def _example(figures: Estimate, leak: Leak) -> str:
    sources = figures.evidence.sources
    beside = f" against {sources[leak.against]}" if leak.against >= 0 else ""
    place = f", block {leak.block + 1}" if leak.block >= 0 else ""
    return f"{REASONS[leak.reason].title}: most at {sources[leak.example]}{beside}{place}"


def _prompts(figures: Estimate) -> Explanation:
    first = figures.evidence.prompts[0]
    return Explanation(
        of="what a prompt loses, and what the change saves",
        formula="another policy: spend of its calls now - under that policy; a mended prompt: loss "
        "of the calls whose past was within the lifetime",
        numbers=(
            ("first prompt, calls", first.calls),
            ("input now", first.input_usd),
            ("loss", first.loss_usd),
            ("saved by the change", first.change.saving_usd),
        ),
        assumptions=(
            "a policy in hindsight (best 4) is named only where no plain one saves 90 % as much",
            "what varies is counted as if it stayed, so a mended prompt saves at most that",
        ),
        source="each policy replayed on the calls of the prompt; the reasons above for the rest",
    )


def _truth(figures: Estimate) -> Explanation:
    truth = figures.evidence.truth
    return Explanation(
        of="the replay against the bill",
        formula="error = sum of |replayed - billed| reads / input, over calls that cache",
        numbers=(
            ("calls", truth.calls if truth else 0),
            ("error", truth.token_error if truth else None),
            ("bias", truth.bias if truth else None),
            ("billed reads that no rule promises, calls", truth.unexpected if truth else 0),
        ),
        assumptions=(
            "a read counts as billed when it comes within 5 % and 128 tokens of the promised one",
            "miss: nothing read; partial: read and written; hit: all that was marked read",
        ),
        source="the logged usage against the replay of the logged markers",
    )


def _tokens(figures: Estimate) -> Explanation:
    found = figures.evidence
    anchors = found.anchors
    exact = float(anchors.exact.mean()) if len(anchors.exact) else 0.0
    return Explanation(
        of="tokens of a prefix",
        formula="read + written = tokens up to the last breakpoint; fresh = the rest; by bytes "
        "between",
        numbers=(
            ("calls with usage", anchors.counted),
            ("calls", figures.trace.calls),
            ("prefixes known exactly, share", exact),
            ("prefixes with two lengths", anchors.conflicts),
            ("standard deviation of ln tokens", anchors.log_spread),
        ),
        assumptions=(
            "a prefix has one length in all calls of its model",
            "between two known lengths tokens follow the bytes",
        ),
        source="usage counters (R18); the error is measured on conversations that were held out",
    )


def _latency(figures: Estimate) -> Explanation:
    found = figures.evidence.latency
    change = found.measures[0] if found.measures else None
    return Explanation(
        of="time to the first token",
        formula="ttft = a + b x uncached tokens + c x cached tokens; change = (c - b) x reads more",
        numbers=(
            ("timed calls", change.n if change else 0),
            ("change of the mean, s", change.value if change else None),
        ),
        assumptions=(
            (found.reason and f"no figure is given: {found.reason}")
            or "what a call reads is as good as drawn by lot, given its model and its size",
        ),
        source="the log's own ttft_s; no vendor's percentage is used",
    )


def _misses(figures: Estimate) -> Explanation:
    rate, truth = figures.evidence.unexplained, figures.evidence.truth
    return Explanation(
        of="input spend saved, unexplained misses included",
        formula="1 - [(1 - e) P + e P'] / [(1 - e) B + e B']",
        numbers=(
            ("e", rate.value if rate else None),
            ("e, low", rate.low if rate else None),
            ("e, high", rate.high if rate else None),
            ("promised reads", int(truth.promised.sum()) if truth else None),
            ("not billed", int(truth.unexplained.sum()) if truth else None),
            ("P", figures.outcomes[figures.target].input_usd),
            ("B", figures.outcomes[figures.baseline].input_usd),
        ),
        assumptions=(
            "P, B: spend of policy and baseline as replayed; P', B': without any of their reads",
            "a lost entry is written again by the call that missed it, so misses do not add up",
            f"the rate is that of the {AS_LOGGED} markers; another policy meets the same cache",
            "the saving is monotone in e: its range lies between the ends of e",
        ),
        source="Wilson 1927 for e; clusters as Korn & Graubard 1998; rules R6 and R8",
    )
