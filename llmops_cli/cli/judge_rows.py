"""Rows to be judged, from any table: their ids, the texts of the prompt, what they carry along."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from llmops_cli.live import Row, Template
    from llmops_cli.traffic.quarantine import Quarantine
    from llmops_cli.traffic.sources import Source

__all__ = ["Wanted", "judge_rows", "pair_in"]

_CARRIED = (
    "cluster", "task", "labeller", "gold", "weak_correct", "strong_correct",
    "weak_cost_usd", "strong_cost_usd", "weak_latency_s", "strong_latency_s",
    "length", "length_a", "length_b",
)  # fmt: skip
"""Columns that judge-eval uses beside the verdict; none of them is text of a prompt."""

_LENGTHS = {"answer": "length", "answer_a": "length_a", "answer_b": "length_b"}
_ANSWER_IDS = ("response_id", "gen_ai.response.id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows, and which of their columns.

    Attributes:
        template: the prompt.
        names: the table's own names of our columns, where the user gives them.
        most: rows to take from the top; None for all.
    """

    template: "Template"
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    most: int | None = None


def pair_in(sources: "Sequence[Source]") -> bool:
    """Whether the first table holds pairs of answers, and no single ones."""
    from llmops_cli.traffic.decision_rows import rows
    from llmops_cli.traffic.quarantine import Quarantine
    from llmops_cli.traffic.sources import STDIN

    if sources[0].name == STDIN:  # can be read once only
        return False
    uncounted = Quarantine(2**31)  # the reading proper counts what is wrong
    header = next(rows(sources[0], uncounted), (0, list[Any]()))[1]
    return {"answer_a", "answer_b"} <= set(header) and "answer" not in header


def judge_rows(
    sources: "Sequence[Source]", wanted: Wanted, quarantine: "Quarantine"
) -> "list[Row]":
    """The rows of all tables, in order.

    Raises:
        LlmopsError: as :meth:`Template.require`; ``collect-missing-column`` for a column that
            the user named, ``collect-no-rows``, and what the sources refuse.
    """
    found: list[Row] = []
    seen: set[str] = set()
    for source in sources:
        for row in _table_rows(source, wanted, quarantine, seen):
            found.append(row)
            if len(found) == wanted.most:
                return found
    if not found:
        raise LlmopsError("collect-no-rows", "there is no row in it to judge", file=sources[0].name)
    return found


def _table_rows(
    source: "Source", wanted: Wanted, quarantine: "Quarantine", seen: set[str]
) -> "Iterator[Row]":
    from llmops_cli.traffic.decision_rows import rows
    from llmops_cli.traffic.quarantine import BadRow, RowError

    table = rows(source, quarantine)
    header = [str(name).strip() for name in next(table, (0, list[Any]()))[1]]
    wanted.template.require(header, hidden=wanted.names.get("gold", "gold"))
    places = _places(header, wanted.names, source)
    for number, cells in table:
        values = dict(zip(header, cells, strict=False))
        try:
            row = _row(values, wanted, places, seen)
        except RowError as error:
            quarantine.add(BadRow(source.name, number, error.field, error.slug, error.message))
            continue
        seen.add(row.id)
        yield row


def _places(header: list[str], names: Mapping[str, str], source: "Source") -> dict[str, str]:
    """The table's name of each column of ours that it has."""
    from llmops_cli.cli.options import suggestion
    from llmops_cli.traffic.decision_columns import NAMES

    found: dict[str, str] = {}
    for ours in ("id", *_CARRIED):
        theirs = names.get(ours, "")
        if theirs and theirs not in header:
            raise LlmopsError(
                "collect-missing-column",
                f"'{theirs}' is not among its columns",
                hint=suggestion(theirs, header[:12]),
                exit_code=ExitCode.USAGE,
                file=source.name,
                field=ours,
            )
        known = [theirs] if theirs else [name for name in NAMES[ours] if name in header]
        if known:
            found[ours] = known[0]
    return found


def _row(
    values: Mapping[str, Any], wanted: Wanted, places: Mapping[str, str], seen: set[str]
) -> "Row":
    from llmops_cli.live import Row
    from llmops_cli.traffic.quarantine import RowError

    texts = {name: _text(values, name) for name in wanted.template.columns}
    carried = {ours: values.get(places[ours]) for ours in _CARRIED if ours in places}
    for name, length in _LENGTHS.items():
        if name in texts:
            carried.setdefault(length, len(texts[name]))
    # Without ids a row is known by its position: --resume then needs the same table.
    name = _text(values, places["id"]).strip() if "id" in places else str(len(seen) + 1)
    if name in seen:
        raise RowError("collect-duplicate-id", "the id came before", places.get("id", ""))
    known = (values.get(column) for column in _ANSWER_IDS)
    return Row(
        id=name,
        values=texts,
        carried=carried,
        conversation=str(carried.get("cluster") or ""),
        response_id=next((str(found) for found in known if found), ""),
    )


def _text(values: Mapping[str, Any], name: str) -> str:
    import msgspec

    from llmops_cli.traffic.quarantine import RowError

    value = values.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise RowError("collect-empty-field", "there is nothing in it to judge", name)
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else str(value)
