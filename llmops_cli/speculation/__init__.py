"""Does speculative decoding pay on this workload, at this batch size?

Acceptance that was logged, the cost of steps on a machine and a load over batch sizes become a
decision: which draft, how many tokens of it, up to which batch, and how sure that is.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmops_cli.report import Finding, Report

if TYPE_CHECKING:
    from llmops_cli.speculation.analysis import Logged
    from llmops_cli.speculation.model import Load, Machine, SpeculationParameters

__all__ = ["plan_speculation"]


def plan_speculation(
    machine: "Machine",
    drafts: "Sequence[Logged]",
    load: "Load | None" = None,
    parameters: "SpeculationParameters | None" = None,
    *,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Report:
    """Say whether drafting pays, with which draft, how deep and up to which batch.

    Args:
        machine: target, GPUs and their layout; measured steps where there are any.
        drafts: each with what was accepted of it.
        load: shares of decoding time by batch; batch 1 where absent, with a warning.
        parameters: gate, temperature, price, resampling.
        inputs: what the report names as its input.
        findings: what reading found; shown with ours.

    Returns:
        A report whose gate (``min_speedup``) is decided on the interval of the speedup over the
        load, which covers resampled requests and every step time that is possible.

    Raises:
        LlmopsError: ``speculation-no-draft``, ``speculation-bad-machine``,
            ``speculation-no-depth``, ``hardware-no-room``, ``hardware-few-steps``.
    """
    from llmops_cli.speculation.analysis import analyse  # noqa: PLC0415 - numpy and all of it
    from llmops_cli.speculation.model import Load, SpeculationParameters  # noqa: PLC0415 - as above
    from llmops_cli.speculation.report import report  # noqa: PLC0415 - as above

    found = analyse(machine, drafts, load or Load(), parameters or SpeculationParameters())
    return report(found, inputs=tuple(inputs), findings=tuple(findings))
