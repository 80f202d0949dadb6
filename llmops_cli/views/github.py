"""A Report as GitHub Actions workflow commands: annotations on the run and on the input's lines."""

from llmops_cli.report import Check, Report, Verdict
from llmops_cli.views import Look
from llmops_cli.views.prose import Group, clean, grouped, held, times, verdict_word

__all__ = ["render"]

# An undecided gate ends the step (exit 4) but is no proof of a fault, hence a warning.
_CHECK_LEVELS = {
    Verdict.FAIL: "error",
    Verdict.INCONCLUSIVE: "warning",
    Verdict.PASS: "notice",
}
_FINDING_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report, look: Look) -> str:
    """One line per annotation: the answer, each check, each group of findings."""
    del look  # GitHub does the looks
    lines = [_answer(report)]
    lines += [_check(report, check) for check in report.checks]
    lines += [_finding(report, group) for group in grouped(report.findings)]
    return "\n".join(lines) + "\n"


def _answer(report: Report) -> str:
    # The folded verdict is in the title; the checks below carry the level.
    word = f": {verdict_word(report.verdict)}" if report.checks else ""
    return _line("notice", {"title": f"llmops {report.command}{word}"}, report.headline)


def _check(report: Report, check: Check) -> str:
    title = f"llmops {report.command}: {check.name} {verdict_word(check.verdict)}"
    decide = f" To decide: {check.needed}." if check.needed else ""
    return _line(
        _CHECK_LEVELS[check.verdict], {"title": title}, f"{held(check)}: {check.reason}.{decide}"
    )


def _finding(report: Report, group: Group) -> str:
    first = group.first
    properties = {
        "file": first.file,
        "line": "" if first.line is None or not first.file else str(first.line),
        "title": f"llmops {report.command}: {first.slug}",
    }
    parts = [f"{first.field}: {group.message}" if first.field else group.message]
    parts += [f"({times(group.count)})"] if group.count > 1 else []
    parts += [f"Hint: {first.hint}"] if first.hint else []
    return _line(_FINDING_LEVELS[first.severity], properties, " ".join(parts))


def _line(level: str, properties: dict[str, str], message: str) -> str:
    """``::level key=value,…::message`` with what the runner would read as syntax escaped."""
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{level} {given}::{_data(message)}"


def _data(text: str) -> str:
    # Escaped before cleaning: a line break of the message survives as %0A.
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return clean(escaped)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
