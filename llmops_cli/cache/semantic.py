"""The semantic-cache replay: kept prompts in, hits and false hits of every matching rule out.

The rule is chosen on the first half of the calls and judged on the second, so its own choice
does not flatter it. Without answers there is nothing to judge by, and no rule is chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.cache.semantic_answers import Label, label_pairs
from llmops_cli.cache.semantic_guard import Lexicon, learn, normal_form, slots
from llmops_cli.cache.semantic_model import EXACT, LADDER, NORMALISED, Rung, SemanticParameters
from llmops_cli.cache.semantic_prompts import Prompts, read_prompts
from llmops_cli.cache.semantic_similarity import LONGEST, Near, near, text_vectors
from llmops_cli.cache.semantic_store import Stream, ceiling, served
from llmops_cli.cache.semantic_threshold import (
    Status,
    Tally,
    fixed_sequence,
    last_passed,
    tally,
)
from llmops_cli.calls import CallsTable

__all__ = ["Outcome", "SemanticEstimate", "semantic_replay"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One matching rule.

    Attributes:
        rung: the rule.
        served: per call the call whose answer it gets, or -1.
        labels: per call what that answer is to its own; meaningless for a miss.
        repeats: per call whether the question is the same after normalisation.
        tested: the hits that the test counts, on the calls that choose: of ``similar`` those
            that are no repeats, or true repeats would make room for false neighbours.
        judged: all hits on the calls that judge.
        near: of these, the hits that are no repeats.
        status: what the test says.
    """

    rung: Rung
    served: Ints
    labels: npt.NDArray[np.int8]
    repeats: Mask
    tested: Tally
    judged: Tally
    near: Tally
    status: Status

    @property
    def hits(self) -> Mask:
        """Which calls the cache answers."""
        return self.served >= 0


@dataclass(frozen=True, slots=True, eq=False)
class SemanticEstimate:
    """Every figure; arrays are in the order of ``prompts``.

    Attributes:
        given: the question.
        prompts: the calls a semantic cache could answer.
        outcomes: every rule, the strictest first.
        chosen: number of the loosest rule that passed, or None.
        judging: the calls that judge: the second half, or all where there are no answers.
        least: the smallest similarity that was looked at.
        ceiling: share of the judging calls that a store of everything would answer at ``least``.
        usd: what each call cost, or None where nobody said.
        too_long: questions too long to have neighbours.
    """

    given: SemanticParameters
    prompts: Prompts
    outcomes: tuple[Outcome, ...]
    chosen: int | None
    judging: Mask
    least: float
    ceiling: float
    usd: Floats | None
    too_long: int

    @property
    def shown(self) -> Outcome:
        """The rule the figures are of: the chosen one, else normalised repeats."""
        return self.outcomes[1 if self.chosen is None else self.chosen]

    @property
    def any_hit(self) -> bool:
        """Whether any rule, the loosest included, answers any call."""
        return any(outcome.hits.any() for outcome in self.outcomes)

    @property
    def has_answers(self) -> bool:
        """Whether any hit could be labelled."""
        return any(
            item.labelled for outcome in self.outcomes for item in (outcome.tested, outcome.judged)
        )


