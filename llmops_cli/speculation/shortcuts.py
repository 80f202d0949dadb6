"""What simpler formulas would have said: one acceptance for all positions and requests.

They are printed beside the estimate because they are what papers and dashboards quote.
"""

from dataclasses import dataclass

import numpy as np

from llmops_cli.speculation.closed_form import beta_binomial_tokens, expected_tokens
from llmops_cli.speculation.estimate import Tokens, beta_shapes
from llmops_cli.speculation.model import Acceptance

__all__ = ["Shortcuts", "mean_acceptance", "shortcuts"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shortcuts:
    """Tokens per step at the planned depth by formulas.

    Attributes:
        acceptance: mean over requests of each request's own rate.
        alike: by that rate, the same everywhere and independent.
        first: by the rate of the first position, the same at all.
        beta_binomial: by a beta law of it over requests; None where they do not differ.
    """

    acceptance: float
    alike: float
    first: float
    beta_binomial: float | None


def mean_acceptance(seen: Acceptance) -> float:
    """Mean over requests, by their tokens, of accepted over examined drafted tokens."""
    examined = seen.reached.sum(axis=1)
    rows = examined > 0
    rates = seen.accepted.sum(axis=1)[rows] / examined[rows]
    return float(np.average(rates, weights=seen.tokens[rows])) if rows.any() else 0.0


def shortcuts(seen: Acceptance, tokens: Tokens, depth: int) -> Shortcuts:
    """What the formulas say of a depth."""
    rate = mean_acceptance(seen)
    shapes = beta_shapes(tokens)
    return Shortcuts(
        acceptance=rate,
        alike=expected_tokens(rate, depth),
        first=expected_tokens(float(tokens.rates[0]), depth),
        beta_binomial=None if shapes is None else beta_binomial_tokens(*shapes, depth),
    )
