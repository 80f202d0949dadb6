"""A log becomes a trace: without the calls that the provider would have refused."""

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.columns import names_that, numbers
from llmops_cli.cache.model import CacheParameters
from llmops_cli.cache.policies import rejections
from llmops_cli.cache.prompt_blocks import PromptBlocks
from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.select import Exclusion, Selection, exclude, nothing_left
from llmops_cli.cache.thinking import without_past_thinking
from llmops_cli.cache.trace import CacheTrace, compile_trace
from llmops_cli.calls import CallsTable

__all__ = ["compiled"]

Mask = npt.NDArray[np.bool_]

_REJECTED = {
    "cache-too-many-breakpoints": "carry more than 4 cache breakpoints, which the API refuses (R3)",
    "cache-lifetime-order": "mark a 5-minute block before a 1-hour one, which the API refuses (R7)",
    "cache-automatic-conflict": "ask for automatic caching and mark the last block with another "
    "lifetime, which the API refuses (R5)",
    "cache-marker-on-thinking": "mark a thinking block, which the API refuses (R11)",
}


def compiled(
    calls: CallsTable,
    prompts: PromptBlocks,
    chosen: Selection,
    how: tuple[CacheRules, CacheParameters],
) -> tuple[CacheTrace, tuple[Exclusion, ...]]:
    """The calls that can be replayed, compiled, and what keeps the others out.

    Args:
        calls: the whole table, its index the row numbers.
        prompts: of all of its calls.
        chosen: the calls that are replayed as far as their requests allow.
        how: the provider's rules, and what is asked.

    Raises:
        LlmopsError: ``cache-nothing-to-replay``, ``cache-unknown-minimum``.
    """
    left, exclusions = chosen.replay, list(chosen.exclusions)
    trace = _read_by_provider(calls, prompts, left, chosen, how)
    for slug, bad in rejections(trace, how[0]).items():
        mask = np.zeros(len(calls), np.bool_)
        mask[trace.row[bad]] = True
        left, more = exclude(calls, left, mask, slug, _REJECTED[slug])
        exclusions += more
    if not left.any():
        raise nothing_left(len(calls), exclusions)
    if len(exclusions) > len(chosen.exclusions):
        trace = _read_by_provider(calls, prompts, left, chosen, how)
    return trace, tuple(exclusions)


def _read_by_provider(
    calls: CallsTable,
    prompts: PromptBlocks,
    left: Mask,
    chosen: Selection,
    how: tuple[CacheRules, CacheParameters],
) -> CacheTrace:
    rules, given = how
    mine = calls if left.all() else calls[left]
    trace = compile_trace(mine, rules, chosen.model[left], given, prompts)
    counted = numbers(calls, "tokens_estimated", 1) == 0
    drops = names_that(chosen.model[trace.row], lambda name: rules.drops(name.lower()))
    return without_past_thinking(trace, drops, counted[trace.row])
