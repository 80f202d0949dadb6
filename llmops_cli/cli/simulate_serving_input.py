"""What simulate-serving reads: a request trace or logs of calls, cut and scaled as asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmops_cli.cli.logs import Logs, bad_row_findings, read_logs, say_bad_rows
from llmops_cli.cli.options import Shared
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Finding

if TYPE_CHECKING:
    from llmops_cli.request_trace import RequestTrace

__all__ = ["Load", "LoadRead", "read_load"]


@dataclass(frozen=True, slots=True)
class Load:
    """What is replayed of a trace.

    Attributes:
        window: ``START:END`` in seconds, or empty for all of it.
        rate_scale: times its own rate.
        block_tokens: of a hashed block; None where it is told from the trace.
    """

    window: str
    rate_scale: float
    block_tokens: int | None


@dataclass(frozen=True, slots=True, eq=False)
class LoadRead:
    """What was read.

    Attributes:
        trace: the load.
        files: every file.
        findings: of the reading.
    """

    trace: "RequestTrace"
    files: tuple[str, ...]
    findings: tuple[Finding, ...]


def read_load(paths: Sequence[str], asked: Load, logs: Logs, shared: Shared) -> LoadRead:
    """Read the load.

    Raises:
        LlmopsError: what the readers refuse; ``serving-bad-window``, ``serving-bad-rate``.
    """
    from llmops_cli.serving.load import faster, windowed
    from llmops_cli.traffic.request_traces import TRACE_FORMATS, looks_like_request_trace

    named = logs.input_format
    as_trace = named in TRACE_FORMATS or (named == "auto" and looks_like_request_trace(paths))
    window = _window(asked.window)
    read = (_trace if as_trace else _calls)(paths, asked, logs, shared)
    trace = read.trace if window is None else windowed(read.trace, *window)
    return replace(read, trace=faster(trace, asked.rate_scale))


def _trace(paths: Sequence[str], asked: Load, logs: Logs, shared: Shared) -> LoadRead:
    from llmops_cli.traffic.request_traces import TraceOptions, read_request_trace

    options = TraceOptions(logs.input_format, asked.block_tokens, shared.max_bad_rows)
    read = read_request_trace(paths, options)
    say_bad_rows(read.bad_rows, shared)
    split = Finding(
        slug="trace-hashes-not-of-prefixes",
        severity="note",
        message=f"{read.split:,} block hashes stand behind more than one prefix, or for blocks of "
        "more than one length: each is counted as a block of its own",
        hint="hashes that are chained name a whole prefix, as Mooncake's and vLLM's do",
        field="hash_ids",
        count=read.split,
    )
    findings = (*bad_row_findings(read.bad_rows), *((split,) if read.split else ()))
    return LoadRead(read.trace, read.files, findings)


def _calls(paths: Sequence[str], asked: Load, logs: Logs, shared: Shared) -> LoadRead:
    from llmops_cli.traffic.request_traces.of_calls import BLOCK_TOKENS, trace_of_calls

    traffic = read_logs(paths, logs, shared)
    found = trace_of_calls(
        traffic.calls,
        block_tokens=asked.block_tokens or BLOCK_TOKENS,
        source=", ".join(traffic.files),
    )
    findings = [*bad_row_findings(traffic.bad_rows)]
    for what, count in found.skipped:
        findings.append(_note("skipped", f"{count:,} calls {what} are not replayed", count))
    if found.without_content and found.trace.block_tokens:
        count = found.without_content
        findings.append(_note("no-content", f"{count:,} calls have no prompt in the log: they "
                              "share nothing", count))  # fmt: skip
    if found.models > 1:
        findings.append(_note("models", f"calls of {found.models} models are replayed as those of "
                              "one", found.models))  # fmt: skip
    if found.estimated:
        findings.append(_note("estimated", f"{found.estimated:,} calls have estimated token counts",
                              found.estimated))  # fmt: skip
    return LoadRead(found.trace, traffic.files, tuple(findings))


def _note(what: str, message: str, count: int) -> Finding:
    return Finding(slug=f"trace-calls-{what}", severity="note", message=message, count=count)


def _window(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    start, mark, end = text.partition(":")
    try:
        if mark:
            return float(start or 0), float(end or "inf")
    except ValueError:
        pass
    raise LlmopsError(
        "serving-bad-window",
        f"'{text}' is not START:END in seconds",
        hint="--window 0:600",
        exit_code=ExitCode.USAGE,
    )
