"""How one stage decides: its boundaries, and the risks they spend."""

from dataclasses import dataclass

from llmops_cli.rollout.boundaries import Kind
from llmops_cli.rollout.model import Plan, Stage

__all__ = ["Rule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one stage decides.

    Attributes:
        harm: kind of the boundary of harm.
        harm_alpha: one-sided risk of going back, of one guardrail in one stage.
        promote_alpha: one-sided risk of going on, of one stage; None goes on at the end
            unless harm was found, as a rollout without a test of no harm does.
        promotion_looks: looks that may promote.
        consecutive: looks in a row that must find harm.
        harm_looks: looks that spend the risk of going back, where it is spent over a few.
        benefit: how the risk of going on is spent over its looks.
        goal: index of the guardrail in which a gain must be shown to go on; None for none.
    """

    harm: Kind
    harm_alpha: float
    promote_alpha: float | None
    promotion_looks: int = 1
    consecutive: int = 1
    harm_looks: int | None = None
    benefit: Kind = "obrien-fleming"
    goal: int | None = None

    @classmethod
    def of(cls, plan: Plan, stage: Stage | None = None) -> "Rule":
        """That of a stage of a plan, and but for its goal that of all."""
        chosen = plan.boundaries
        names = [item.name for item in plan.guardrails]
        goal = None if stage is None or stage.goal is None else names.index(stage.goal.guardrail)
        return cls(
            harm=chosen.harm,
            harm_alpha=plan.harm_alpha,
            promote_alpha=plan.alpha_per_stage,
            promotion_looks=chosen.chances,
            consecutive=plan.policy.consecutive_looks,
            harm_looks=None if chosen.harm == "mixture" else chosen.harm_looks,
            benefit="obrien-fleming" if chosen.benefit == "fixed" else chosen.benefit,
            goal=goal,
        )
