"""What a run that asks providers says of its money: how it is counted, and what nobody knows."""

from typing import TYPE_CHECKING

from llmops_cli.cli.show import counted
from llmops_cli.report import Explanation, Finding
from llmops_cli.views.numbers import amount

if TYPE_CHECKING:
    from llmops_cli.live import Outcome, ReplayOutcome

__all__ = ["interrupted", "spend"]


def interrupted(outcome: "Outcome | ReplayOutcome") -> tuple[Finding, ...]:
    """That calls were in flight when a run died, if any were."""
    if not outcome.interrupted:
        return ()
    most = f", at the most {amount(outcome.interrupted_usd, 'usd')}, which the cap counts"
    return (
        Finding(
            slug="calls-interrupted",
            severity="warning",
            message=f"{counted(outcome.interrupted, 'call')} in flight when a run ended early may "
            f"have been billed{most if outcome.interrupted_usd else ''}",
            count=outcome.interrupted,
        ),
    )


def spend(outcome: "Outcome | ReplayOutcome", cap_usd: float) -> Explanation:
    """How spend is counted."""
    return Explanation(
        of="spend",
        formula="sum over answers of tokens x price, and over calls of which nobody knows the bill "
        "of (bytes of the request + 1,024) x input price + most output x output price",
        numbers=(
            ("cap", cap_usd),
            ("spent or held", outcome.spent_usd),
            ("held for calls in flight when a run ended early", outcome.interrupted_usd),
        ),
        assumptions=(
            "no tokeniser makes more tokens than there are bytes",
            "a call that broke off, timed out or was in flight when its run died was billed",
            "each call is held at its most, and that is written down, before it is sent",
        ),
        source="the installed price book; the spans file of the run",
    )
