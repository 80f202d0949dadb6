"""A Report as SARIF 2.1.0, for code scanning and editors: findings at the lines of the input.

Findings are results; so are gates, with the kinds that SARIF has for them: pass, fail and open.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from llmops_cli.report import Check, Finding, Report, Verdict
from llmops_cli.views import Look
from llmops_cli.views.prose import clean, held, sentence

__all__ = ["render"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_VERSION = "2.1.0"
_KINDS = {Verdict.PASS: "pass", Verdict.FAIL: "fail", Verdict.INCONCLUSIVE: "open"}
_GATE = "gate"

Node = dict[str, Any]


def render(report: Report, look: Look) -> str:
    """One run: the rules that were broken, then a result per finding and per gate."""
    del look  # whoever reads it does the looks
    rules = _rules(report)
    at = {rule["id"]: number for number, rule in enumerate(rules)}
    results = [_found(report, finding, at) for finding in report.findings]
    results += [_gate(report, check, at) for check in report.checks]
    run = {
        "tool": {"driver": _driver(report, rules)},
        "columnKind": "utf16CodeUnits",
        "results": results,
        "properties": {"headline": clean(report.headline), "verdict": report.verdict.value},
    }
    content = {"$schema": _SCHEMA, "version": _VERSION, "runs": [run]}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _driver(report: Report, rules: list[Node]) -> Node:
    driver: Node = {"name": "llmops", "rules": rules}
    if report.version:
        driver["version"] = clean(report.version)
    return driver


def _rules(report: Report) -> list[Node]:
    first: dict[str, Finding] = {}
    for finding in report.findings:
        first.setdefault(_id(report, finding.slug), finding)
    rules = [_rule(name, finding) for name, finding in first.items()]
    if report.checks:
        text = {"text": f"A gate of llmops {clean(report.command)}."}
        rules.append({"id": _id(report, _GATE), "shortDescription": text})
    return rules


def _rule(name: str, finding: Finding) -> Node:
    rule: Node = {
        "id": name,
        "shortDescription": {"text": _text(finding.message.split(":")[0])},
        "defaultConfiguration": {"level": finding.severity},
    }
    if finding.hint:
        rule["help"] = {"text": _text(finding.hint)}
    return rule


def _id(report: Report, slug: str) -> str:
    # Slugs are unique within a command; a log of several runs must tell them apart.
    return f"{clean(report.command)}/{clean(slug)}"


def _text(words: str) -> str:
    # SARIF asks for a message, however little there is to say.
    return sentence(clean(words)) if clean(words).strip() else "—"


def _found(report: Report, finding: Finding, at: dict[str, int]) -> Node:
    rule = _id(report, finding.slug)
    parts = [finding.message]
    parts += [f"({finding.field})"] if finding.field else []
    result: Node = {
        "ruleId": rule,
        "ruleIndex": at[rule],
        "level": finding.severity,
        "message": {"text": _text(" ".join(parts))},
        "occurrenceCount": max(finding.count, 1),
    }
    result |= _located(report, finding.file, finding.line)
    marks = (rule, finding.file, finding.field)
    return result | {"partialFingerprints": {"llmops/1": _fingerprint(marks)}}


def _gate(report: Report, check: Check, at: dict[str, int]) -> Node:
    rule = _id(report, _GATE)
    words = [f"{check.name}: {held(check)}: {check.reason}"]
    words += [f"to decide: {check.needed}"] if check.needed else []
    failed = check.verdict is Verdict.FAIL
    result: Node = {
        "ruleId": rule,
        "ruleIndex": at[rule],
        "kind": _KINDS[check.verdict],
        # What did not fail has no level.
        "level": "error" if failed else "none",
        "message": {"text": _text(". ".join(words))},
    }
    result |= _located(report, "", None)
    return result | {"partialFingerprints": {"llmops/1": _fingerprint((rule, check.name))}}


def _located(report: Report, file: str, line: int | None) -> Node:
    """A finding without a place is at the first input: scanners refuse results without one."""
    name = file or next(iter(report.inputs), "")
    if not name:
        return {}
    physical: Node = {"artifactLocation": {"uri": _uri(name)}}
    if file and line:
        physical["region"] = {"startLine": line}
    return {"locations": [{"physicalLocation": physical}]}


def _uri(name: str) -> str:
    path = quote(PurePath(name).as_posix().encode("utf-8", "replace"), safe="/")
    return f"file://{path}" if path.startswith("/") else path


def _fingerprint(parts: Iterable[str]) -> str:
    joined = "\0".join(parts).encode("utf-8", "replace")
    return hashlib.sha256(joined).hexdigest()[:32]
