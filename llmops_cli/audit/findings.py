"""One finding per broken rule, the costliest first, at the place of its first occurrence."""

from collections.abc import Mapping, Sequence
from typing import Literal

from llmops_cli.audit.kernel import Tally
from llmops_cli.audit.model import loss
from llmops_cli.report import Finding

__all__ = ["findings", "share_of", "worst_first"]

_SEVERITIES: dict[str, Literal["error", "warning", "note"]] = {
    "violation": "error",
    "improvement": "warning",
    "information": "note",
}
_SHOWN = 3

_JOINS: dict[str, tuple[str, str]] = {
    "repeated-message": ("lines repeat a message that is counted once", ""),
    "retries-grouped": ("failed attempts are counted as part of the call that succeeded", ""),
    "cached-tokens-outside": (
        "calls count cached tokens beside their input; they are read that way",
        "",
    ),
    "content-without-call": ("prompts belong to no call of the log", "export both to one log"),
    "request-without-result": ("batch requests have no result in the log", "name both files"),
}


def worst_first(tallies: Sequence[Tally]) -> list[Tally]:
    """The broken rules: by severity, then by what they cost, then as they stand in the file.

    One leaked secret costs few points but cannot wait: it comes before its equals.
    """
    order = tuple(_SEVERITIES)

    def place(tally: Tally) -> tuple[int, bool, float]:
        severity = order.index(tally.rule.severity)
        return severity, tally.rule.check != "sensitive", -loss(tally, tallies)

    return sorted((item for item in tallies if item.count), key=place)


def findings(tallies: Sequence[Tally], joins: Mapping[str, int]) -> tuple[Finding, ...]:
    """What is wrong, then what the reading made of it."""
    told = [_finding(item) for item in worst_first(tallies)]
    said = {item.slug for item in told}
    return (*told, *(note for note in _notes(joins) if note.slug not in said))


def _finding(tally: Tally) -> Finding:
    rule = tally.rule
    return Finding(
        slug=rule.id,
        severity=_SEVERITIES[rule.severity],
        message=f"{rule.says}{_named(tally)}: {share_of(tally)}",
        hint=rule.fix,
        file=tally.file,
        line=tally.line,
        field=rule.attribute,
        count=tally.count,
    )


def share_of(tally: Tally) -> str:
    """``30 % of 40 spans``, rounded up so that something never reads as nothing."""
    noun = {"calls": "calls", "spans": "spans", "both": "calls"}[tally.rule.of]
    if tally.count == tally.total:
        return f"all {tally.total:,} {noun}" if tally.total > 1 else f"the only {noun[:-1]}"
    percent = 100 * tally.count / tally.total
    shown = "under 1" if percent < 1 else f"{min(round(percent), 99)}"
    return f"{shown} % of {tally.total:,} {noun}"


def _named(tally: Tally) -> str:
    names = [name for name, _ in tally.details[:_SHOWN]]
    more = len(tally.details) - len(names)
    names += [f"{more} more"] if more > 0 else []
    return f" ({', '.join(names)})" if names else ""


def _notes(joins: Mapping[str, int]) -> list[Finding]:
    return [
        Finding(slug=slug, severity="note", message=message, hint=hint, count=joins[slug])
        for slug, (message, hint) in _JOINS.items()
        if joins.get(slug)
    ]
