"""Which column of an outcome table holds what, and whether a row is a request or one answer.

Wide tables have a row per request and, for every model, a column of its quality and columns
``model|cost``, ``model|latency``; long tables have a row per request and model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic.decision_labels import LABELS, spelled

__all__ = ["NAMES", "PER_MODEL", "TOKENS", "Layout", "is_outcome_table", "layout", "missing_column"]

TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
)
"""The disjoint token classes, in the order of the price book."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("request_id", "id", "sample_id", "query_id", "global_index"),
    "task": ("task", "task_class", "task_name", "eval_name"),
    "cluster": ("cluster", "cluster_id", "conversation_id", "template"),
    "propensity": ("propensity",),
    "chosen": ("chosen", "chosen_model"),
    "text": ("prompt", "text", "query", "question"),
}
"""What a column of a request may be called; the first is the documented name."""

PER_MODEL: Mapping[str, tuple[str, ...]] = {
    "quality": ("quality", "correct", "score", "evaluation_score"),
    "cost_usd": ("cost_usd", "cost", "total_cost"),
    "latency_s": ("latency_s", "latency", "duration_s"),
    **{name: (name,) for name in TOKENS},
}
"""What is known of one answer; in wide tables after the model's name and a bar."""

_MODEL = ("model", "model_name", "request_model")
_BOOLEAN = frozenset((*LABELS, ""))


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is in one file.

    Attributes:
        request: the file's column of each name in :data:`NAMES` that it has.
        model: the column that names the model, in a long table; empty in a wide one.
        answer: by model (empty for a long table), the file's column of each name in
            :data:`PER_MODEL` that it has.
    """

    request: dict[str, str]
    model: str
    answer: dict[str, dict[str, str]]

    @property
    def models(self) -> tuple[str, ...]:
        """The models of a wide table, in its own order."""
        return tuple(name for name in self.answer if name)


def is_outcome_table(columns: Mapping[str, Sequence[Any]], names: Mapping[str, str]) -> bool:
    """Whether columns are those of an outcome table, and not of a log."""
    try:
        layout(columns, names, (), "")
    except LlmopsError:
        return False
    return True


def layout(
    columns: Mapping[str, Sequence[Any]],
    names: Mapping[str, str],
    models: Sequence[str],
    file: str,
) -> Layout:
    """Find what the columns are.

    Args:
        columns: some rows of the file by column; values tell models' columns from others.
        names: the file's own names of our columns, where the user gives them.
        models: the models, where the user names them.
        file: for the errors.

    Raises:
        LlmopsError: ``outcomes-missing-column``, ``outcomes-ambiguous-column``,
            ``outcomes-no-models``.
    """
    header = list(columns)
    request = {
        ours: found
        for ours, known in NAMES.items()
        if (found := _place(ours, names.get(ours, ""), known, header, file))
    }
    model = _place("model", names.get("model", ""), _MODEL, header, file)
    if model:
        return Layout(request, model, {"": _long(header, names, file)})
    taken = {*request.values(), *names.values()}
    found = {name: _wide(name, header) for name in _models(columns, models, taken, file)}
    return Layout(request, "", found)


def _long(header: Sequence[str], names: Mapping[str, str], file: str) -> dict[str, str]:
    found = {
        ours: place
        for ours, known in PER_MODEL.items()
        if (place := _place(ours, names.get(ours, ""), known, header, file))
    }
    if "quality" not in found:
        raise _missing("quality", header, file, hint="name it: --map quality=COLUMN")
    return found


def _models(
    columns: Mapping[str, Sequence[Any]], named: Sequence[str], taken: set[str], file: str
) -> list[str]:
    """The models of a wide table: named, or with columns of their own, or right or wrong."""
    for name in named:
        if name not in columns and f"{name}|quality" not in columns:
            raise _missing(name, list(columns), file, hint=_near(name, columns))
    if named:
        return list(named)
    parts = dict.fromkeys(
        name.rpartition("|")[0] for name in columns if name.rpartition("|")[2] in _SUFFIXES
    )
    found = [name for name in parts if name in columns or f"{name}|quality" in columns]
    if not found:
        found = [
            name for name in columns if name not in taken and _is_right_or_wrong(name, columns)
        ]
    if len(found) < 2:  # noqa: PLR2004 - one model leaves no choice
        raise LlmopsError(
            "outcomes-no-models",
            "no columns of two models or more are found in it",
            hint=_hint(list(columns)),
            file=file,
            line=1,
        )
    return found


def _hint(header: list[str]) -> str:
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        return "its fields are not separated by commas; write it as CSV"
    return (
        "a column per model with its quality, and model|cost beside it; or name them: "
        "--models small,large; a long table has the columns model and quality"
    )


_SUFFIXES = {suffix for known in PER_MODEL.values() for suffix in known}


def _is_right_or_wrong(name: str, columns: Mapping[str, Sequence[Any]]) -> bool:
    said = {spelled(value) for value in columns[name]}
    return said <= _BOOLEAN and bool(said & {"0", "1", "true", "false", "0.0", "1.0"})


def _wide(model: str, header: Sequence[str]) -> dict[str, str]:
    found = {
        ours: place
        for ours, known in PER_MODEL.items()
        if (place := next((p for s in known if (p := f"{model}|{s}") in header), ""))
    }
    # The bare name is the quality, as RouterBench and RouteLLM write it.
    return found if "quality" in found else {"quality": model, **found}


def _place(ours: str, theirs: str, known: Sequence[str], header: Sequence[str], file: str) -> str:
    if theirs:
        if theirs not in header:
            raise _missing(theirs, header, file, hint=_near(theirs, header))
        return theirs
    found = [name for name in known if name in header]
    if len(found) > 1 and ours not in {"id", "text"}:
        raise LlmopsError(
            "outcomes-ambiguous-column",
            f"'{ours}' could be {' or '.join(found)}",
            hint=f"say which: --map {ours}={found[0]}",
            exit_code=ExitCode.USAGE,
            file=file,
            line=1,
            field=ours,
        )
    return found[0] if found else ""


def _missing(name: str, header: Sequence[str], file: str, *, hint: str) -> LlmopsError:
    shown = ", ".join(list(header)[:12])
    return LlmopsError(
        "outcomes-missing-column",
        f"'{name}' is not among its columns",
        hint=hint or f"it has {shown}",
        file=file,
        line=1,
        field=name,
    )


def missing_column(name: str, header: Sequence[str], file: str) -> LlmopsError:
    """``outcomes-missing-column``, for a column that the user named."""
    return _missing(name, header, file, hint=_near(name, header))


def _near(name: str, header: Mapping[str, Any] | Sequence[str]) -> str:
    near = get_close_matches(name, list(header), n=1)
    return f"did you mean '{near[0]}'?" if near else ""
