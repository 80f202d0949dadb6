"""What the log itself says about the replay: its bill, its misses, its times and its prompts.

Everything here is derived from a finished replay; no policy is replayed again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.block_spend import block_usd, deviation
from llmops_cli.cache.columns import numbers, texts
from llmops_cli.cache.differences import Difference, first_difference
from llmops_cli.cache.identities import Bracket, Identity, Usage, identities, minimum_brackets
from llmops_cli.cache.kernel import Plan
from llmops_cli.cache.latency import Effect, Timed, effect
from llmops_cli.cache.leaks import Leak, ranked, summed
from llmops_cli.cache.lineage import lineage
from llmops_cli.cache.miss_reasons import UNEXPLAINED, Misses, miss_reasons
from llmops_cli.cache.model import AS_LOGGED, CacheParameters
from llmops_cli.cache.prompt_blocks import PromptBlocks
from llmops_cli.cache.prompts import Losses, Prompt, top_prompts
from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.token_anchors import Anchors
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.truth import Evictions, Truth, compare, evicted, saving_range
from llmops_cli.cache.visits import last_of
from llmops_cli.calls import CallsTable, Marker
from llmops_cli.report import Measure

__all__ = ["Evidence", "Replayed", "gather", "widened"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """A finished replay.

    Attributes:
        calls: the whole calls table, whose rows ``trace.row`` names.
        prompts: of all of its calls.
        anchors: the trace, and how its tokens are known.
        models: of each call of the trace.
        plans: of the target and of what it is held against.
        tokens: ``(calls, 5)`` by class, of the target, the baseline and the logged markers.
        spends: ``(calls,)`` USD for input, by policy.
        billed: ``(calls, 5)`` tokens by class as the log counts them.
        per_token: ``(calls, 5)`` USD per token by class.
        target: the policy in question.
        baseline: what it is held against.
        rules: of the provider.
        given: the question.
    """

    calls: CallsTable
    prompts: PromptBlocks
    anchors: Anchors
    models: npt.NDArray[np.object_]
    plans: Mapping[str, Plan]
    tokens: Mapping[str, Ints]
    spends: Mapping[str, Floats]
    billed: Ints
    per_token: Floats
    target: str
    baseline: str
    rules: CacheRules
    given: CacheParameters

    @property
    def trace(self) -> CacheTrace:
        """The compiled calls."""
        return self.anchors.trace

    @property
    def counted(self) -> npt.NDArray[np.bool_]:
        """Calls whose log carries usage."""
        return numbers(self.calls, "tokens_estimated", 1)[self.trace.row] == 0


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Everything that the log says beside the replay; None where it says nothing.

    ``sources`` names file and line of the calls that prompts and leaks speak of; the line alone,
    or the file without its folder, where that is enough.
    """

    anchors: Anchors
    leaks: tuple[Leak, ...]
    differences: Mapping[str, Difference]
    prompts: tuple[Prompt, ...]
    truth: Truth | None
    unexplained: Measure | None
    after_misses: Measure | None
    latency: Effect
    identities: tuple[Identity, ...]
    brackets: tuple[Bracket, ...]
    sources: Mapping[int, str]


def gather(done: Replayed) -> Evidence:
    """Hold a replay against everything else that its log knows."""
    trace, target = done.trace, done.tokens[done.target]
    found = lineage(trace)
    misses = miss_reasons(
        trace, target, done.per_token, done.rules, plan=done.plans[done.target], found=found
    )
    usage = Usage.of(done.calls, done.prompts)
    truth = compare(done.tokens[AS_LOGGED], done.billed, done.counted & _own(done))
    rate = truth.rate(trace.conversation, done.given.level) if truth else None
    long_lived = bool(target[:, 3].any())
    life = done.rules.life_1h_us if long_lived else done.rules.life_5m_us
    losses = Losses(trace, found, misses, done.spends, done.target, done.per_token, life)
    leaks, prompts = summed(misses), top_prompts(losses)
    everything = tuple(ranked([*leaks, *_unexplained(done, truth)]))
    named = {item.first for item in prompts} | {item.example for item in everything}
    named |= {item.against for item in everything}
    return Evidence(
        anchors=done.anchors,
        leaks=everything,
        differences=_differences(done, misses, leaks),
        prompts=prompts,
        truth=truth,
        unexplained=rate,
        after_misses=_after_misses(done, rate),
        latency=_latency(done),
        identities=identities(usage, done.rules),
        brackets=minimum_brackets(usage, done.rules, among=trace.row),
        sources=_sources(done, sorted(named - {-1})),
    )


