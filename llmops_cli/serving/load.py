"""The load a fleet is put under: a stretch of the trace, and how much faster it comes."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.request_trace import RequestTrace

__all__ = ["faster", "requests_at", "windowed"]


def windowed(trace: RequestTrace, start_s: float, end_s: float) -> RequestTrace:
    """The requests that arrive in a stretch of the trace, its start at 0.

    Args:
        trace: the whole.
        start_s: first moment that counts.
        end_s: first moment that counts no more.

    Raises:
        LlmopsError: ``serving-bad-window`` for a stretch that ends before it begins or that
            holds no request.
    """
    if not 0 <= start_s < end_s:
        raise _bad_window("--window START:END in seconds, with START before END")
    low, high = np.searchsorted(trace.arrival_s, (start_s, end_s))
    if low == high:
        raise _bad_window(
            f"no request arrives between {start_s:g} and {end_s:g} s; the last one of the trace "
            f"comes at {trace.arrival_s[-1]:,.6g} s"
        )
    return requests_at(trace, np.arange(low, high))


def requests_at(trace: RequestTrace, rows: npt.NDArray[np.int64]) -> RequestTrace:
    """Some requests as a trace of their own: times from 0, blocks and sessions dense again.

    Args:
        trace: the whole.
        rows: rising rows of it, at least one.
    """
    counts = np.diff(trace.starts)[rows]
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    at = np.arange(starts[-1]) + np.repeat(trace.starts[rows] - starts[:-1], counts)
    arrival, session = trace.arrival_s[rows], trace.session[rows]
    return replace(
        trace,
        arrival_s=arrival - arrival[0],
        input_tokens=trace.input_tokens[rows],
        output_tokens=trace.output_tokens[rows],
        starts=starts,
        blocks=_dense(trace.blocks[at]),
        session=np.where(session < 0, -1, _dense(np.maximum(session, 0))),
        lines=None if trace.lines is None else trace.lines[rows],
    )


def faster(trace: RequestTrace, factor: float) -> RequestTrace:
    """The same requests in the same order, ``factor`` times as many per second.

    Raises:
        LlmopsError: ``serving-bad-rate`` for a factor that is not above 0.
    """
    if not 0 < factor < float("inf"):
        raise LlmopsError(
            "serving-bad-rate",
            f"requests cannot come {factor:g} times as often",
            hint="--rate-scale 1.5",
            exit_code=ExitCode.USAGE,
        )
    return trace if factor == 1 else replace(trace, arrival_s=trace.arrival_s / factor)


def _dense(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if not len(numbers):
        return numbers
    seen = np.zeros(int(numbers.max()) + 1, np.int64)
    seen[numbers] = 1
    return (np.cumsum(seen) - 1)[numbers]


def _bad_window(message: str) -> LlmopsError:
    return LlmopsError(
        "serving-bad-window", message, hint="--window 0:600", exit_code=ExitCode.USAGE
    )
