"""The cache replay: block visits a second per policy, and a log end to end against two others.

A visit is one block of one call. The floor is a typed msgspec decode of the same file: the
fields a replay needs, content left raw. The rival is ``cacheeconomics analyze``, on the head of
the same log, where it is installed; it is no dependency of ours. Processor time, so that other
work on the machine does not count: of two processes, that of the busier one. It all runs as where
the package is installed: bytecode is kept, and a worker loads no more than the command's does.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from bench_ingest import WORDS, write_log
from bench_judge import installed

from llmops_cli.cache.bounds import lower_bounds
from llmops_cli.cache.columns import texts
from llmops_cli.cache.kernel import replay, replay_plan, whole
from llmops_cli.cache.model import POLICIES, CacheParameters
from llmops_cli.cache.policies import plan
from llmops_cli.cache.prompt_blocks import PromptCollector
from llmops_cli.cache.providers import under_rules
from llmops_cli.cache.rules import load_rules, provider_names, provider_rules
from llmops_cli.cache.trace import NEEDED, CacheTrace, compile_trace
from llmops_cli.cache.visits import order_visits
from llmops_cli.engine.memory import return_memory, return_unused
from llmops_cli.traffic import Options, read_traffic

FOLDER = Path(".bench")
RUNS = 3
AIM_VISITS, AIM_RATIO, AIM_TWO, AIM_RIVAL, AIM_MEMORY = 5e6, 0.35, 1.7, 20, 300
RIVAL = "cacheeconomics"
RIVAL_VERSION = "0.2.1"
HEAD_MEGABYTES = 40
"""As much of a log as the rival is given: it takes minutes for all of a thin one."""


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


def busier_seconds(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median processor time of the busier of this process and its one worker, start included."""
    times: list[float] = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        mine = seconds(work, runs=1)
        for worker in multiprocessing.active_children():
            worker.join()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        other = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        times.append(max(mine, other))
    return statistics.median(times)


def compiled(path: Path, jobs: int = 1) -> CacheTrace:
    """A log as the replay takes it, read as the command reads it."""
    return_memory()
    prompts, given = PromptCollector(), CacheParameters(minimum_tokens=1024)
    read = read_traffic([path], Options(), jobs=jobs, columns=NEEDED, each=prompts.take)
    models = texts(read.calls, "request_model")
    return compile_trace(read.calls, load_rules(), models, given, prompts.finish())


def end_to_end(path: Path, jobs: int = 1) -> None:
    """Read, compile, and replay the logged markers."""
    trace = compiled(path, jobs)
    return_unused()  # as the command does before it replays
    logged = plan(trace, "as-logged", load_rules())
    replay(whole(trace, {"as-logged": logged}))


def compare(path: Path) -> None:
    """One log end to end against the bare decode of its lines, two processes, and the rival."""
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
    two = busier_seconds(lambda: end_to_end(path, 2))
    print(f"  two processes        {ours / two:6.2f}x  one against the busier  (aim {AIM_TWO}x)")
    idle, most = peak(path)
    above = (most - idle) / size * 1000
    print(f"  peak memory          {most:6.0f} MB, {idle:.0f} of them before the first line:")
    print(f"                       {above:6.0f} MB per GB of log  (aim {AIM_MEMORY})")
    against_rival(path)


def peak(path: Path) -> tuple[float, float]:
    """Most megabytes that a process of its own holds, before it reads a log and in the end."""
    call = [sys.executable, __file__, "--peak", str(path)]
    told = subprocess.run(call, check=True, capture_output=True, text=True).stdout
    idle, most = map(float, told.split())
    return idle, most


def megabytes_held() -> float:
    """Most memory that this process has held so far; ``ru_maxrss`` counts its parent's too."""
    told = Path("/proc/self/status").read_text(encoding="ascii")
    return int(told.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def against_rival(path: Path) -> None:
    """Both on the head of a log, as far as the rival is there."""
    command = shutil.which(RIVAL) or shutil.which(RIVAL, path=Path(sys.executable).parent)
    if command is None:
        print(f"  {RIVAL:20} not installed: pip install {RIVAL}=={RIVAL_VERSION} to compare")
        return
    head = path.with_suffix(".head.jsonl")
    with path.open("rb") as log, head.open("wb") as part:
        part.writelines(log.readlines(HEAD_MEGABYTES * 1_000_000))
    theirs, ours = rival_seconds(command, head), seconds(lambda: end_to_end(head))
    megabytes = head.stat().st_size / 1e6
    print(f"  {RIVAL} analyze, {megabytes:.0f} MB  {theirs:.2f} s  {megabytes / theirs:.0f} MB/s")
    print(f"  ours on the same     {ours:6.2f} s  {theirs / ours:6.1f}x  (aim {AIM_RIVAL}x)")


def rival_seconds(command: str, path: Path) -> float:
    """Processor time of the rival, its start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [command, "analyze", "--from", "bodies", "--target-id", "anthropic/direct",
         "--tenant", "w1", "--allow-unreconciled", str(path)],
        check=True,
        capture_output=True,
        env=os.environ | {"CACHEECONOMICS_HMAC_KEY": "0123456789abcdef" * 2},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def what_ifs(trace: CacheTrace) -> None:
    """Every policy, provider and bound on one compiled trace."""
    rules, blocks = load_rules(), len(trace.node)
    visits, part = trace.visits, whole(trace, {})
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
    parser.add_argument("--peak", type=Path, help="only print the memory that one log takes, in MB")
    given = parser.parse_args()
    if given.peak:
        idle = megabytes_held()
        end_to_end(given.peak)
        print(idle, megabytes_held())
        return
    wanted = given.mb
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
    # Workers load the file that was started: like the command's, ours has nothing in it.
    FOLDER.mkdir(exist_ok=True)
    command = [sys.executable, "-c", "import bench_cache; bench_cache.main()", *sys.argv[1:]]
    surroundings = installed(FOLDER) | {"PYTHONPATH": str(Path(__file__).parent)}
    sys.exit(subprocess.run(command, check=False, env=surroundings).returncode)
