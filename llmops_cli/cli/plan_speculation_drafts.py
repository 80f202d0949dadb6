"""``--draft "NAME model=... log=..."``: one way to draft, and what was logged of it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmops_cli.cli.options import Shared, suggestion
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Finding

if TYPE_CHECKING:
    from llmops_cli.speculation.analysis import Logged
    from llmops_cli.speculation.model import Load
    from llmops_cli.traffic.acceptance import AcceptanceTable

__all__ = ["ReadDrafts", "read_drafts"]

KEYS = (
    "model", "log", "kind", "drafted", "levels", "pass-ms", "temperature", "lengths", "method",
    "path",
)  # fmt: skip
_LOOKED_UP = ("ngram", "prompt-lookup", "pld")


@dataclass(frozen=True, slots=True)
class ReadDrafts:
    """Drafts as they were read.

    Attributes:
        logged: each with its acceptance.
        load: that the logs tell; None where they do not.
        files: every file.
        findings: of the reading.
    """

    logged: "tuple[Logged, ...]"
    load: "Load | None"
    files: tuple[str, ...]
    findings: tuple[Finding, ...]


def read_drafts(texts: Sequence[str], paths: Sequence[str], shared: Shared) -> ReadDrafts:
    """Read every draft and its log.

    Args:
        texts: as given to ``--draft``.
        paths: logs of drafts that name none.
        shared: limit of bad rows.

    Raises:
        LlmopsError: ``draft-bad-option``, ``draft-no-log``, ``draft-twice``,
            ``draft-one-stdin``, those of the tables of models and of reading acceptance.
    """
    from llmops_cli.cli.logs import bad_row_findings, say_bad_rows

    asked = [_asked(text) for text in texts]
    names = [name for name, _ in asked]
    if len(set(names)) < len(names):
        raise _bad("draft-twice", "two drafts have one name", "give each a name of its own")
    if sum("-" in _paths(options, paths) for _, options in asked) > 1:
        raise _bad("draft-one-stdin", "two drafts cannot both read standard input", _EXAMPLE)
    made: list[Logged] = []
    tables: list[AcceptanceTable] = []
    for name, options in asked:
        table = _table(name, options, paths, shared)
        say_bad_rows(table.bad_rows, shared)
        made.append(_logged(name, options, table))
        tables.append(table)
    bad = [row for table in tables for row in table.bad_rows]
    return ReadDrafts(
        logged=tuple(made),
        load=_load(tables),
        files=tuple(dict.fromkeys(file for table in tables for file in table.files)),
        findings=bad_row_findings(dict.fromkeys(bad)),
    )


def _asked(text: str) -> tuple[str, dict[str, str]]:
    try:
        name, *rest = shlex.split(text) or [""]
    except ValueError:
        raise _bad("draft-bad-option", f"a quotation in '{text}' has no end", _EXAMPLE) from None
    options: dict[str, str] = {}
    if not name or "=" in name:
        raise _bad("draft-bad-option", f"'{text}' does not begin with a name", _EXAMPLE)
    for part in rest:
        key, mark, value = part.partition("=")
        if not mark or not value or key not in KEYS:
            raise _bad(
                "draft-bad-option", f"draft '{name}' has no option '{part}'", suggestion(key, KEYS)
            )
        if key in options:
            raise _bad("draft-bad-option", f"draft '{name}' has two {key}=", _EXAMPLE)
        options[key] = value
    return name, options


_EXAMPLE = '--draft "small model=Llama-3.2-1B log=accepted.jsonl drafted=5"'


def _table(
    name: str, options: dict[str, str], paths: Sequence[str], shared: Shared
) -> "AcceptanceTable":
    from llmops_cli.traffic.acceptance import AcceptanceOptions, read_acceptance

    own = _paths(options, paths)
    if not own:
        raise _bad("draft-no-log", f"draft '{name}' has no log", _EXAMPLE)
    lengths = options.get("lengths", "bonus")
    if lengths not in {"bonus", "accepted"}:
        raise _bad("draft-bad-option", f"lengths={lengths} is neither bonus nor accepted", _EXAMPLE)
    drafted = _whole(name, options, "drafted")
    return read_acceptance(
        own,
        AcceptanceOptions(
            drafted=drafted, bonus=lengths == "bonus", max_bad_rows=shared.max_bad_rows
        ),
    )


def _paths(options: dict[str, str], paths: Sequence[str]) -> list[str]:
    """Logs of a draft: its own, or those that all share."""
    return [path for path in options["log"].split(",") if path] if "log" in options else [*paths]


def _logged(name: str, options: dict[str, str], table: "AcceptanceTable") -> "Logged":
    import numpy as np

    from llmops_cli.hardware.catalogue import model_named
    from llmops_cli.speculation.analysis import Logged
    from llmops_cli.speculation.model import Acceptance, Draft

    pass_ms = _number(name, options, "pass-ms")
    levels = tuple(_count(name, "levels", part) for part in options.get("levels", "").split(",")
                   if part)  # fmt: skip
    usual = "ngram" if name in _LOOKED_UP else "tree" if levels else "chain"
    model = options.get("model", "")
    draft = Draft(
        name=name,
        kind=options.get("kind", usual),
        shape=model_named(model) if model else None,
        levels=levels,
        pass_s=None if pass_ms is None else pass_ms / 1000,
        method=options.get("method", ""),
        model=options.get("path", "" if "=" in model else model),
    )
    told = _number(name, options, "temperature")
    temperature = table.temperature
    if told is not None:
        temperature = np.where(np.isfinite(temperature), temperature, told)
    seen = Acceptance(
        steps=table.steps,
        accepted=table.accepted,
        reached=table.reached,
        offered=table.offered,
        task=table.task,
        tasks=table.tasks,
        temperature=temperature,
        batch=table.batch,
        sampled=table.kind in {"requests", "scrapes"},
        source=", ".join(table.files[:3]),
    )
    return Logged(
        draft=draft,
        seen=seen,
        depth_assumed=table.depth_assumed,
        alike=table.kind in {"rates", "lengths"},
    )


def _load(tables: "Sequence[AcceptanceTable]") -> "Load | None":
    """From when requests ran, else from the batches that rows name; of the first log that says."""
    from llmops_cli.speculation.load import load_of_batches, load_of_spans

    for table in tables:
        source = table.files[0]
        found = load_of_spans(table.spans, f"when requests of {source} ran")
        if found is None:
            found = load_of_batches(table.batch, table.steps, f"batches that {source} names")
        if found is not None:
            return found
    return None


def _whole(name: str, options: dict[str, str], key: str) -> int | None:
    return _count(name, key, options[key]) if key in options else None


def _count(name: str, key: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:  # noqa: PLR2004 - no step drafts more
        raise _bad(
            "draft-bad-option", f"draft '{name}': {key} is a whole number from 1 up", _EXAMPLE
        )
    return int(text)


def _number(name: str, options: dict[str, str], key: str) -> float | None:
    if key not in options:
        return None
    try:
        value = float(options[key])
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise _bad("draft-bad-option", f"draft '{name}': {key} is a number from 0 up", _EXAMPLE)
    return value


def _bad(slug: str, message: str, hint: str) -> LlmopsError:
    return LlmopsError(slug, message, hint=hint, exit_code=ExitCode.USAGE)
