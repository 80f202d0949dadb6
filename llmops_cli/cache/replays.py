"""Every policy replayed on one trace, and what each of them bills."""

from operator import add

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.kernel import Plan, cut, replay, whole
from llmops_cli.cache.model import POLICIES, CacheParameters
from llmops_cli.cache.outcome import Outcome
from llmops_cli.cache.placement import Odds
from llmops_cli.cache.policies import plan
from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.spend import CallPrices
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.engine import map_merge
from llmops_cli.engine.memory import return_unused

__all__ = ["outcomes_of", "plans_of"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]

_SHARED_BLOCKS = 5_000_000
"""A log of fewer is replayed sooner than a worker has started, which takes most of a second."""


def plans_of(
    trace: CacheTrace, rules: CacheRules, prices: CallPrices, given: CacheParameters
) -> dict[str, Plan]:
    """Every policy's plan for the trace."""
    odds = _odds(prices.per_token)
    marked = given.refresh == "marked"
    return {name: plan(trace, name, rules, odds=odds, renew_marked=marked) for name in POLICIES}


def outcomes_of(
    trace: CacheTrace,
    plans: dict[str, Plan],
    priced: tuple[Ints, CallPrices],
    *,
    jobs: int,
) -> dict[str, Outcome]:
    """What each plan bills; plans that bill the same share one outcome.

    Args:
        trace: the compiled calls.
        plans: by the name of their policy.
        priced: output tokens of each call, and prices.
        jobs: worker processes, for a trace that is worth it.

    Raises:
        LlmopsError: ``price-class-missing``.
    """
    # Every policy on every part at once: a worker is sent a part of the trace only once.
    return_unused()  # compiling has left holes
    shared = jobs > 1 and len(trace.node) >= _SHARED_BLOCKS
    parts = cut(trace, plans) if shared else [whole(trace, plans)]
    replayed = map_merge(replay, parts, add, jobs=jobs)
    found = dict[str, Outcome]()
    for name in plans:
        billed = replayed.in_order(name)
        same = next((each for each in found.values() if each.billed is billed), None)
        found[name] = same or Outcome(billed, *priced)
    return found


def _odds(per_token: Floats) -> Odds:
    fresh = np.where(per_token[:, 0] > 0, per_token[:, 0], 1.0)
    read, write, long_write = (
        np.nan_to_num(per_token[:, column] / fresh, nan=1.0) for column in (1, 2, 3)
    )
    return Odds(read, write, long_write)
