"""A replay as a Chrome trace: replicas as threads, iterations as slices, requests as tracks.

Opens in Perfetto and in chrome://tracing. Source of the format: Trace Event Format, Google.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from llmops_cli.serving.comparison import Played
from llmops_cli.serving.model import EventKind, Events, Outcome

__all__ = ["chrome_trace"]

Event = dict[str, Any]


def chrome_trace(played: Sequence[Played]) -> dict[str, Any]:
    """The trace as JSON data; a policy is a process, times are microseconds of the replay."""
    events: list[Event] = []
    for number, each in enumerate(played, 1):
        events.append(_name("process_name", number, each.policy.name))
        replicas = range(each.policy.replicas)
        events += [_name("thread_name", number, f"replica {at}", at) for at in replicas]
        events += _requests(each.outcome, number)
        if each.outcome.events is not None:
            events += _iterations(each.outcome.events, number)
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _name(kind: str, process: int, name: str, thread: int = 0) -> Event:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": {"name": name}}


def _iterations(events: Events, process: int) -> Iterator[Event]:
    for at in np.flatnonzero(events.kind == EventKind.ITERATION).tolist():
        prefill, decoding = int(events.prefill_tokens[at]), int(events.decoding[at])
        parts = [f"prefill {prefill}"] * bool(prefill) + [f"decode {decoding}"] * bool(decoding)
        yield {
            "ph": "X",
            "name": " + ".join(parts) or "iteration",
            "cat": "iteration",
            "pid": process,
            "tid": int(events.replica[at]),
            "ts": _us(float(events.time_s[at])),
            "dur": _us(float(events.duration_s[at])),
            "args": {
                "iterations": int(events.value[at]),
                "prefill_tokens": prefill,
                "decoding": decoding,
                "blocks": int(events.blocks[at]),
            },
        }


def _requests(outcome: Outcome, process: int) -> Iterator[Event]:
    """Queueing, prefill and decode of each request, as nested stretches of one track."""
    times = (outcome.arrival_s, outcome.scheduled_s, outcome.first_token_s, outcome.finish_s)
    for row, (arrived, begun, first, done) in enumerate(
        zip(*(each.tolist() for each in times), strict=True)
    ):
        shared = {"cat": "request", "id": row, "pid": process, "tid": int(outcome.replica[row])}
        args = {"hit_tokens": int(outcome.hit_tokens[row])}
        for name, start, end in (
            (f"request {row}", arrived, done),
            ("queued", arrived, begun),
            ("prefill", begun, first),
            ("decode", first, done),
        ):
            yield {"ph": "b", "name": name, "ts": _us(start), "args": args, **shared}
            yield {"ph": "e", "name": name, "ts": _us(end), **shared}


def _us(seconds: float) -> float:
    return round(1e6 * seconds, 3)
