"""What does a log hold, and can our telemetry answer our questions?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from llmops_cli.audit.describe import describe
from llmops_cli.audit.facts import look_at
from llmops_cli.audit.model import AuditParameters
from llmops_cli.audit.report import evaluate
from llmops_cli.audit.subjects import subjects
from llmops_cli.calls import CallsTable, validate
from llmops_cli.report import Finding, Report
from llmops_cli.spans import SpansTable

__all__ = ["AuditParameters", "audit_traces", "describe_calls"]


def describe_calls(
    calls: CallsTable,
    *,
    inputs: Sequence[str] = (),
    formats: Mapping[str, int] | None = None,
    findings: Sequence[Finding] = (),
) -> Report:
    """Count what a log holds: calls, models, tokens by class, time span, gaps, fields.

    Args:
        calls: the calls table.
        inputs: the files it was read from.
        formats: calls by log format.
        findings: what the reading of the log found, for example rows it could not read.

    Returns:
        A report without checks: it always passes.

    Raises:
        LlmopsError: ``calls-missing-column``, ``calls-negative``, ``calls-contradiction``.
    """
    validate(calls)
    return describe(look_at(calls), inputs=inputs, formats=formats or {}, findings=findings)


def audit_traces(  # noqa: PLR0913 - what a reading gives, each by its name
    calls: CallsTable,
    spans: SpansTable | None = None,
    parameters: AuditParameters | None = None,
    *,
    joins: Mapping[str, int] | None = None,
    baseline: Report | None = None,
    inputs: Sequence[str] = (),
    formats: Mapping[str, int] | None = None,
    findings: Sequence[Finding] = (),
) -> Report:
    """Grade telemetry: what it lacks to answer our questions, with the fix for each finding.

    Args:
        calls: the calls table.
        spans: the spans table, where the log has spans.
        parameters: gates, and the version of the conventions to hold the log against.
        joins: what joining rows to calls came upon, by slug.
        baseline: an earlier report of this verb, for before and after.
        inputs: the files that were read.
        formats: calls by log format.
        findings: what the reading of the log found, for example rows it could not read.

    Returns:
        A report with one finding per broken rule and the gates that were asked for.

    Raises:
        LlmopsError: ``audit-nothing`` for a log without a call or a GenAI span,
            ``audit-bad-baseline``, and as :func:`describe_calls`.
    """
    validate(calls)
    library = ", ".join(formats or {}) or "calls"
    rows = subjects(spans, calls, library)
    report = evaluate(rows, calls, parameters or AuditParameters(), joins or {}, baseline)
    return replace(report, inputs=tuple(inputs), findings=(*report.findings, *findings))
