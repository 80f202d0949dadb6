"""The answer in a sentence or two: what the policy saves, and the first change to make."""

from math import floor, log10

from llmops_cli.cache.estimate import Estimate
from llmops_cli.cache.model import (
    AS_LOGGED,
    AUTOMATIC_1H,
    AUTOMATIC_5M,
    LABELS,
    NONE,
    PLACED,
    POLICIES,
)

__all__ = ["headline"]

_NOTHING, _WORTHWHILE = 1e-9, 0.01

_SENTENCES = {
    NONE: "Taking the logged markers out",
    AS_LOGGED: "The logged markers",
    AUTOMATIC_5M: "Automatic caching with 5-minute entries",
    AUTOMATIC_1H: "Automatic caching with 1-hour entries",
    "static-prefix-5m": "Marking tools and system prompt for 5 minutes",
    "static-prefix-1h": "Marking tools and system prompt for 1 hour",
    "moving-tail-5m": "A marker that moves with the tail, for 5 minutes,",
    "moving-tail-1h": "A marker that moves with the tail, for 1 hour,",
    "moving-tail-mixed": "An hourly marker on what is static and a 5-minute one on the tail",
    "best-4-5m": "The best four 5-minute markers",
    "best-4-1h": "The best four 1-hour markers",
    "best-4-mixed": "The best four markers, hourly on what is static,",
}


def headline(figures: Estimate) -> str:
    """What the policy saves in a sentence, and the first change to make where one pays."""
    return f"{_saved(figures)}{_first_change(figures)}"


def _saved(figures: Estimate) -> str:
    policy, baseline = figures.outcomes[figures.target], figures.outcomes[figures.baseline]
    marked = bool(figures.outcomes[AS_LOGGED].tokens[:, 1:4].any())
    if figures.target == NONE and not marked:
        return _no_use(figures)
    value = figures.saving.value or 0.0
    low, high = figures.saving.low or 0.0, figures.saving.high or 0.0
    may = "" if figures.target == AS_LOGGED else "would "
    beside = marked and figures.target not in {NONE, AS_LOGGED}
    against = " against the logged markers" if beside else ""
    spends = f"{_usd(policy.input_usd)} instead of {_usd(baseline.input_usd)}"
    done = f"cut input spend by {100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    if value < 0:
        done = f"cost {-100 * value:.1f} % more [{-100 * high:.1f}, {-100 * low:.1f}]"
    return f"{_SENTENCES[figures.target]} {may}{done}{against}: {spends}."


def _usd(amount: float) -> str:
    # Cents, and of what is less than a dollar two digits.
    digits = 2 if amount >= 1 or amount <= 0 else 1 - floor(log10(amount))
    return f"${amount:,.{max(digits, 2)}f}"


def _first_change(figures: Estimate) -> str:
    # The prompt that loses most; what saves next to nothing is no change to begin with.
    change = figures.evidence.prompts[0].change if figures.evidence.prompts else None
    spent = figures.outcomes[figures.target].input_usd
    if change is None or change.saving_usd < _WORTHWHILE * spent:
        return ""
    return f" First change, worth up to {_usd(change.saving_usd)}: {change.words}."


def _no_use(figures: Estimate) -> str:
    # Nothing is cached today and nothing that needs no markers is cheaper: say what would be.
    none = figures.outcomes[NONE].input_usd
    spends = {name: figures.outcomes[name].input_usd for name in POLICIES}
    name = min((AUTOMATIC_5M, AUTOMATIC_1H), key=lambda name: spends[name])
    best = min(PLACED, key=lambda name: spends[name])
    more = spends[name] / none - 1 if none else 0.0
    sentence = f"{_SENTENCES[name][0].lower()}{_SENTENCES[name][1:]} would cost {100 * more:.1f} %"
    if spends[best] < none * (1 - _NOTHING):
        saved = 100 * (1 - spends[best] / none)
        return (
            f"{sentence[0].upper()}{sentence[1:]} more than the {_usd(none)} of today; markers of "
            f"your own can pay: '{LABELS[best]}' would save {saved:.1f} %."
        )
    if more < _NOTHING:
        return f"Prompt caching would change nothing: input spend stays {_usd(none)}."
    return f"Prompt caching does not pay: {sentence} more than the {_usd(none)} of today."
