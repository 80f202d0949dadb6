"""The words every view shares: verdicts, checks as sentences, findings grouped, text made safe."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from llmops_cli.report import Check, Finding, Measure, Report, Scalar, Verdict
from llmops_cli.views.numbers import amount, apart, estimate, level, short

__all__ = [
    "Group",
    "clean",
    "demand",
    "found",
    "grouped",
    "held",
    "interval_title",
    "is_numeric",
    "numbers_line",
    "place",
    "provenance",
    "sentence",
    "times",
    "verdict_sentence",
    "verdict_word",
]

# Control characters could drive a terminal, and XML forbids them; line and direction controls
# could make a line read as something else; lone surrogates cannot be encoded.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_BREAKS = re.compile("[\r\n\t\x85\u2028\u2029]+")

_OPERATORS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_SEVERITIES = ("error", "warning", "note")


def clean(text: str) -> str:
    """One line that can neither break a format nor drive a terminal."""
    return _BREAKS.sub(" ", _UNSAFE.sub("", text))


def verdict_word(verdict: Verdict) -> str:
    """PASS, FAIL or INCONCLUSIVE: the state as a word, so colour is never the only sign."""
    return verdict.value.upper()


def verdict_sentence(report: Report) -> str:
    """How many of the checks ended how, the reason for the verdict first."""
    total = len(report.checks)
    if not total:
        return "no gate was asked for"
    counted = {
        verdict: sum(check.verdict is verdict for check in report.checks) for verdict in Verdict
    }
    if counted[Verdict.PASS] == total:
        return "the check passed" if total == 1 else f"all {total} checks passed"
    words = {
        Verdict.FAIL: "failed",
        Verdict.INCONCLUSIVE: "undecided",
        Verdict.PASS: "passed",
    }
    if total == 1:
        return f"the check is {words[report.verdict]}".replace("is failed", "failed")
    parts = [f"{counted[verdict]} {word}" for verdict, word in words.items() if counted[verdict]]
    return f"{total} checks: {', '.join(parts)}"


def sentence(text: str) -> str:
    """A clause as a sentence of its own."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def demand(check: Check) -> str:
    """What the gate asks for: ``at least 80.0 %``."""
    extra = apart(check.bound, check.measure)
    return f"{_OPERATORS[check.op]} {amount(check.bound, check.measure.unit, extra=extra)}"


def found(check: Check) -> str:
    """The measure as precisely as its bound must be told from it."""
    return estimate(check.measure, extra=apart(check.bound, check.measure))


def held(check: Check) -> str:
    """What was found against what was asked, as one clause."""
    return f"{check.measure.title} {found(check)}, must be {demand(check)}"


def interval_title(measures: Iterable[Measure]) -> str:
    """The heading over intervals: ``95 % interval`` where all agree, else ``interval``."""
    levels = {level(item) for item in measures if item.low is not None or item.high is not None}
    return f"{levels.pop()} interval".strip() if len(levels) == 1 else "interval"


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one slug and severity: the first one speaks, the others are counted."""

    first: Finding
    count: int
    kinds: int

    @property
    def message(self) -> str:
        """The first finding's sentence, saying when other sentences stand behind it."""
        more = self.kinds - 1
        text = clean(self.first.message)
        return text if not more else f"{text} (and {more} other{'s' * (more > 1)} of this kind)"


def grouped(findings: Iterable[Finding]) -> tuple[Group, ...]:
    """Findings by severity, then by slug in the order they came."""
    groups: dict[tuple[int, str], list[Finding]] = {}
    for item in findings:
        groups.setdefault((_SEVERITIES.index(item.severity), item.slug), []).append(item)
    return tuple(
        Group(
            first=members[0],
            count=sum(item.count for item in members),
            kinds=len({item.message for item in members}),
        )
        for _, members in sorted(groups.items(), key=lambda pair: pair[0][0])
    )


def times(count: int) -> str:
    """``12 times``, and nothing for once."""
    return f"{count:,} times" if count > 1 else ""


def place(finding: Finding) -> str:
    """``file:line: field`` with the parts that are known."""
    at = finding.file if finding.line is None else f"{finding.file}:{finding.line}"
    return clean(": ".join(part for part in (at, finding.field) if part))


def numbers_line(numbers: Iterable[tuple[str, float | int | str | None]]) -> str:
    """The reader's own numbers of a formula: ``n01 = 382, n10 = 94``."""
    return ", ".join(
        f"{clean(name)} = {clean(value) if isinstance(value, str) else short(value)}"
        for name, value in numbers
    )


def provenance(report: Report) -> str:
    """What was read and by which version, on one line."""
    made = f"llmops {report.version}".strip()
    return clean(" · ".join([*report.inputs[:3], *(["…"] if len(report.inputs) > 3 else []), made]))  # noqa: PLR2004 - three names fit a line


def is_numeric(values: Iterable[Scalar]) -> bool:
    """Whether a table column holds numbers and nothing else, so that it aligns right."""
    known = [value for value in values if value is not None]
    return bool(known) and not any(isinstance(value, str | bool) for value in known)
