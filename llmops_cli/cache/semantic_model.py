"""What a semantic-cache replay is asked: the ladder of matching rules, and its parameters."""

from dataclasses import dataclass
from datetime import date

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["EXACT", "LADDER", "NORMALISED", "SIMILAR", "VECTORS", "Rung", "SemanticParameters"]

EXACT = "exact"
NORMALISED = "normalised"
SIMILAR = "similar"

VECTORS: tuple[str, ...] = ("tfidf", "wordllama")
"""What the similarity of two prompts is the cosine of."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One matching rule: ``exact``, ``normalised``, or ``similar`` from a threshold on."""

    kind: str
    threshold: float | None = None

    @property
    def label(self) -> str:
        """The words a person reads."""
        return self.kind if self.threshold is None else f"{self.kind} ≥ {self.threshold:.2f}"


LADDER: tuple[Rung, ...] = (
    Rung(EXACT),
    Rung(NORMALISED),
    *(
        Rung(SIMILAR, percent / 100)
        for percent in (98, 96, 94, 92, 90, 88, 86, 84, 82, 80, 75, 70, 65, 60)
    ),
)
"""The fixed sequence, strictest first: the order of the tests is known before any answer is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticParameters:
    """The question.

    Attributes:
        max_false_hit: the share of hits that may be false; held against the upper bound.
        gate: whether that decides the verdict as well as the choice of the rule.
        ttl_s: seconds that an entry lives after its answer; None for ever. Hits do not renew it.
        vectors: one of ``VECTORS``.
        per_user: whether no entry is shared between users.
        answer_similarity: cosine from which on two answers say the same; below it they differ.
        penalty_usd: what a false hit costs beyond the call that it saved.
        price_as: price every call as this model; empty for the log's own models.
        on: price at the rates of this day; None for the day of the call.
        level: two-sided confidence; 0.90 makes each end a one-sided 95 % bound.
        seed: seed of the bootstrap.
    """

    max_false_hit: float = 0.01
    gate: bool = True
    ttl_s: float | None = None
    vectors: str = "tfidf"
    per_user: bool = False
    answer_similarity: float = 0.8
    penalty_usd: float = 0.0
    price_as: str = ""
    on: date | None = None
    level: float = 0.90
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what no replay can answer."""
        if not 0 < self.max_false_hit < 1:
            raise _usage(
                "semantic-bad-gate",
                f"--max-false-hit {self.max_false_hit:g} is not a share between 0 and 1",
                "one false hit in a hundred is 0.01; none at all cannot be shown by any log",
            )
        if self.ttl_s is not None and not 0 < self.ttl_s < float("inf"):
            raise _usage(
                "semantic-bad-lifetime",
                f"--semantic-ttl {self.ttl_s:g} is not a lifetime in seconds",
                "leave it out for entries that never expire",
            )
        if self.vectors not in VECTORS:
            raise _usage(
                "semantic-unknown-vectors",
                f"'{self.vectors}' is not a way to compare prompts",
                f"one of {', '.join(VECTORS)}",
            )
        if not 0 < self.answer_similarity <= 1:
            raise _usage(
                "semantic-bad-similarity",
                f"--answer-similarity {self.answer_similarity:g} is not a cosine",
                "0.8 counts answers with mostly the same wording as the same",
            )
        if not 0 <= self.penalty_usd < float("inf"):
            raise _usage(
                "semantic-bad-penalty",
                f"--false-hit-usd {self.penalty_usd:g} is not an amount",
                "what one wrong answer costs you, in USD; 0 leaves it out",
            )


def _usage(slug: str, message: str, hint: str) -> LlmopsError:
    return LlmopsError(slug, message, hint=hint, exit_code=ExitCode.USAGE)