def _own(done: Replayed) -> npt.NDArray[np.bool_]:
    # Another provider's bill says nothing about these rules, whatever it is replayed as.
    provider = texts(done.calls, "provider_name")[done.trace.row]
    return (provider == "anthropic") | (provider == "")


def _sources(done: Replayed, calls: list[int]) -> dict[int, str]:
    files = done.calls["source_file"].dropna().unique().tolist()
    named = {file: f"{PurePath(file).name}:" for file in files}
    if len(set(named.values())) < len(files):
        named = {file: f"{file}:" for file in files}
    if len(files) == 1:
        named = {files[0]: "line "}
    rows = done.calls.iloc[done.trace.row[calls]]
    places = zip(rows["source_file"].tolist(), rows["source_line"].tolist(), strict=True)
    found = [f"{named.get(file, '')}{line}" for file, line in places]
    return dict(zip(calls, found, strict=True))


def _unexplained(done: Replayed, truth: Truth | None) -> list[Leak]:
    # As billed: what was written or sent fresh though an entry should have been there.
    if truth is None or not truth.unexplained.any():
        return []
    written = done.billed[:, 2:4] > 0
    column = np.select([written[:, 1], written[:, 0]], [3, 2], default=0)
    price = np.where(np.isnan(done.per_token), done.per_token[:, :1], done.per_token)
    paid = np.take_along_axis(price, column[:, None], axis=1)[:, 0]
    usd = truth.lost_tokens * np.nan_to_num(paid - price[:, 1])
    return [
        Leak(
            UNEXPLAINED,
            int(truth.unexplained.sum()),
            int(truth.lost_tokens.sum()),
            float(usd.sum()),
            example=int(usd.argmax()),
        )
    ]


def _after_misses(done: Replayed, rate: Measure | None) -> Measure | None:
    if rate is None or rate.value is None:
        return None
    policy, baseline = (_evictions(done, name) for name in (done.target, done.baseline))
    conversation = done.trace.conversation
    return saving_range(policy, baseline, rate, conversation, seed=done.given.seed)


def _evictions(done: Replayed, policy: str) -> Evictions:
    trace, write = done.trace, done.plans[policy].write
    ends = [last_of(mask, trace.offsets) for mask in (write == Marker.ONE_HOUR, write > 0)]
    long, end = (np.where(at >= 0, trace.depth_tokens[at], 0) for at in ends)
    return evicted(done.tokens[policy], (long, end), done.per_token)


def _latency(done: Replayed) -> Effect:
    timed = Timed(
        numbers(done.calls, "ttft_s", np.nan)[done.trace.row],
        done.billed,
        done.counted,
        done.models,
        done.trace.conversation,
    )
    reads = [done.tokens[name][:, 1] for name in (done.target, done.baseline)]
    return effect(timed, reads[0], reads[1], level=done.given.level)


def _differences(done: Replayed, misses: Misses, leaks: list[Leak]) -> dict[str, Difference]:
    # Content is at hand only where it was kept; its place is told, its text never.
    if "content" not in done.calls.columns:
        return {}
    content, rows = texts(done.calls, "content"), done.trace.row
    found: dict[str, Difference] = {}
    for leak in leaks:
        other = int(misses.compared[leak.example])
        if leak.reason.endswith("_changed") and other >= 0:
            pair = (str(content[rows[other]]), str(content[rows[leak.example]]))
            place = first_difference(done.trace, (other, leak.example), pair)
            found |= {leak.reason: place} if place else {}
    return found


def widened(saving: Measure, done: Replayed) -> Measure:
    """The saving with the error of its tokens, where the log does not count them all.

    The deviations of tokens and of conversations are independent: their squares add up.
    """
    counted = done.anchors.counted == done.trace.calls
    alone = (saving.n or 0) < 2  # noqa: PLR2004 - one conversation decides nothing as it is
    if counted or alone or saving.value is None:
        return saving
    spends = [
        block_usd(done.trace, done.tokens[name], done.per_token)
        for name in (done.target, done.baseline)
    ]
    given = done.given
    below, above = deviation(
        done.trace.kind,
        (spends[0], spends[1]),
        done.anchors.log_spread,
        level=given.level,
        seed=given.seed,
    )
    low, high = saving.low or 0.0, saving.high or 0.0
    return replace(
        saving,
        low=saving.value - float(np.hypot(saving.value - low, below)),
        high=saving.value + float(np.hypot(high - saving.value, above)),
        method=f"{saving.method}, widened by the error of estimated tokens",
    )
