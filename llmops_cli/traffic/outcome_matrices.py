"""Chunks of answers become matrices of requests by models.

Answers of a long table are gathered by request; an answer that came before is quarantined.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.outcome_answers import Answers, is_yes
from llmops_cli.traffic.quarantine import BadRow, Quarantine

__all__ = ["OutcomeTable", "matrices"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OutcomeTable:
    """``n`` requests and ``m`` models.

    Attributes:
        models: ``(m,)`` names.
        quality: ``(n, m)`` in [0, 1]; NaN where that model was not observed.
        cost_usd: ``(n, m)``; NaN where unknown.
        latency_s: ``(n, m)``; None where nobody logged it.
        task: ``(n,)`` index into ``tasks``.
        tasks: names of the task classes; one, ``all``, where the files name none.
        cluster: ``(n,)`` index of what rows depend on; a row's own where the files name none.
        clustered: whether the files name clusters.
        chosen: ``(n,)`` index of the model that was used, -1 for none; None where no file says.
        propensity: ``(n,)``; None where no file says.
        text: ``(n,)`` prompts, where they were asked for and are there.
        tokens: ``(n, m, 5)`` tokens by class, where they were asked for and are there.
        scores: ``(n, k)``, or ``(n, k, m)`` from a long table.
        bad_rows: rows that could not be read.
        files: every file, in order.
    """

    models: tuple[str, ...]
    quality: Floats
    cost_usd: Floats
    latency_s: Floats | None
    task: Codes
    tasks: tuple[str, ...]
    cluster: Codes
    clustered: bool
    chosen: Codes | None
    propensity: Floats | None
    text: tuple[str, ...] | None
    tokens: Floats | None
    scores: Floats
    bad_rows: tuple[BadRow, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """Where each row's answers go.

    Attributes:
        pieces: the chunks.
        models: all of them.
        request: ``(R,)`` request of each row of all chunks.
        first: ``(n,)`` first row of each request.
        keep: ``(R,)`` rows that are no repeats.
    """

    pieces: Sequence[Answers]
    models: tuple[str, ...]
    request: Codes
    first: Codes
    keep: npt.NDArray[np.bool_]

    def matrix(self, of: Callable[[Answers], Floats | None]) -> Floats | None:
        """``(n, m)`` or ``(n, m, x)`` of one kind of value; None where no chunk has it."""
        found = [of(piece) for piece in self.pieces]
        known = [values for values in found if values is not None]
        if not known:
            return None
        shape = (len(self.first), len(self.models), *known[0].shape[2:])
        whole, start = np.full(shape, np.nan), 0
        for piece, values in zip(self.pieces, found, strict=True):
            rows = np.arange(start, start + len(piece.line))
            start += len(piece.line)
            if values is None:
                continue
            places = np.array([self.models.index(name) for name in piece.names], np.int64)
            keep = self.keep[rows]
            target = self.request[rows][keep]
            if piece.model is None:
                whole[target[:, None], places[None, :]] = values[keep]
            else:
                whole[target, places[piece.model[keep]]] = values[keep][:, 0]
        return whole

    def whole(self, of: Callable[[Answers], npt.NDArray[np.float64] | None]) -> Floats | None:
        """One value per row of all chunks; NaN in chunks that have none."""
        found = [of(piece) for piece in self.pieces]
        if all(values is None for values in found):
            return None
        return np.concatenate(
            [
                np.full(len(piece.line), np.nan) if values is None else values
                for piece, values in zip(self.pieces, found, strict=True)
            ]
        )


def matrices(
    pieces: Sequence[Answers], files: Sequence[str], quarantine: Quarantine
) -> OutcomeTable:
    """All chunks as one table.

    Args:
        pieces: at least one.
        files: names by number.
        quarantine: where repeated answers go.

    Raises:
        LlmopsError: ``outcomes-mixed-tables``, ``outcomes-one-model``,
            ``traffic-too-many-bad-rows``.
    """
    if len({piece.model is None for piece in pieces}) > 1:
        raise LlmopsError(
            "outcomes-mixed-tables",
            "some files have a row per request, others a row per answer",
            hint="give files of one kind",
            file=files[0],
        )
    shape = _shape(pieces)
    for row in np.flatnonzero(~shape.keep).tolist():
        quarantine.add(_repeated(pieces, row, files))
    quality, cost = shape.matrix(lambda p: p.quality), shape.matrix(lambda p: p.cost_usd)
    assert quality is not None and cost is not None  # noqa: PT018, S101 - every chunk has them
    tasks, task = _tasks(pieces)
    cluster, clustered = _clusters(shape)
    chosen = _chosen(shape)
    return OutcomeTable(
        models=shape.models,
        quality=quality,
        cost_usd=cost,
        latency_s=shape.matrix(lambda piece: piece.latency_s),
        task=task[shape.first],
        tasks=tasks,
        cluster=cluster,
        clustered=clustered,
        chosen=chosen,
        propensity=_propensity(shape),
        text=_texts(shape),
        tokens=shape.matrix(lambda piece: piece.tokens),
        scores=_scores(shape),
        bad_rows=tuple(quarantine.rows),
        files=tuple(files),
    )


def _shape(pieces: Sequence[Answers]) -> _Shape:
    models = tuple(dict.fromkeys(name for piece in pieces for name in piece.names if name))
    key = np.concatenate([piece.key for piece in pieces])
    # A row without an id is a request of its own; the codes of ids come after those.
    alone = key == 0
    _, codes = np.unique(key, return_inverse=True)
    codes = np.where(alone, np.arange(len(key)), len(key) + codes.astype(np.int64))
    first, request = _by_appearance(codes)
    return _Shape(pieces, models, request, first, _new(pieces, models, request))


def _new(
    pieces: Sequence[Answers], models: tuple[str, ...], request: Codes
) -> npt.NDArray[np.bool_]:
    """Rows whose answers did not come before."""
    if pieces[0].model is None:
        answer = request
    else:
        places = [np.array([models.index(n) if n else 0 for n in piece.names]) for piece in pieces]
        model = np.concatenate(
            [place[piece.model] for place, piece in zip(places, pieces, strict=True)]
        )
        answer = request * len(models) + model
    keep = np.zeros(len(request), np.bool_)
    keep[np.unique(answer, return_index=True)[1]] = True
    return keep


def _repeated(pieces: Sequence[Answers], row: int, files: Sequence[str]) -> BadRow:
    for piece in pieces:
        if row < len(piece.line):
            what = "the id" if piece.model is None else "the model's answer to this request"
            return BadRow(
                files[piece.file],
                int(piece.line[row]),
                "id",
                "outcomes-duplicate",
                f"{what} came before",
            )
        row -= len(piece.line)
    raise IndexError(row)


def _tasks(pieces: Sequence[Answers]) -> tuple[tuple[str, ...], Codes]:
    names = tuple(dict.fromkeys(name for piece in pieces for name in piece.tasks))
    place = {name: at for at, name in enumerate(names)}
    codes = [np.array([place[n] for n in piece.tasks])[piece.task] for piece in pieces]
    found = np.concatenate(codes)
    # Names whose every row was quarantined are no classes.
    seen = np.unique(found)
    return tuple(names[at] for at in seen.tolist()), np.searchsorted(seen, found)


def _clusters(shape: _Shape) -> tuple[Codes, bool]:
    known = [p.cluster if p.cluster is not None else np.zeros_like(p.key) for p in shape.pieces]
    key = np.concatenate(known)[shape.first]
    own = key == 0
    _, codes = np.unique(key, return_inverse=True)
    whole = np.where(own, np.arange(len(key)), len(key) + codes.astype(np.int64))
    return _by_appearance(whole)[1], not bool(own.all())


def _by_appearance(values: Codes) -> tuple[Codes, Codes]:
    """First row of each distinct value in order of appearance, and which one each row has."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse]


