"""Classes of the workload apart: where the plan loses although it pays over all."""

from dataclasses import dataclass

import numpy as np

from llmops_cli.speculation.estimate import tokens_per_step
from llmops_cli.speculation.model import Load, SpeculationParameters
from llmops_cli.speculation.plan import DraftPlan, at_batches
from llmops_cli.speculation.speedup import Estimate, over_load

__all__ = ["Slice", "slices_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """One class under the plan of all.

    Attributes:
        task: its name.
        requests: of it.
        token_share: of all tokens.
        tokens: per step at the plan's depth.
        speedup: over the load where the plan drafts.
    """

    task: str
    requests: int
    token_share: float
    tokens: Estimate
    speedup: Estimate

    @property
    def loses(self) -> bool:
        """Whether all of the interval is below 1."""
        high = self.speedup.high
        return high < 1 if high is not None else self.speedup.value < 1


def slices_of(plan: DraftPlan, load: Load, given: SpeculationParameters) -> tuple[Slice, ...]:
    """Every class of the log, from the one that gains least."""
    seen, shares = plan.seen, np.array(load.shares)
    here, depths = at_batches(plan.costs, load), plan.depths_of(load)
    found: list[Slice] = []
    for code, task in enumerate(seen.tasks):
        rows = seen.task == code
        if not rows.any():
            continue
        part = seen.only(rows)
        tokens = tokens_per_step(part, level=given.level, resamples=given.resamples,
                                 seed=given.seed)  # fmt: skip
        inside = tokens.interval(plan.depth)
        each = Estimate(float(tokens.value[plan.depth]), *((inside.low, inside.high)
                                                          if inside else ()))  # fmt: skip
        found.append(
            Slice(
                task=task,
                requests=int(rows.sum()),
                token_share=float(part.tokens.sum() / seen.tokens.sum()),
                tokens=each,
                speedup=over_load(tokens, here, depths, shares),
            )
        )
    return tuple(sorted(found, key=lambda item: item.speedup.value))
