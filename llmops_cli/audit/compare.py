"""Before and after: an earlier report of the same command against this one."""

from collections.abc import Mapping

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Column, Measure, Report, Scalar, Table

__all__ = ["change", "comparison", "counts_of", "scores_of"]

COMMAND = "audit-traces"


def scores_of(report: Report) -> dict[str, float | None]:
    """Scores of a report by what they are of: the log, each service, each library.

    Raises:
        LlmopsError: ``audit-bad-baseline`` for a report of another command.
    """
    if report.command != COMMAND:
        raise LlmopsError(
            "audit-bad-baseline",
            f"the baseline is a report of '{report.command}', not of '{COMMAND}'",
            hint=f"write one with: llmops {COMMAND} LOG -f json=before.json",
            exit_code=ExitCode.USAGE,
        )
    whole = {item.name: item.value for item in report.measures}
    found: dict[str, float | None] = {"score": whole.get("score")}
    for row in _rows(report, "scores"):
        value = row["score"]
        found[f"score of {row['of']} {row['name']}"] = value if isinstance(value, float) else None
    return found


def counts_of(report: Report) -> dict[str, int]:
    """How often each rule is broken, by its id."""
    return {str(row["rule"]): int(str(row["broken"])) for row in _rows(report, "rules")}


def _rows(report: Report, name: str) -> list[Mapping[str, Scalar]]:
    table = next((item for item in report.tables if item.name == name), None)
    if table is None:
        return []
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def change(before: Report, now: Report) -> Measure:
    """How many points were won or lost."""
    old, new = scores_of(before)["score"], scores_of(now)["score"]
    value = None if old is None or new is None else new - old
    return Measure(name="score_change", value=value, unit="points", label="since the baseline")


def comparison(before: Report, now: Report) -> Table:
    """Scores, then every rule whose count changed, the largest change first."""
    rows: list[tuple[Scalar, ...]] = []
    old_scores, new_scores = scores_of(before), scores_of(now)
    for name in dict.fromkeys((*old_scores, *new_scores)):
        old, new = old_scores.get(name), new_scores.get(name)
        rows.append((name, old, new, None if old is None or new is None else new - old))
    old_counts, new_counts = counts_of(before), counts_of(now)
    pairs = [
        (rule, old_counts.get(rule, 0), new_counts.get(rule, 0))
        for rule in dict.fromkeys((*old_counts, *new_counts))
    ]
    changed = [(rule, old, new, new - old) for rule, old, new in pairs if old != new]
    rows += sorted(changed, key=lambda row: (-abs(row[3]), row[0]))
    same = sum(1 for _, old, new in pairs if old == new and new)
    note = f"{same} rules are broken as often as before" if same else ""
    return Table(
        name="baseline",
        title="Since the baseline",
        columns=(
            Column(name="what", label="score or rule"),
            Column(name="before", label="before", unit="count"),
            Column(name="now", label="now", unit="count"),
            Column(name="change", label="change", unit="count"),
        ),
        rows=tuple(rows),
        note=note,
    )
