"""The counted requests of one policy: how long each waited, what it found, what was spent on it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.model import Outcome
from llmops_cli.serving.question import Slo
from llmops_cli.serving.warm_up import WarmUp
from llmops_cli.stats.block_bootstrap import Stretches

__all__ = ["Counted"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Counted:
    """The counted requests of one policy.

    Attributes:
        trace: all requests.
        outcome: what became of them.
        warm_up: which of them count.
        stretches: of the counted ones.
        slo: None where none is given.
        gpus: of the whole fleet.
        usd_per_hour: of one GPU; None where it is not known.
    """

    trace: RequestTrace
    outcome: Outcome
    warm_up: WarmUp
    stretches: Stretches
    slo: Slo | None
    gpus: int
    usd_per_hour: float | None

    @property
    def mask(self) -> Mask:
        """Which requests count."""
        return self.warm_up.counted

    @cached_property
    def ttft_s(self) -> Floats:
        """From arrival to the first token."""
        return (self.outcome.first_token_s - self.outcome.arrival_s)[self.mask]

    @cached_property
    def e2e_s(self) -> Floats:
        """From arrival to the last token."""
        return (self.outcome.finish_s - self.outcome.arrival_s)[self.mask]

    @cached_property
    def queued_s(self) -> Floats:
        """From arrival to the first iteration."""
        return (self.outcome.scheduled_s - self.outcome.arrival_s)[self.mask]

    @cached_property
    def tpot_s(self) -> Floats:
        """Per token after the first; NaN for an answer of one token."""
        more = (self.trace.output_tokens[self.mask] - 1).astype(np.float64)
        spent = (self.outcome.finish_s - self.outcome.first_token_s)[self.mask]
        return np.divide(spent, more, out=np.full(len(more), np.nan), where=more > 0)

    @cached_property
    def input_tokens(self) -> Floats:
        """Tokens of the prompts."""
        return self.trace.input_tokens[self.mask].astype(np.float64)

    @cached_property
    def output_tokens(self) -> Floats:
        """Tokens of the answers."""
        return self.trace.output_tokens[self.mask].astype(np.float64)

    @cached_property
    def hit_tokens(self) -> Floats:
        """Prompt tokens that a cache had, of either tier."""
        found = self.outcome.hit_tokens + self.outcome.second_tier_tokens
        return found[self.mask].astype(np.float64)

    @cached_property
    def within(self) -> Floats:
        """1 for a request within the SLO."""
        slo = self.slo or Slo()
        good = np.ones(len(self.ttft_s), np.bool_)
        for limit, taken in (
            (slo.ttft_s, self.ttft_s),
            (slo.tpot_s, np.nan_to_num(self.tpot_s)),
            (slo.e2e_s, self.e2e_s),
        ):
            if limit is not None:
                good &= taken <= limit
        return good.astype(np.float64)

    @property
    def lasted_s(self) -> float:
        """From the first counted arrival to the last answer."""
        first = float(self.outcome.arrival_s[self.mask].min())
        return max(float(self.outcome.finish_s.max()) - first, 1e-9)