def _chosen(shape: _Shape) -> Codes | None:
    found = np.full(len(shape.first), -1, np.int64)
    if shape.pieces[0].model is None:
        return _chosen_by_name(shape, found)
    yes, model = _chosen_rows(shape)
    found[shape.request[yes]] = model[yes]
    return found if yes.any() else None


def _chosen_by_name(shape: _Shape, found: Codes) -> Codes | None:
    if all(piece.chosen is None for piece in shape.pieces):
        return None
    place = {name: at for at, name in enumerate(shape.models)}
    names = [word for p in shape.pieces for word in (p.chosen or [""] * len(p.line))]
    codes = np.array([place.get(word, -1) for word in names], np.int64)
    found[shape.request[shape.keep]] = codes[shape.keep]
    return found


def _chosen_rows(shape: _Shape) -> tuple[npt.NDArray[np.bool_], Codes]:
    """Answers that were the chosen ones: marked, with a propensity, or alone at their request."""
    pieces = shape.pieces
    place = {name: at for at, name in enumerate(shape.models)}
    model = np.concatenate(
        [np.array([place.get(n, 0) for n in piece.names])[piece.model] for piece in pieces]
    )
    if any(piece.chosen is not None for piece in pieces):
        words = [word for p in pieces for word in (p.chosen or [""] * len(p.line))]
        return np.array([is_yes(word) for word in words], np.bool_) & shape.keep, model
    known = shape.whole(lambda piece: piece.propensity)
    if known is not None:
        return ~np.isnan(known) & shape.keep, model
    alone = np.bincount(shape.request[shape.keep], minlength=len(shape.first)) == 1
    every = bool(alone.all())
    return shape.keep & every, model


def _propensity(shape: _Shape) -> Floats | None:
    known = shape.whole(lambda piece: piece.propensity)
    if known is None:
        return None
    found = np.full(len(shape.first), np.nan)
    rows = shape.keep & ~np.isnan(known)
    found[shape.request[rows]] = known[rows]
    return found


def _texts(shape: _Shape) -> tuple[str, ...] | None:
    if all(piece.text is None for piece in shape.pieces):
        return None
    words = [word for p in shape.pieces for word in (p.text or [""] * len(p.line))]
    return tuple(words[row] for row in shape.first.tolist())


def _scores(shape: _Shape) -> Floats:
    if shape.pieces[0].model is None:
        whole = np.concatenate([piece.scores for piece in shape.pieces])
        return whole[shape.first]
    count = shape.pieces[0].scores.shape[1]
    if not count:
        return np.empty((len(shape.first), 0))
    by_model = shape.matrix(lambda piece: piece.scores[:, None, :])
    return np.empty((0, count)) if by_model is None else by_model.transpose(0, 2, 1)
