"""What would the fleet do? The log replayed through replicas, batching and a router.

Policies are compared on the same requests: who gets them, how they are batched, what is cached,
whether prefill and decode share machines, and how many replicas that takes.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmops_cli.report import Finding, Report
from llmops_cli.serving.policy_lines import DEFAULT_LINES, Line
from llmops_cli.serving.question import ServingParameters, Slo, parse_slo

if TYPE_CHECKING:
    from llmops_cli.request_trace import RequestTrace
    from llmops_cli.serving.comparison import Comparison
    from llmops_cli.serving.machines import Machines

__all__ = [
    "DEFAULT_LINES",
    "Line",
    "ServingParameters",
    "Slo",
    "compare_policies",
    "parse_slo",
    "simulate_serving",
]


def compare_policies(
    trace: "RequestTrace",
    machines: "Machines",
    lines: Sequence[Line] = DEFAULT_LINES,
    parameters: ServingParameters | None = None,
    *,
    record: bool = False,
) -> "Comparison":
    """The comparison itself, for working on outcomes and events.

    Args:
        trace: the load.
        machines: what policies run on where their lines do not say.
        lines: the policies; the first is what the others are held against.
        parameters: SLO, search and gates.
        record: keep every event, however long the trace is.

    Raises:
        LlmopsError: as :func:`simulate_serving`.
    """
    from llmops_cli.serving.comparison import compare  # noqa: PLC0415 - loads what it needs

    return compare(trace, lines, machines, parameters or ServingParameters(), record=record)


def simulate_serving(
    trace: "RequestTrace",
    machines: "Machines",
    lines: Sequence[Line] = DEFAULT_LINES,
    parameters: ServingParameters | None = None,
    *,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Report:
    """Compare serving policies on a trace.

    Args:
        trace: the load: arrivals, lengths and, for reuse, blocks of the prompts.
        machines: model, GPUs and step time.
        lines: the policies; the first is what the others are held against.
        parameters: SLO, search and gates.
        inputs: what the report names as its input.
        findings: what reading the trace found; shown with ours.

    Returns:
        A report whose gates are held against the policy that does best, on intervals over
        resampled stretches of the trace.

    Raises:
        LlmopsError: ``trace-one-request``, ``trace-no-span``, ``trace-unsorted``,
            ``trace-hash-length``, ``serving-too-long``, what a policy line or the machines refuse.
    """
    from llmops_cli.serving.report import report  # noqa: PLC0415 - loads what it needs

    given = parameters or ServingParameters()
    found = compare_policies(trace, machines, lines, given)
    return report(found, given, inputs=tuple(inputs), findings=tuple(findings))
