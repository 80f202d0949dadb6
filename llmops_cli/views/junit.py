"""A Report as JUnit XML: each check a test case, for the test views of CI servers.

A failed check is a ``failure`` of type ``fail``. An undecided one is a ``failure`` of type
``inconclusive``: the process ends with 4, and a reader that only knows red and green must not
show green. It is no ``error``, because nothing went wrong. A report without checks holds one
skipped case, since several readers refuse a file without any.
"""

import re
from xml.etree import ElementTree as ET

from llmops_cli.report import Check, Report, Verdict
from llmops_cli.views import Look
from llmops_cli.views.numbers import cell, estimate
from llmops_cli.views.prose import grouped, held, place, times, verdict_sentence, verdict_word

__all__ = ["render"]

_FORBIDDEN = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, look: Look) -> str:
    """One test suite with one case per check; measures and findings go to its output."""
    del look  # a CI server does the looks
    failures = sum(check.verdict is not Verdict.PASS for check in report.checks)
    counts = {
        "tests": str(max(len(report.checks), 1)),
        "failures": str(failures),
        "errors": "0",
        "skipped": "0" if report.checks else "1",
    }
    suites = ET.Element("testsuites", _safe({"name": "llmops", **counts}))
    suite = ET.SubElement(
        suites, "testsuite", _safe({"name": f"llmops.{report.command}", **counts})
    )
    _properties(suite, report)
    for check in report.checks:
        _case(suite, report, check)
    if not report.checks:
        _no_gate(suite, report)
    _text(suite, "system-out", _output(report))
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def _properties(suite: ET.Element, report: Report) -> None:
    listed = {"version": report.version, "title": report.title}
    listed |= {key: cell(value) for key, value in report.parameters.items()}
    properties = ET.SubElement(suite, "properties")
    for name, value in listed.items():
        ET.SubElement(properties, "property", _safe({"name": name, "value": value}))


def _case(suite: ET.Element, report: Report, check: Check) -> None:
    case = ET.SubElement(suite, "testcase", _name(report, check.name))
    if check.verdict is not Verdict.PASS:
        sentence = f"{held(check)}: {check.reason}"
        attributes = _safe({"type": check.verdict.value, "message": sentence})
        failure = ET.SubElement(case, "failure", attributes)
        failure.text = _legal(
            f"{sentence}\nTo decide: {check.needed}" if check.needed else sentence
        )
        return
    _text(case, "system-out", f"{held(check)}: {check.reason}")


def _no_gate(suite: ET.Element, report: Report) -> None:
    case = ET.SubElement(suite, "testcase", _name(report, "no gate"))
    ET.SubElement(case, "skipped", {"message": verdict_sentence(report)})


def _name(report: Report, name: str) -> dict[str, str]:
    return _safe({"classname": f"llmops.{report.command}", "name": name, "time": "0"})


def _output(report: Report) -> str:
    lines = [report.headline, f"{verdict_word(report.verdict)}: {verdict_sentence(report)}"]
    lines += [f"{measure.title}: {estimate(measure)}" for measure in report.measures]
    for group in grouped(report.findings):
        where = place(group.first)
        told = " ".join(part for part in (where, group.message, times(group.count)) if part)
        lines.append(f"{group.first.severity} {group.first.slug}: {told}")
    return "\n".join(lines)


def _text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = _legal(text)


def _legal(text: str) -> str:
    """Only characters XML 1.0 allows; the tree escapes the rest."""
    return _FORBIDDEN.sub("", text)


def _safe(attributes: dict[str, str]) -> dict[str, str]:
    return {key: _legal(value) for key, value in attributes.items()}
