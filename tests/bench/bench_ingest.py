"""Reading logs into calls against a bare msgspec decode of the same file, one process."""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from llmops_cli import read_calls

WORDS = [f"{a}{b}" for a in ("ship", "order", "plan", "note", "claim") for b in ("s", "ed", "ing")]
RUNS = 3


def write_log(path: Path, megabytes: float) -> None:
    """An agent's log: tools and a system prompt, then conversations that grow turn by turn."""
    draw = random.Random(7)  # noqa: S311 - a reproducible log, not a secret

    def words(count: int) -> str:
        return " ".join(draw.choices(WORDS, k=count))

    tools = [
        {"name": f"tool_{i}", "description": words(60), "input_schema": {"type": "object"}}
        for i in range(8)
    ]
    system = [{"type": "text", "text": words(900), "cache_control": {"type": "ephemeral"}}]
    written, number = 0, 0
    with path.open("w", encoding="utf-8") as log:
        while written < megabytes * 1e6:
            number += 1
            messages: list[dict[str, object]] = []
            for turn in range(draw.randint(2, 24)):
                messages.append({"role": "user", "content": words(draw.randint(30, 250))})
                body = {
                    "timestamp": f"2026-09-{1 + number % 28:02d}T08:{turn:02d}:00Z",
                    "conversation_id": f"c{number}",
                    "workspace": "w1",
                    "duration_s": 2.5,
                    "request": {
                        "model": "claude-sonnet-4-6",
                        "tools": tools,
                        "system": system,
                        "messages": messages,
                    },
                    "response": {
                        "id": f"m{number}-{turn}",
                        "type": "message",
                        "model": "claude-sonnet-4-6",
                        "stop_reason": "end_turn",
                        "content": [{"type": "text", "text": words(80)}],
                        "usage": {"input_tokens": 4000 + 300 * turn, "output_tokens": 120},
                    },
                }
                line = json.dumps(body)
                written += len(line) + 1
                log.write(line + "\n")
                messages.append({"role": "assistant", "content": words(80)})


def seconds(work: Callable[[], object]) -> float:
    """Median processor time of a few runs: other work on the machine does not count."""
    times: list[float] = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def main() -> None:
    """Print both times and their ratio; the aim is 0.35 of the bare decode's speed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--mb", type=float, default=200)
    wanted = parser.parse_args().mb
    path = Path(".bench") / f"agent-{wanted:g}mb.jsonl"
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        write_log(path, wanted)
    size = path.stat().st_size / 1e6
    decode = msgspec.json.Decoder().decode

    def floor() -> None:
        with path.open("rb") as log:
            for line in log:
                decode(line)

    bare = seconds(floor)
    ours = seconds(lambda: read_calls([path]))
    print(f"ingest, {size:.0f} MB, one process, median of {RUNS}")
    print(f"  bare msgspec decode  {bare:6.2f} s  {size / bare:6.0f} MB/s")
    print(f"  read_calls           {ours:6.2f} s  {size / ours:6.0f} MB/s")
    print(f"  ratio                {bare / ours:6.2f}x  (aim 0.35x)")


if __name__ == "__main__":
    main()
