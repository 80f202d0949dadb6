"""Where the score and the answers come from, with the reader's own numbers."""

from llmops_cli.audit.answers import MOSTLY, OFTEN
from llmops_cli.audit.findings import worst_first
from llmops_cli.audit.kernel import Judgement
from llmops_cli.audit.model import WEIGHTS, AuditParameters, loss, weight
from llmops_cli.report import Explanation

__all__ = ["explanations"]

_SHOWN = 5


def explanations(
    given: AuditParameters, judgement: Judgement, value: float | None
) -> tuple[Explanation, ...]:
    """The score, the weights, the answers."""
    return (_score(given, judgement, value), _answers())


def _score(given: AuditParameters, judgement: Judgement, value: float | None) -> Explanation:
    tallies = judgement.tallies
    judged = [item for item in tallies if item.total]
    costly = sorted(worst_first(tallies), key=lambda item: -loss(item, tallies))[:_SHOWN]
    weights = ", ".join(f"{level} {points:g}" for level, points in WEIGHTS.items())
    return Explanation(
        of="the score",
        formula="100 x sum(weight x share that keeps the rule) / sum(weight), at most every cap",
        numbers=(
            ("rules that apply", len(judged)),
            ("their weight", sum(weight(item.rule) for item in judged)),
            *((f"{item.rule.id} costs", round(loss(item, tallies), 1)) for item in costly),
            ("score", value),
        ),
        assumptions=(
            f"weights by requirement level: {weights}; information weighs nothing",
            (
                "a cap falls from 100 to its value as the share that breaks the rule rises to "
                "all: without usage no log scores well, whatever else it has"
            ),
            "rounded down to a tenth; 99.9 at most while a violation or improvement is left",
        ),
        source=f"OpenTelemetry semantic conventions for GenAI up to {given.conventions}; "
        "requirement levels are theirs, weights and caps are ours",
    )


def _answers() -> Explanation:
    return Explanation(
        of="which questions the log can answer",
        formula=f"yes: {100 * MOSTLY:g} % of calls carry all that is needed, and "
        f"{100 * OFTEN:g} % each thing that sharpens; no: not one call does",
        assumptions=(
            "tokens: counted by the vendor, not estimated from bytes",
            "blocks: prompt content, which is hashed when the log is read",
        ),
        source="what each command reads of the calls table",
    )
