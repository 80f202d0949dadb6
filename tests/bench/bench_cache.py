"""The cache replay: block visits a second per policy, and a log end to end against a bare decode.

A visit is one block of one call. The floor is a typed msgspec decode of the same file: the
fields a replay needs, content left raw.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from bench_ingest import WORDS, write_log

from llmops_cli import read_calls
from llmops_cli.cache.bounds import lower_bounds
from llmops_cli.cache.kernel import replay_plan, whole
from llmops_cli.cache.model import POLICIES, CacheParameters
from llmops_cli.cache.policies import plan
from llmops_cli.cache.providers import under_rules
from llmops_cli.cache.rules import load_rules, provider_names, provider_rules
from llmops_cli.cache.trace import CacheTrace, compile_trace
from llmops_cli.cache.visits import order_visits

FOLDER = Path(".bench")
RUNS = 3
AIM_VISITS, AIM_RATIO = 5e6, 0.35


class Request(msgspec.Struct):
    """What a replay needs of the request, content unparsed."""

    model: str
    messages: list[msgspec.Raw]
    system: msgspec.Raw = msgspec.Raw()
    tools: list[msgspec.Raw] | None = None


class Response(msgspec.Struct):
    """Model and counters of the answer."""

    model: str
    usage: dict[str, int]


class Line(msgspec.Struct):
    """One logged call."""

    timestamp: str
    request: Request
    response: Response


def write_thin(path: Path, megabytes: float) -> None:
    """Half a kilobyte a call: a short instruction and one short question."""
    draw = random.Random(7)  # noqa: S311 - a reproducible log, not a secret
    written = number = 0
    with path.open("w", encoding="utf-8") as log:
        while written < megabytes * 1e6:
            number += 1
            day, second = 1 + number // 86_400 % 28, number % 86_400
            stamp = (
                f"2026-09-{day:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
            )
            question = " ".join(draw.choices(WORDS, k=12))
            body = {
                "timestamp": stamp,
                "workspace": "w1",
                "request": {
                    "model": "claude-haiku-5-5",
                    "system": f"Sort the ticket of queue {number % 40}.",
                    "messages": [{"role": "user", "content": question}],
                },
                "response": {
                    "id": f"m{number}",
                    "type": "message",
                    "model": "claude-haiku-5-5",
                    "content": [{"type": "text", "text": "yes"}],
                    "usage": {"input_tokens": 700, "output_tokens": 3},
                },
            }
            written += log.write(json.dumps(body) + "\n")


def seconds(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median processor time of a few runs: other work on the machine does not count."""
    times: list[float] = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def compiled(path: Path) -> CacheTrace:
    """A log as the replay takes it."""
    calls = read_calls([path]).calls
    models = calls["request_model"].to_numpy(dtype=object)
    return compile_trace(calls, load_rules(), models, CacheParameters(minimum_tokens=1024))


def end_to_end(path: Path) -> None:
    """Read, compile, and replay the logged markers."""
    trace = compiled(path)
    logged = plan(trace, "as-logged", load_rules())
    replay_plan(whole(trace, {}), logged, order_visits(trace.node, trace.offsets))


def compare(path: Path) -> None:
    """One log end to end against the bare decode of its lines."""
    size = path.stat().st_size / 1e6
    decode = msgspec.json.Decoder(Line).decode

    def floor() -> None:
        with path.open("rb") as log:
            for line in log:
                decode(line)

    bare, ours = seconds(floor), seconds(lambda: end_to_end(path))
    print(f"{path.stem}, {size:.0f} MB, one process, median of {RUNS}")
    print(f"  bare typed decode    {bare:6.2f} s  {size / bare:6.0f} MB/s")
    print(f"  compile and replay   {ours:6.2f} s  {size / ours:6.0f} MB/s")
    print(f"  ratio                {bare / ours:6.2f}x  (aim {AIM_RATIO}x)")


def what_ifs(trace: CacheTrace) -> None:
    """Every policy, provider and bound on one compiled trace."""
    rules, blocks = load_rules(), len(trace.node)
    visits, part = order_visits(trace.node, trace.offsets), whole(trace, {})
    prices = np.tile([1.0, 0.1, 1.25, 2.0, 5.0], (trace.calls, 1))
    works: dict[str, Callable[[], object]] = {
        "sort the visits, once": lambda: order_visits(trace.node, trace.offsets)
    }
    for name in POLICIES:
        works[name] = lambda name=name: replay_plan(part, plan(trace, name, rules), visits)
    for name in provider_names():
        works[f"at {name}"] = lambda name=name: under_rules(trace, provider_rules(name), 1024)
    works["bounds LB0 to LB3"] = lambda: lower_bounds(trace, prices, rules)
    print(f"what-ifs on the compiled trace: {trace.calls:,} calls, {blocks:,} block visits")
    for name, work in works.items():
        speed = blocks / seconds(work)
        print(f"  {name:22} {speed / 1e6:7.1f} million block visits/s  (aim {AIM_VISITS / 1e6:g})")


def main() -> None:
    """Write the logs once, then print every figure."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--mb", type=float, default=500, help="size of the fat log; thin is half")
    wanted = parser.parse_args().mb
    FOLDER.mkdir(exist_ok=True)
    logs = {
        FOLDER / f"agent-{wanted:g}mb.jsonl": (write_log, wanted),
        FOLDER / f"thin-{wanted / 2:g}mb.jsonl": (write_thin, wanted / 2),
    }
    for path, (write, size) in logs.items():
        if not path.exists():
            write(path, size)
        compare(path)
        what_ifs(compiled(path))


if __name__ == "__main__":
    main()
