"""What does a log hold? The first look before any question is asked of it."""

from collections.abc import Mapping, Sequence

from llmops_cli.audit.kernel import Facts, look_at
from llmops_cli.audit.report import describe
from llmops_cli.calls import CallsTable, validate
from llmops_cli.report import Finding, Report

__all__ = ["describe_calls"]


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
    facts: Facts = look_at(calls)
    return describe(facts, inputs=inputs, formats=formats or {}, findings=findings)
