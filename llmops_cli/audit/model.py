"""What an audit is asked, and the mathematics of its score."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from llmops_cli.audit.kernel import Tally
from llmops_cli.audit.rules import LATEST, Rule, rules, version_key
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["FULL", "WEIGHTS", "AuditParameters", "loss", "score", "weight"]

WEIGHTS: dict[str, float] = {
    "required": 5.0,
    "conditionally required": 3.0,
    "recommended": 2.0,
    "hygiene": 2.0,
    "opt-in": 0.0,
}
"""What a rule weighs by its requirement level; information weighs nothing."""

FULL = 100.0
_BELOW_FULL = 99.9
_EARLIEST = "1.26"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditParameters:
    """The question.

    Attributes:
        min_score: gate: the score must reach it; None for no gate.
        forbid: gates: rule ids, names of Weaver's advice, or a severity that may not occur.
        conventions: version of the OpenTelemetry conventions to hold the log against.
    """

    min_score: float | None = None
    forbid: tuple[str, ...] = ()
    conventions: str = LATEST

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what cannot be asked."""
        if self.min_score is not None and not 0 <= self.min_score <= FULL:
            raise _usage(
                "audit-bad-score",
                f"--min-score {self.min_score:g} does not lie between 0 and 100",
                "80 is a strict bar",
            )
        try:
            fits = version_key(_EARLIEST) <= version_key(self.conventions) <= version_key(LATEST)
        except ValueError:
            fits = False
        if not fits:
            raise _usage(
                "audit-bad-conventions",
                f"'{self.conventions}' is no version of the conventions that the rules know",
                f"{_EARLIEST} to {LATEST}; 1.37 is the one that moved chat history",
            )
        for name in self.forbid:
            self.forbidden(name)

    def forbidden(self, name: str) -> tuple[Rule, ...]:
        """The rules that a name given to ``--forbid`` stands for.

        Raises:
            LlmopsError: ``audit-unknown-rule``.
        """
        every = rules(self.conventions)
        found = tuple(item for item in every if name in {item.id, item.advice, item.severity})
        if found:
            return found
        ids = [item.id for item in every]
        near = get_close_matches(name, ids, n=3)
        raise _usage(
            "audit-unknown-rule",
            f"'{name}' is not a rule",
            f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(ids)}",
        )


def _usage(slug: str, message: str, hint: str) -> LlmopsError:
    return LlmopsError(slug, message, hint=hint, exit_code=ExitCode.USAGE)


def weight(rule: Rule) -> float:
    """How much of the score a rule decides."""
    return 0.0 if rule.severity == "information" else WEIGHTS[rule.level]


def score(tallies: Sequence[Tally], groups: Iterable[int]) -> float | None:
    """The score of some groups: 100 where no rule is broken, None where none applies.

    100 x the weighted mean share of rows that keep a rule, at most what the caps allow. It is
    rounded down to a tenth, so that nothing broken rounds to 100.

    Args:
        tallies: what became of each rule.
        groups: which groups count.
    """
    at = np.fromiter(groups, np.int64)
    shares = [(item.rule, *_share(item, at)) for item in tallies if item.applies[at].any()]
    whole = sum(weight(rule) for rule, _, _ in shares)
    if not whole:
        return FULL if shares else None
    lost = sum(weight(rule) * share for rule, share, _ in shares) / whole
    caps = [_limit(rule, share) for rule, share, _ in shares]
    found = min(FULL * (1 - lost), *caps)
    if any(broken for rule, _, broken in shares if weight(rule)):
        found = min(found, _BELOW_FULL)
    return math.floor(10 * found + 1e-6) / 10


def _share(tally: Tally, at: np.ndarray) -> tuple[float, int]:
    broken, applies = int(tally.broken[at].sum()), int(tally.applies[at].sum())
    return broken / applies, broken


def _limit(rule: Rule, share: float) -> float:
    return FULL if rule.cap is None else FULL - (FULL - rule.cap) * share


def loss(tally: Tally, tallies: Sequence[Tally]) -> float:
    """Points that a broken rule costs by itself: its share of the weight, or its cap."""
    if not tally.count:
        return 0.0
    whole = sum(weight(item.rule) for item in tallies if item.total)
    share = tally.count / tally.total
    mean = FULL * weight(tally.rule) * share / whole if whole else 0.0
    return max(mean, FULL - _limit(tally.rule, share))
