"""One chunk of an outcome table as arrays: what is known of each row, and of each answer in it.

A row of a wide table holds the answers of all its models, a row of a long one a single answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.traffic.decision_labels import LABELS, spelled
from llmops_cli.traffic.outcome_columns import TOKENS, Layout
from llmops_cli.traffic.outcome_rows import Chunk
from llmops_cli.traffic.outcome_values import amounts, keys, qualities, scores, shares, texts
from llmops_cli.traffic.quarantine import BadRow, Quarantine, RowError

__all__ = ["Answers", "OutcomeColumns", "answers_of"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeColumns:
    """What the user says of the columns.

    Attributes:
        names: the files' own names of our columns, where they differ.
        models: the models of a wide table; told from the columns where absent.
        scores: columns with scores that a router or judge logged.
        quality_range: worst and best quality.
        keep_text: whether prompts are kept, for routers that learn from them.
        keep_tokens: whether token counts are kept, to price them again.
        task_of_file: whether a file without task classes is a class of its own.
    """

    names: Mapping[str, str] = field(default_factory=dict[str, str])
    models: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    quality_range: tuple[float, float] = (0.0, 1.0)
    keep_text: bool = False
    keep_tokens: bool = False
    task_of_file: bool = False


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Answers:
    """``r`` rows with ``c`` answers each; ``c`` is 1 in a long table.

    Attributes:
        file: number of the file.
        line: ``(r,)`` where the row stands in it.
        key: ``(r,)`` of the request's id; 0 for none.
        names: the models that ``model`` or the columns mean.
        model: ``(r,)`` index into ``names`` in a long table; None in a wide one, whose columns
            are ``names``.
        tasks: names that ``task`` means.
        task: ``(r,)``.
        cluster: ``(r,)`` key; 0 for none. None where the file names no clusters.
        chosen: ``(r,)`` name of the model that was used (wide), or yes and no (long).
        propensity: ``(r,)``.
        text: ``r`` prompts.
        scores: ``(r, k)``.
        quality: ``(r, c)``.
        cost_usd: ``(r, c)``.
        latency_s: ``(r, c)``.
        tokens: ``(r, c, 5)``.
    """

    file: int
    line: Codes
    key: Keys
    names: tuple[str, ...]
    model: Codes | None
    tasks: tuple[str, ...]
    task: Codes
    cluster: Keys | None
    chosen: list[str] | None
    propensity: Floats | None
    text: list[str] | None
    scores: Floats
    quality: Floats
    cost_usd: Floats
    latency_s: Floats | None
    tokens: Floats | None


@dataclass(slots=True, eq=False)
class _Reading:
    """One chunk while it is read: its rows, and those that are wrong."""

    chunk: Chunk
    places: Layout
    asked: OutcomeColumns
    no_task: str
    wrong: dict[int, RowError] = field(default_factory=dict[int, RowError])

    def values(self, place: str) -> Sequence[Any]:
        """A column; JSON lines without a field have none of it."""
        return self.chunk.columns.get(place) or [None] * len(self.chunk.lines)

    def of_request(self, name: str) -> Sequence[Any] | None:
        place = self.places.request.get(name)
        return None if place is None else self.values(place)


def answers_of(
    chunk: Chunk,
    places: Layout,
    asked: OutcomeColumns,
    file: int,
    bad: tuple[str, Quarantine],
) -> Answers:
    """Read one chunk; rows with a value that cannot be read go to the quarantine.

    Args:
        chunk: the rows.
        places: where its columns are.
        asked: what the user says of them.
        file: its number.
        bad: the file's name, and the quarantine.

    Raises:
        LlmopsError: ``traffic-too-many-bad-rows``.
    """
    name, quarantine = bad
    reading = _Reading(chunk, places, asked, Path(name).stem if asked.task_of_file else "all")
    read = _read(reading, file)
    for row, error in sorted(reading.wrong.items()):
        quarantine.add(BadRow(name, chunk.lines[row], error.field, error.slug, error.message))
    return _without(read, list(reading.wrong)) if reading.wrong else read


def _read(reading: _Reading, file: int) -> Answers:
    cluster, text = reading.of_request("cluster"), reading.of_request("text")
    chosen, propensity = reading.of_request("chosen"), reading.of_request("propensity")
    tasks, task = _coded(reading.of_request("task"), len(reading.chunk.lines), reading.no_task)
    names, model = _models(reading)
    identity = reading.of_request("id")
    rows = len(reading.chunk.lines)
    return Answers(
        file=file,
        line=np.array(reading.chunk.lines, dtype=np.int64),
        key=np.zeros(rows, np.uint64) if identity is None else keys(identity),
        names=names,
        model=model,
        tasks=tasks,
        task=task,
        cluster=None if cluster is None else keys(cluster),
        chosen=None if chosen is None else texts(chosen),
        propensity=_propensity(reading, propensity),
        text=texts(text) if text is not None and reading.asked.keep_text else None,
        scores=_scores(reading),
        quality=_qualities(reading),
        cost_usd=_amounts(reading, "cost_usd", "cost"),
        latency_s=_optional(reading, "latency_s", "latency"),
        tokens=_tokens(reading) if reading.asked.keep_tokens else None,
    )


def _propensity(reading: _Reading, values: Sequence[Any] | None) -> Floats | None:
    if values is None:
        return None
    return shares(values, reading.places.request["propensity"], reading.wrong)


def _coded(values: Sequence[Any] | None, rows: int, none: str) -> tuple[tuple[str, ...], Codes]:
    """Distinct words in order of appearance, and which one each row says."""
    if values is None:
        return (none,), np.zeros(rows, np.int64)
    known: dict[str, int] = {}
    found = [known.setdefault(word or none, len(known)) for word in texts(values)]
    return tuple(known), np.array(found, dtype=np.int64)


def _models(reading: _Reading) -> tuple[tuple[str, ...], Codes | None]:
    if not reading.places.model:
        return reading.places.models, None
    names, codes = _coded(reading.values(reading.places.model), len(reading.chunk.lines), "")
    if "" in names:
        place = reading.places.model
        for row in np.flatnonzero(codes == names.index("")).tolist():
            reading.wrong[row] = RowError("outcomes-no-model", "names no model", place)
    return names, codes


def _scores(reading: _Reading) -> Floats:
    found = [scores(reading.values(name), name, reading.wrong) for name in reading.asked.scores]
    return np.column_stack(found) if found else np.empty((len(reading.chunk.lines), 0))


def _qualities(reading: _Reading) -> Floats:
    span, wrong = reading.asked.quality_range, reading.wrong
    return np.column_stack(
        [
            qualities(reading.values(places["quality"]), places["quality"], wrong, span)
            for places in reading.places.answer.values()
        ]
    )


def _amounts(reading: _Reading, name: str, kind: str) -> Floats:
    none = np.full(len(reading.chunk.lines), np.nan)
    return np.column_stack(
        [
            amounts(reading.values(places[name]), places[name], reading.wrong, kind=kind)
            if name in places
            else none
            for places in reading.places.answer.values()
        ]
    )


def _optional(reading: _Reading, name: str, kind: str) -> Floats | None:
    if not any(name in places for places in reading.places.answer.values()):
        return None
    return _amounts(reading, name, kind)


def _tokens(reading: _Reading) -> Floats | None:
    by_class = [_optional(reading, name, "tokens") for name in TOKENS]
    shape = (len(reading.chunk.lines), len(reading.places.answer))
    if by_class[0] is None or by_class[-1] is None:
        return None
    # A class that is not logged was not billed; input and output must be.
    return np.stack([np.zeros(shape) if one is None else one for one in by_class], axis=2)


def _without(read: Answers, rows: list[int]) -> Answers:
    keep = np.ones(len(read.line), dtype=np.bool_)
    keep[rows] = False
    return _kept(read, keep)


def _kept(read: Answers, keep: npt.NDArray[np.bool_]) -> Answers:
    def some(values: Any) -> Any:  # noqa: ANN401 - an array, a list or none
        if isinstance(values, list):
            return [value for value, kept in zip(values, keep.tolist(), strict=True) if kept]
        return None if values is None else values[keep]

    return Answers(
        file=read.file,
        names=read.names,
        tasks=read.tasks,
        **{name: some(getattr(read, name)) for name in _BY_ROW},
    )


_BY_ROW = (
    "line", "key", "model", "task", "cluster", "chosen", "propensity", "text", "scores",
    "quality", "cost_usd", "latency_s", "tokens",
)  # fmt: skip


def is_yes(word: str) -> bool:
    """Whether a word says that this answer was the chosen one."""
    return LABELS.get(spelled(word)) == 1
