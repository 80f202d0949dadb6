"""Which of our questions a log can answer: what each needs, against what its calls carry."""

# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from llmops_cli.audit.kernel import Judgement
from llmops_cli.audit.rules import Question, questions
from llmops_cli.audit.subjects import Mask
from llmops_cli.calls import CallsTable

__all__ = ["MOSTLY", "OFTEN", "Answer", "answers"]

MOSTLY = 0.95
"""Share of calls that must carry everything needed for a plain yes."""
OFTEN = 0.5
"""Share of calls that must carry what sharpens the answer."""

_ORDER = ("no", "partly", "yes")


@dataclass(frozen=True, slots=True)
class Answer:
    """One question's row of the matrix.

    Attributes:
        command: the question.
        word: yes, partly or no.
        share: answered calls that carry all it needs.
        missing: needs that some calls lack and the share that has them, the rarest first.
        rules: broken rules that stand in its way.
    """

    command: str
    word: str
    share: float
    missing: tuple[tuple[str, float], ...]
    rules: tuple[str, ...]


def answers(calls: CallsTable, judgement: Judgement) -> tuple[Answer, ...]:
    """The matrix, what cannot be answered first."""
    # What failed has no usage, and an embedding no output: neither says anything is missing.
    embeds = (calls["operation_name"] == "embeddings").fillna(value=False).to_numpy(dtype=bool)
    answered = calls[calls["error_type"].isna().to_numpy(dtype=bool) & ~embeds]
    found = [_answer(question, answered, judgement) for question in questions()]
    return tuple(sorted(found, key=lambda item: (_ORDER.index(item.word), item.share)))


def _answer(question: Question, calls: CallsTable, judgement: Judgement) -> Answer:
    rows = len(calls)
    masks = {name: _carrying(calls, name) for name in (*question.needs, *question.sharper)}
    shares = {name: float(mask.mean()) if rows else 0.0 for name, mask in masks.items()}
    needed = np.logical_and.reduce([masks[name] for name in question.needs])
    share = float(needed.mean()) if rows else 0.0
    sharp = all(shares[name] >= OFTEN for name in question.sharper)
    word = "no" if share == 0 else "yes" if share >= MOSTLY and sharp else "partly"
    lacking = [(name, shares[name]) for name in question.needs if shares[name] < 1]
    lacking += [(name, shares[name]) for name in question.sharper if shares[name] < OFTEN]
    blocking = (
        t.rule.id for t in judgement.tallies if t.count and question.command in t.rule.blocks
    )
    return Answer(
        command=question.command,
        word=word,
        share=share,
        missing=tuple(sorted(lacking, key=lambda item: item[1])),
        rules=tuple(blocking),
    )


def _carrying(calls: CallsTable, name: str) -> Mask:
    """Calls that have a column, either of two, counted tokens, or a hashed prompt."""
    if name == "blocks":
        lists = pa.chunked_array(pa.array(calls["block_hashes"]))
        return _lengths(lists) > 0
    if name == "tokens":
        guessed = calls["tokens_estimated"].fillna(value=False).to_numpy(dtype=bool)
        return calls["input_tokens"].notna().to_numpy(dtype=bool) & ~guessed
    either = [calls[part].notna().to_numpy(dtype=bool) for part in name.split("|")]
    return np.logical_or.reduce(either)


def _lengths(lists: pa.ChunkedArray) -> np.ndarray:
    whole = lists.combine_chunks()
    return whole.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
