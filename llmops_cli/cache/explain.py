"""Where the figures come from: formulas with the reader's own numbers, rule by rule."""

import numpy as np

from llmops_cli.cache.estimate import Estimate
from llmops_cli.cache.model import NONE
from llmops_cli.prices import Rates
from llmops_cli.report import Explanation

__all__ = ["explanations"]

_DOCS = "Anthropic prompt-caching documentation"


def explanations(figures: Estimate) -> tuple[Explanation, ...]:
    """The saving, the policies, the replay, the price of a token class, break-even, the bound."""
    main = figures.prices.rates[int(np.bincount(figures.prices.group).argmax())]
    return (
        _saving(figures),
        _policies(figures),
        _replay(figures),
        _classes(main),
        _break_even(main),
        _bound(figures),
    )


def _saving(figures: Estimate) -> Explanation:
    policy, baseline = figures.outcomes[figures.target], figures.outcomes[figures.baseline]
    return Explanation(
        of="input spend saved",
        formula="1 - input spend of the policy / input spend of the baseline",
        numbers=(
            ("policy", figures.target),
            ("baseline", figures.baseline),
            ("input spend of the policy", policy.input_usd),
            ("input spend of the baseline", baseline.input_usd),
            ("conversations", figures.saving.n or 0),
        ),
        assumptions=(
            "both sides are replayed by the same rules, so a bias of the replay cancels",
            (
                "conversations are resampled with the spend the replay gave each of them; the log "
                "stands for the traffic to come"
            ),
            (
                f"the interval is two-sided {100 * figures.given.level:g} %, so each end is a "
                f"one-sided {100 * (1 + figures.given.level) / 2:g} % bound"
            ),
        ),
        source="cluster bootstrap, percentile interval: Davison & Hinkley 1997, chapter 3.8",
    )


def _policies(figures: Estimate) -> Explanation:
    return Explanation(
        of="where each policy marks",
        formula="a marker takes effect where the prompt up to it reaches the model's minimum (R10)",
        numbers=(("most markers of a request", figures.rules.maximum_breakpoints),),
        assumptions=(
            "logged markers: as the client sent them; no caching: none",
            "automatic: the last block that may carry a marker, set by the provider (R5)",
            "static prefix: the end of tools and system prompt",
            "moving tail: both, and one marker every 20 blocks back from the tail",
            "best 4: the up to four places with most reads to come, knowing this log",
            "mixed: an hour for tools and system prompt, 5 minutes for what follows (R7)",
        ),
        source=f"{figures.rules.source}: rules R2 to R5, R7, R10, R11",
    )


def _replay(figures: Estimate) -> Explanation:
    policy = figures.outcomes[figures.target].tokens.sum(axis=0)
    refreshed = {
        "hit": "a read renews the entry it hit and no shallower one (undocumented)",
        "marked": "a read renews every marked entry on its way as well (undocumented)",
    }[figures.given.refresh]
    return Explanation(
        of="tokens read and written",
        formula="read = A, 1-hour write = B - A, 5-minute write = C - B, fresh = total - C (R6)",
        numbers=(
            ("total", int(policy[:4].sum())),
            ("read", int(policy[1])),
            ("1-hour write", int(policy[3])),
            ("5-minute write", int(policy[2])),
            ("fresh", int(policy[0])),
            ("lookback positions", figures.rules.lookback),
        ),
        assumptions=(
            (
                "A: longest live entry within 20 positions of a breakpoint (R4); B: last 1-hour "
                "breakpoint after A; C: last breakpoint"
            ),
            "lifetimes run from the start of the request that writes or reads (R8)",
            "an entry can be read once its writer's response has begun (R9)",
            "entries are shared inside one workspace and one model (R16)",
            "older models drop past thinking when the user speaks again (R13)",
            (
                "a changed tool choice, thinking, effort or speed is another prefix, where the "
                "log is of requests; a first image or citation is not looked for (R12)"
            ),
            refreshed,
            "no entry is evicted before its lifetime ends; nothing was cached before the log",
        ),
        source=f"{figures.rules.source}: rules R1 to R13, R16 to R18",
    )


def _classes(rates: Rates) -> Explanation:
    names = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
    values = ((name.replace("_", " "), getattr(rates, name)) for name in names)
    sources = sorted({str(source) for source in rates.sources.values()})
    return Explanation(
        of=f"USD per million tokens, {rates.model} on {rates.on}",
        formula="spend = sum over classes of tokens x price",
        numbers=tuple((name, value) for name, value in values if value is not None),
        assumptions=("classes are disjoint: a cached token is not an input token as well (R18)",),
        source="; ".join(sources),
    )


def _break_even(rates: Rates) -> Explanation:
    base, read = rates.input or 1.0, rates.cache_read or 0.0
    numbers: list[tuple[str, float]] = [("r", read / base)]
    for label, price in (("5 min", rates.cache_write_5m), ("1 h", rates.cache_write_1h)):
        if price is not None and base > read:
            w, r = price / base, read / base
            numbers += [(f"w, {label}", w), (f"p, {label}", (w - 1) / (w - r))]
    return Explanation(
        of="when a cache write pays",
        formula="p > (w - 1) / (w - r)",
        numbers=tuple(numbers),
        assumptions=(
            (
                "p: probability that the prefix is sent again within the lifetime; w and r: price "
                "of a write and a read in units of fresh input"
            ),
        ),
        source=f"prices as above; {_DOCS}, pricing (R17)",
    )


def _bound(figures: Estimate) -> Explanation:
    policy = figures.outcomes[figures.target].input_usd
    return Explanation(
        of="least possible input spend",
        formula="per prefix, visits with gaps <= 1 h: all fresh, or one write and then reads",
        numbers=(
            *((name, usd) for name, usd in figures.bounds.items()),
            ("policy", policy),
            ("no caching", figures.outcomes[NONE].input_usd),
            ("left", policy - figures.least_usd),
        ),
        assumptions=(
            "LB0: writes are free; LB1: entries never expire; LB2: one lifetime, exact; LB3: both",
            "any number of breakpoints, no minimum, knowledge of the future",
            "a visit before any writer's response begins cannot be a read (R9)",
            "LB3: a read may renew for an hour; a longer 1-hour entry does so at no price (R6)",
        ),
        source="minimum of every prefix alone; no policy can pay less than LB3",
    )
