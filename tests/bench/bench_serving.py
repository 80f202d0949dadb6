"""The fleet simulator: requests a second on the Mooncake trace, against Dynamo's own replay.

Four replicas of 16,384 blocks, one core, compiled before the clock starts: the roofline with
decoding skipped ahead, and the same with every iteration stepped. The rival is the replay of
``ai-dynamo``, on the same file and fleet, in the interpreter named by LLMOPS_DYNAMO_PYTHON or in
this one; it is no dependency of ours, and skipped where it is not installed. Processor time.
Memory is that of a process of its own, for a trace of ten million blocks.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from llmops_cli.hardware.known_steps import known_step
from llmops_cli.hardware.step_time import StepForm, StepTime
from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.model import Memory, Policy, Router, Routing
from llmops_cli.serving.simulation import simulate

DATA = Path(os.environ.get("LLMOPS_DATA", Path(__file__).parents[3] / "shared" / "data"))
TRACE = DATA / "mooncake" / "conversation_trace.jsonl"
RUNS = 25
AIM_SKIPPED, AIM_STEPPED, AIM_RIVAL, AIM_MEMORY = 1_000_000, 300_000, 200, 1_500
BLOCKS = 10_000_000

ROOFLINE = StepTime(
    name="Llama-3.1-8B on one H100",
    form=StepForm.ROOFLINE,
    coefficients=np.array(
        [16.06e9, 524_288, 16.06e9, 131_072, 0.5 * 989e12, 0.7 * 3.35e12, 3e-3, 0, 0, 0, 0]
    ),
    source="bench",
)

RIVAL = """
import json, sys, time
from dynamo._core import run_mocker_trace_replay as replay
engine = {"block_size": 512, "num_gpu_blocks": 16384, "max_num_seqs": 256,
          "max_num_batched_tokens": 8192}
for mode in ("round_robin", "kv_router"):
    began = time.process_time()
    found = replay([sys.argv[1]], extra_engine_args={"engine": engine}, num_workers=4,
                   router_mode=mode, trace_block_size=512)
    found.summary["process_s"] = time.process_time() - began
    print(json.dumps([mode, time.process_time() - began, found.summary]))
"""


def conversation() -> RequestTrace:
    """The public trace as arrays."""
    rows = [json.loads(line) for line in TRACE.read_text(encoding="utf-8").splitlines()]
    return RequestTrace(
        arrival_s=np.array([row["timestamp"] / 1000 for row in rows]),
        input_tokens=np.array([row["input_length"] for row in rows], np.int64),
        output_tokens=np.array([row["output_length"] for row in rows], np.int64),
        starts=np.cumsum([0, *(len(row["hash_ids"]) for row in rows)]).astype(np.int64),
        blocks=np.array([block for row in rows for block in row["hash_ids"]], np.int64),
        block_tokens=512,
        session=np.full(len(rows), -1, np.int64),
    )


def fleet(step: StepTime, routing: Routing) -> Policy:
    """Four replicas."""
    memory = Memory(blocks=16_384)
    return Policy(
        name="bench", replicas=4, step_time=step, memory=memory, router=Router(routing=routing)
    )


def fastest_s(trace: RequestTrace, policy: Policy, *, stepped: bool = False) -> float:
    """The least processor time of some runs, after one that compiles."""
    simulate(trace, policy, stepped=stepped)
    times = []
    for _ in range(RUNS):
        began = time.process_time()
        simulate(trace, policy, stepped=stepped)
        times.append(time.process_time() - began)
    return min(times)


def print_own(trace: RequestTrace) -> dict[str, float]:
    """Ours: requests a second, and processor time by routing under Dynamo's step time."""
    roofline, polynomial = ROOFLINE, known_step("dynamo")
    for name, step, stepped, aim in (
        ("roofline, decoding skipped ahead", roofline, False, AIM_SKIPPED),
        ("roofline, every iteration", roofline, True, AIM_STEPPED),
        ("Dynamo's polynomial, every iteration", polynomial, True, AIM_STEPPED),
    ):
        taken = fastest_s(trace, fleet(step, Routing.ROUND_ROBIN), stepped=stepped)
        rate = len(trace) / taken
        print(f"serving: {name}: {rate:,.0f} requests/s = {rate / aim:.2f} of the aim {aim:,}")
    return {
        mode: fastest_s(trace, fleet(polynomial, routing))
        for mode, routing in (("round_robin", Routing.ROUND_ROBIN), ("kv_router", Routing.KV_COST))
    }


def print_rival(own: dict[str, float]) -> None:
    """Dynamo's replay of the same, where it is installed."""
    python = os.environ.get("LLMOPS_DYNAMO_PYTHON", sys.executable)
    told = subprocess.run(
        [python, "-c", RIVAL, str(TRACE)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DYN_LOG": "error"},
    )
    if told.returncode != 0:
        print("serving: Dynamo's replay SKIPPED: ai-dynamo is not installed in", python)
        return
    for line in told.stdout.splitlines():
        mode, taken, summary = json.loads(line)
        ratio = taken / own[mode]
        reuse = summary["prefix_cache_reused_ratio"]
        print(
            f"serving: against Dynamo's {mode}: {ratio:,.0f}x its processor time"
            f" (aim {AIM_RIVAL}x); it found {reuse:.2%} reuse, first token after"
            f" {summary['mean_ttft_ms']:.1f} ms"
        )


def many_blocks() -> None:
    """Ten million distinct blocks through four replicas; prints the peak memory."""
    prompts, each = BLOCKS // 25, 25
    trace = RequestTrace(
        arrival_s=np.arange(prompts) * 0.3,
        input_tokens=np.full(prompts, each * 512, np.int64),
        output_tokens=np.full(prompts, 100, np.int64),
        starts=np.arange(prompts + 1, dtype=np.int64) * each,
        blocks=np.arange(BLOCKS, dtype=np.int64),
        block_tokens=512,
        session=np.full(prompts, -1, np.int64),
    )
    simulate(trace, fleet(ROOFLINE, Routing.KV_COST))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"serving: {BLOCKS:,} blocks, KV routing: {peak:,.0f} MB of the aim {AIM_MEMORY:,} MB")


def main() -> None:
    """Print every ratio."""
    if sys.argv[1:] == ["--many-blocks"]:
        many_blocks()
        return
    if not TRACE.is_file():
        print(f"serving: SKIPPED: no trace at {TRACE}")
        return
    print_rival(print_own(conversation()))
    subprocess.run([sys.executable, __file__, "--many-blocks"], check=True)


if __name__ == "__main__":
    main()