def semantic_replay(
    calls: CallsTable, given: SemanticParameters | None = None, usd: Floats | None = None
) -> SemanticEstimate:
    """Replay a semantic cache over logged calls under every matching rule.

    Args:
        calls: the calls table with the kept prompts in a column ``content``; the answers in it,
            or in a column ``answer``.
        given: bounds, lifetime, how prompts are compared.
        usd: what each row of ``calls`` cost, NaN where unknown.

    Raises:
        LlmopsError: what :func:`read_prompts` refuses; ``semantic-no-wordllama``.
    """
    given = given or SemanticParameters()
    prompts = read_prompts(calls, per_user=given.per_user)
    asked = _asked(prompts)
    around = _near(asked, given)
    streams = _streams(prompts, asked, given)
    rungs = [rung for rung in LADDER if rung.threshold is None or rung.threshold >= around.least]
    replays = [_replay(rung, streams, around) for rung in rungs]
    labels = _labels(prompts, replays, asked.lexicon, given)
    half = len(prompts) // 2
    judging = np.arange(len(prompts)) >= (half if any(map(np.any, labels)) else 0)
    outcomes = _outcomes(rungs, replays, labels, streams, judging, given)
    passed = last_passed([outcome.status for outcome in outcomes])
    everything = ceiling(streams[NORMALISED], around, around.least)
    return SemanticEstimate(
        given=given,
        prompts=prompts,
        outcomes=outcomes,
        chosen=passed,
        judging=judging,
        least=around.least,
        ceiling=float(everything[judging].mean()),
        usd=None if usd is None else np.asarray(usd, np.float64)[prompts.row],
        too_long=asked.too_long,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    # Questions by their normal form: ``key`` per call, then one entry per key.
    key: Ints
    forms: Sequence[str]
    group: Ints
    lexicon: Lexicon

    @property
    def too_long(self) -> int:
        return sum(len(form) > LONGEST for form in self.forms)


def _asked(prompts: Prompts) -> _Asked:
    texts = dict.fromkeys(prompts.texts)
    lexicon = learn(text for text in texts if len(text) <= LONGEST)
    forms = {text: normal_form(text) for text in texts}
    pairs = [
        (scope, forms[text])
        for scope, text in zip(prompts.scope.tolist(), prompts.texts, strict=True)
    ]
    numbered = {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}
    # What the guard compares: things, polarity and language; a text without them is alone.
    cut = {form: slots(form, lexicon)[:3] for form in forms.values() if len(form) <= LONGEST}
    guarded = [(scope, cut.get(form, number)) for number, (scope, form) in enumerate(numbered)]
    groups = {pair: number for number, pair in enumerate(dict.fromkeys(guarded))}
    return _Asked(
        key=np.array([numbered[pair] for pair in pairs], dtype=np.int64),
        forms=[form for _, form in numbered],
        group=np.array([groups[pair] for pair in guarded], dtype=np.int64),
        lexicon=lexicon,
    )


def _near(asked: _Asked, given: SemanticParameters) -> Near:
    """The neighbours of every key; one alone in its group needs no vector."""
    thresholds = [rung.threshold for rung in LADDER if rung.threshold is not None]
    several = np.flatnonzero(np.bincount(asked.group)[asked.group] > 1)
    if not len(several):
        none = np.zeros(len(asked.forms) + 1, np.int64)
        return Near(none, np.empty(0, np.int64), np.empty(0), thresholds[-1])
    vectors = text_vectors([asked.forms[key] for key in several.tolist()], given.vectors)
    found = near(vectors, asked.group[several], thresholds)
    counts = np.zeros(len(asked.forms), np.int64)
    counts[several] = np.diff(found.offsets)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return Near(offsets, several[found.other], found.similarity, found.least)


def _streams(prompts: Prompts, asked: _Asked, given: SemanticParameters) -> dict[str, Stream]:
    exact = pd.factorize(pd.MultiIndex.from_arrays([prompts.scope, prompts.texts]))[0]
    ttl = None if given.ttl_s is None else round(given.ttl_s * 1e6)
    return {
        name: Stream(key.astype(np.int64), prompts.start_us, prompts.answered_us, ttl)
        for name, key in ((EXACT, exact), (NORMALISED, asked.key))
    }


def _replay(rung: Rung, streams: dict[str, Stream], around: Near) -> Ints:
    if rung.threshold is None:
        return served(streams[rung.kind])
    return served(streams[NORMALISED], around, rung.threshold)


def _labels(
    prompts: Prompts, replays: Sequence[Ints], lexicon: Lexicon, given: SemanticParameters
) -> list[npt.NDArray[np.int8]]:
    """The labels of every replay's hits; each pair is compared once."""
    n = len(prompts)
    calls = np.arange(n)
    codes = [np.where(hit >= 0, calls * n + hit, -1) for hit in replays]
    pairs = np.unique(np.concatenate(codes))
    pairs = pairs[pairs >= 0]
    found = label_pairs(
        prompts.answers,
        np.column_stack([pairs // n, pairs % n]),
        lexicon,
        given.answer_similarity,
    )
    known = np.append(found, np.int8(Label.UNKNOWN))
    return [
        np.where(code >= 0, known[np.searchsorted(pairs, code)], Label.UNKNOWN).astype(np.int8)
        for code in codes
    ]


def _outcomes(
    rungs: Sequence[Rung],
    replays: Sequence[Ints],
    labels: Sequence[npt.NDArray[np.int8]],
    streams: dict[str, Stream],
    judging: Mask,
    given: SemanticParameters,
) -> tuple[Outcome, ...]:
    key = streams[NORMALISED].key
    repeats = [(hit >= 0) & (key[hit] == key) for hit in replays]

    def counted(number: int, mask: Mask) -> Tally:
        chosen = mask & (replays[number] >= 0)
        return tally(labels[number][chosen], replays[number][chosen], given.level)

    choosing = ~judging if not judging.all() else judging
    tested = [
        counted(number, choosing if rung.threshold is None else choosing & ~repeats[number])
        for number, rung in enumerate(rungs)
    ]
    statuses = fixed_sequence(tested, given.max_false_hit, given.level)
    return tuple(
        Outcome(
            rung=rung,
            served=replays[number],
            labels=labels[number],
            repeats=repeats[number],
            tested=tested[number],
            judged=counted(number, judging),
            near=counted(number, judging & ~repeats[number]),
            status=statuses[number],
        )
        for number, rung in enumerate(rungs)
    )
