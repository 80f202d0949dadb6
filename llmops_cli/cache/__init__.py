"""What does prompt caching save? A block-exact replay of logged traffic under written rules.

The log is compiled once to prefixes and times, then every policy is replayed on it: no
caching, the markers the client sent, automatic caching with 5-minute or 1-hour entries. The
figures are priced by token class and held against what perfect foresight would pay. A cache of
answers, found by the meaning of questions, is the other question of this room.
"""

from collections.abc import Sequence

from llmops_cli.cache.estimate import estimate_calls
from llmops_cli.cache.model import POLICIES, CacheParameters
from llmops_cli.cache.prompt_blocks import CompactCalls, PromptCollector
from llmops_cli.cache.report import report_on
from llmops_cli.cache.semantic_model import SemanticParameters
from llmops_cli.cache.semantic_question import semantic_estimate
from llmops_cli.cache.trace import NEEDED
from llmops_cli.calls import CallsTable
from llmops_cli.prices import PriceBook
from llmops_cli.report import Finding, Report

__all__ = [
    "NEEDED",
    "POLICIES",
    "CacheParameters",
    "PromptCollector",
    "SemanticParameters",
    "cache_estimate",
    "semantic_estimate",
]


def cache_estimate(
    calls: CallsTable | CompactCalls,
    parameters: CacheParameters | None = None,
    *,
    book: PriceBook | None = None,
    jobs: int = 1,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Report:
    """Replay a log under Anthropic's prompt-caching rules and price every policy.

    Reads, writes and fresh input follow rules R1 to R13 and R16 to R18: prefix order, past
    thinking that older models drop, entries only at breakpoints, lookback of 20 positions,
    minimum lengths, lifetimes from the start of a request, entries readable once the writer's
    response begins, isolation by workspace and model. Calls of other providers are counted and
    priced as billed, never replayed.

    Args:
        calls: the calls table; prompts as block hashes, tokens, kinds and markers. Or what a
            :class:`PromptCollector` made of one while it was read, in a third of the memory.
        parameters: the policy to judge, its gate, and what-ifs; defaults judge the
            cheapest of automatic and no caching, without a gate.
        book: where prices come from; the installed price data when absent.
        jobs: worker processes; the result does not depend on it.
        inputs: what the report names as its input.
        findings: what reading the log found; shown with ours.

    Returns:
        A report whose main measure is the share of input spend saved against the logged
        markers, with a cluster-bootstrap interval over conversations.

    Raises:
        LlmopsError: ``price-unknown-model``, ``cache-nothing-to-replay``,
            ``cache-unknown-minimum``, ``price-class-missing``, ``calls-missing-column``.
    """
    given = parameters or CacheParameters()
    figures = estimate_calls(calls, given, book or PriceBook(), jobs=jobs)
    return report_on(figures, inputs=tuple(inputs), findings=tuple(findings))
