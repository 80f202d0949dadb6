"""What does a second provider buy? The log replayed through outages and failover policies."""

from collections.abc import Sequence

from llmops_cli.calls import CallsTable
from llmops_cli.failover.model import FailoverParameters, Pool
from llmops_cli.report import Finding, Report

__all__ = ["FailoverParameters", "Pool", "read_pool", "simulate_failover"]


def read_pool(calls: CallsTable, text: str, *, source: str = "the failover file") -> Pool:
    """Deployments, policies and outages of a failover file.

    Args:
        calls: the log its incidents are dated by.
        text: of the file, YAML.
        source: its name, for messages.

    Raises:
        LlmopsError: those of :func:`llmops_cli.failover.document.pool_from_yaml`, and those of
            :func:`llmops_cli.failover.requests.clock_of`.
    """
    from llmops_cli.failover.document import pool_from_yaml  # noqa: PLC0415 - only for files
    from llmops_cli.failover.requests import clock_of  # noqa: PLC0415 - as above

    began, period_s = clock_of(calls)
    return pool_from_yaml(text, began, period_s, source=source)


def simulate_failover(
    calls: CallsTable,
    pool: Pool,
    parameters: FailoverParameters | None = None,
    *,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Report:
    """Replay a log through outages, under each policy.

    Args:
        calls: with start times and durations; tokens for costs and token limits.
        pool: deployments, policies, incidents and outages.
        parameters: how much is played, and the gates.
        inputs: what the report names as its input.
        findings: what reading the log found; shown with ours.

    Returns:
        A report whose gates are decided on intervals over the played episodes.

    Raises:
        LlmopsError: ``calls-missing-column``, ``failover-no-span``, ``failover-no-duration``,
            ``failover-no-quality``, ``failover-no-content``, ``failover-nothing-happens``,
            ``failover-no-outages``, ``failover-no-latency``, ``price-unknown-model``,
            ``price-class-missing``.
    """
    from llmops_cli.failover.playing import played_log  # noqa: PLC0415 - pandas
    from llmops_cli.failover.portability import portability  # noqa: PLC0415 - as above
    from llmops_cli.failover.report import report  # noqa: PLC0415 - as above

    given = parameters or FailoverParameters()
    moving = portability(calls) if given.portability else ()
    found = played_log(calls, pool, given)
    return report(found, given, moving, inputs=tuple(inputs), findings=tuple(findings))
