"""Reading telemetry against a bare typed decode: OTLP JSON and protobuf, thin LiteLLM logs, memory.

Each figure is of a process of its own, so that peak memory is that of one reading. Workers
load this file once more before they begin, so what only some of the work needs is imported there.

On a machine that others use too the wall clock says little: beside it stands what the processes
computed themselves. Two processes that never wait for one another take as long as the busier.
"""

# ruff: noqa: PLC0415

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, count, islice
from multiprocessing import active_children
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(".bench")
RUNS = 3
WORDS = [f"{a}{b}" for a in ("ship", "order", "plan", "note", "claim") for b in ("s", "ed", "ing")]
START = 1_788_249_600_000_000_000
AT_ONCE = 20
SIGNALS = ("trace", "logs", "metrics")


def attribute(key: str, value: object) -> dict[str, object]:
    """One attribute as the collector writes it."""
    if isinstance(value, int):
        return {"key": key, "value": {"intValue": str(value)}}
    if isinstance(value, list):
        return {"key": key, "value": {"arrayValue": {"values": [{"stringValue": value[0]}]}}}
    return {"key": key, "value": {"stringValue": value}}


def spans(draw: random.Random, conversation: int) -> Iterator[dict[str, object]]:
    """A conversation that grows turn by turn, its messages on every span, and nothing else."""
    messages: list[dict[str, object]] = []
    for turn in range(draw.randint(2, 12)):
        messages.append(said(draw, "user", 60))
        yield span(conversation, turn, {"gen_ai.input.messages": json.dumps(messages)})
        messages.append(said(draw, "assistant", 90))


def agent_spans(draw: random.Random, conversation: int) -> Iterator[dict[str, object]]:
    """An agent at work, as instrumentations that capture content log each of its requests.

    Every span repeats the instructions (4 KB), eight tools and all messages so far: a question,
    then calls of tools and their results, then an answer, and the next question.
    """
    agent = AGENTS[conversation % len(AGENTS)]
    messages: list[dict[str, object]] = [said(draw, "user", 60)]
    for turn in range(draw.randint(2, 12)):
        answered = turn % 3 == 2  # two calls of tools to a question
        answer = said(draw, "assistant", 90) if answered else called(draw, turn)
        yield span(
            conversation,
            turn,
            agent
            | {
                "gen_ai.input.messages": json.dumps(messages),
                "gen_ai.output.messages": json.dumps([answer | {"finish_reason": "stop"}]),
            },
        )
        messages.append(answer)
        messages.append(said(draw, "user", 60) if answered else resulted(draw, turn))


def said(draw: random.Random, role: str, words: int) -> dict[str, object]:
    """A message of text."""
    return {"role": role, "parts": [{"type": "text", "content": prose(draw, words)}]}


def called(draw: random.Random, turn: int) -> dict[str, object]:
    """A message that calls a tool."""
    arguments = {"query": prose(draw, 4), "limit": 20, "customer": f"C-{turn:06d}"}
    call = {"type": "tool_call", "id": f"call_{turn:024d}", "name": "lookup_3"}
    return {"role": "assistant", "parts": [call | {"arguments": arguments}]}


def resulted(draw: random.Random, turn: int) -> dict[str, object]:
    """A message with what the tool found."""
    found = [{"id": number, "note": prose(draw, 20)} for number in range(5)]
    part = {"type": "tool_call_response", "id": f"call_{turn:024d}"}
    return {"role": "tool", "parts": [part | {"response": {"rows": found}}]}


def prose(draw: random.Random, words: int) -> str:
    """So many words."""
    return " ".join(draw.choices(WORDS, k=words))


def agent_attributes(number: int) -> dict[str, object]:
    """Instructions and tools, the same on every span of an agent."""
    draw = random.Random(number)  # noqa: S311 - a reproducible log, not a secret
    tools = [
        {
            "type": "function",
            "name": f"lookup_{tool}",
            "description": prose(draw, 30),
            "parameters": {
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": prose(draw, 8)},
                    "limit": {"type": "integer", "minimum": 1, "maximum": 100},
                    "customer": {"type": "string", "description": prose(draw, 8)},
                },
                "required": ["query"],
            },
        }
        for tool in range(8)
    ]
    return {
        "gen_ai.agent.name": f"agent{number}",
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": prose(draw, 570)}]),
        "gen_ai.tool.definitions": json.dumps(tools),
    }


AGENTS = [agent_attributes(number) for number in range(5)]


def span(conversation: int, turn: int, content: dict[str, object]) -> dict[str, object]:
    """One request to a model."""
    start = START + (conversation * 60 + turn) * 1_000_000_000
    values: dict[str, object] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.1",
        "gen_ai.response.model": "gpt-5.1-2025-11-13",
        "gen_ai.response.id": f"chatcmpl-{conversation}-{turn}",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.conversation.id": f"c{conversation}",
        "gen_ai.usage.input_tokens": 400 + 90 * turn,
        "gen_ai.usage.output_tokens": 120,
        "gen_ai.usage.cache_read.input_tokens": 256 if turn else 0,
    } | content
    return {
        "traceId": f"{conversation:032x}",
        "spanId": f"{conversation * 100 + turn + 1:016x}",
        "name": "chat gpt-5.1",
        "kind": 3,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 900_000_000),
        "attributes": [attribute(key, value) for key, value in values.items()],
        "status": {},
    }


def interleaved(draw: random.Random) -> Iterator[dict[str, object]]:
    """Agents at work side by side: their spans end in no order."""
    number, running = 0, list[Iterator[dict[str, object]]]()
    while True:
        while len(running) < AT_ONCE:
            number += 1
            running.append(agent_spans(draw, number))
        chosen = draw.randrange(AT_ONCE)
        found = next(running[chosen], None)
        if found is None:
            del running[chosen]
        else:
            yield found


def one_by_one(draw: random.Random) -> Iterator[dict[str, object]]:
    """One conversation after another."""
    return chain.from_iterable(spans(draw, number) for number in count(1))


def write_otlp(path: Path, megabytes: float, *, lean: bool = False) -> None:
    """Exports of a hundred spans a line, as a batch processor sends them.

    Args:
        path: the file.
        megabytes: its size, about.
        lean: whether the spans have nothing but their messages.
    """
    draw = random.Random(7)  # noqa: S311 - a reproducible log, not a secret
    written, log_of = 0, one_by_one(draw) if lean else interleaved(draw)
    scope = {"name": "opentelemetry.instrumentation.openai", "version": "2.4b0"}
    service = {"attributes": [attribute("service.name", "shop")]}
    with path.open("w", encoding="utf-8") as log:
        while written < megabytes * 1e6:
            scoped = [{"scope": scope, "spans": list(islice(log_of, 100))}]
            line = json.dumps({"resourceSpans": [{"resource": service, "scopeSpans": scoped}]})
            written += log.write(line + "\n")


def write_protobuf(path: Path, source: Path) -> None:
    """The same exports as the collector writes them in protobuf."""
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    with path.open("wb") as file, source.open("rb") as log:
        for line in log:
            export = json_format.Parse(line, trace_service_pb2.ExportTraceServiceRequest())
            for resource in export.resource_spans:
                for scope in resource.scope_spans:
                    for span, given in zip(scope.spans, _given(line), strict=True):
                        # OTLP's JSON has its ids in hexadecimal, protobuf's own in base64.
                        span.trace_id = bytes.fromhex(given["traceId"])
                        span.span_id = bytes.fromhex(given["spanId"])
            data = export.SerializeToString()
            file.write(len(data).to_bytes(4, "big") + data)


def _given(line: bytes) -> list[dict[str, str]]:
    return json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]


def write_litellm(path: Path, megabytes: float, *, failed: float = 0.0) -> None:
    """A proxy's log without messages: half a kilobyte a call.

    Args:
        path: the file.
        megabytes: its size, about.
        failed: share of calls that failed.
    """
    draw = random.Random(7)  # noqa: S311 - as above
    written = number = 0
    with path.open("w", encoding="utf-8") as log:
        while written < megabytes * 1e6:
            number += 1
            call = proxied(number, draw.choice((0, 0, 1024, 2048)))
            if failed and draw.random() < failed:
                call = refused(call)
            written += log.write(json.dumps(call) + "\n")


def proxied(number: int, cached: int) -> dict[str, object]:
    """A call as the proxy logs it."""
    start = START / 1e9 + number
    return {
        "id": f"chatcmpl-{number}",
        "trace_id": f"t{number // 3}",
        "call_type": "acompletion",
        "status": "success",
        "model": "gpt-5.1",
        "custom_llm_provider": "openai",
        "cache_hit": None,
        "startTime": start,
        "endTime": start + 1.5,
        "completionStartTime": start + 0.4,
        "prompt_tokens": 3000,
        "completion_tokens": 120,
        "total_tokens": 3120,
        "response_cost": 0.0031,
        "metadata": {
            "user_api_key_hash": f"{number % 97:064x}",
            "user_api_key_team_id": f"team{number % 5}",
            "usage_object": {"prompt_tokens_details": {"cached_tokens": cached}},
        },
    }


def refused(call: dict[str, object]) -> dict[str, object]:
    """The same call, had the provider refused it."""
    counted = {"completionStartTime", "prompt_tokens", "completion_tokens", "total_tokens"}
    left = {name: value for name, value in call.items() if name not in counted | {"metadata"}}
    return left | {"status": "failure", "error_information": {"error_class": "RateLimitError"}}


def bare(path: Path, name: str) -> None:
    """Decode every line into the reader's own types, and nothing else."""
    import msgspec

    from llmops_cli.traffic import FORMATS

    decode = msgspec.json.Decoder(FORMATS[name].Line).decode
    with path.open("rb") as log:
        for line in log:
            decode(line)


def parse_protobuf(path: Path) -> None:
    """Parse every message with the official package, and nothing else."""
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    parse = trace_service_pb2.ExportTraceServiceRequest.FromString
    with path.open("rb") as file:
        while head := file.read(4):
            parse(file.read(int.from_bytes(head, "big")))


def read(path: Path, jobs: int) -> None:
    """Read to calls, table by table, as ``llmops ingest`` does."""
    from llmops_cli.traffic import Options, Reading

    with TemporaryDirectory() as spool:
        for table in Reading([path], Options(), jobs=jobs, spool=Path(spool)).tables():
            del table


WORK: dict[str, Callable[[Path], None]] = {
    "bare-otlp-json": lambda path: bare(path, "otlp-json"),
    "bare-litellm": lambda path: bare(path, "litellm"),
    "bare-protobuf": parse_protobuf,
    "read-1": lambda path: read(path, 1),
    "read-2": lambda path: read(path, 2),
}


@dataclass(frozen=True)
class Measured:
    """One reading.

    Attributes:
        seconds: by the wall clock.
        own: seconds that the process computed itself.
        workers: seconds that its workers did, their start among them.
        peak: MB at most, of the process and of a worker.
    """

    seconds: float
    own: float
    workers: float
    peak: tuple[float, float]


def measured(work: str, path: Path, runs: int = RUNS) -> Measured:
    """The best of a few processes by every figure, but the worst peak."""
    command = [sys.executable, __file__, "--work", work, "--path", str(path)]
    results = [
        json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        for _ in range(runs)
    ]
    best = min(results, key=lambda item: max(item[1:3]))
    peak = max(item[3] for item in results), max(item[4] for item in results)
    return Measured(min(item[0] for item in results), best[1], best[2], peak)


def child(work: str, path: Path) -> None:
    """One measurement, printed as JSON; imports are not part of it."""
    names = ["pandas", "llmops_cli.traffic.reading"]  # Arrow loads pandas at its first array
    if path.suffix == ".binpb":
        names += [f"opentelemetry.proto.collector.{of}.v1.{of}_service_pb2" for of in SIGNALS]
    for name in names:
        import_module(name)
    start, computed = time.perf_counter(), time.process_time()
    WORK[work](path)
    seconds, own = time.perf_counter() - start, time.process_time() - computed
    for process in active_children():  # what has not ended is not counted yet
        process.join()
    worker, me = resource.getrusage(resource.RUSAGE_CHILDREN), resource.RUSAGE_SELF
    peak = resource.getrusage(me).ru_maxrss / 1024, worker.ru_maxrss / 1024
    print(json.dumps([seconds, own, worker.ru_utime + worker.ru_stime, *peak]))


def compare(title: str, path: Path, floor: str) -> None:
    """The floor, one process and two, as speeds and ratios."""
    size = path.stat().st_size / 1e6
    bottom, one, two = (measured(work, path) for work in (floor, "read-1", "read-2"))
    busier = max(two.own, two.workers)
    print(f"{title}, {size:.0f} MB, best of {RUNS}")
    print(f"  {floor:20s} {told(bottom, size)}")
    print(f"  one process          {told(one, size)}, {one.peak[0]:.0f} MB peak")
    print(f"  two processes        {told(two, size)} and {two.workers:.2f} s, "
          f"{two.peak[0]:.0f} and {two.peak[1]:.0f} MB peak")  # fmt: skip
    print(f"  one over the floor   {bottom.seconds / one.seconds:.2f}x by the clock, "
          f"{bottom.own / one.own:.2f}x computed (aim 0.35x)")  # fmt: skip
    print(f"  two over one         {one.seconds / two.seconds:.2f}x by the clock, "
          f"{one.own / busier:.2f}x computed (aim 1.7x)")  # fmt: skip


def told(figures: Measured, size: float) -> str:
    """Seconds, speed, and what the process computed."""
    speed = size / figures.seconds
    return f"{figures.seconds:6.2f} s  {speed:5.0f} MB/s, computed {figures.own:5.2f} s"


def made(name: str, write: Callable[[Path], None]) -> Path:
    """A file of the benchmark, written once."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / name
    if not path.exists():
        write(path)
    return path


def main() -> None:
    """Print every comparison, then the peak memory of a large input."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--mb", type=float, default=200)
    parser.add_argument("--large-mb", type=float, default=2000)
    parser.add_argument("--work")
    parser.add_argument("--path", type=Path)
    given = parser.parse_args()
    if given.work:
        child(given.work, given.path)
        return
    otlp = made(f"otlp-agents-{given.mb:g}mb.jsonl", lambda path: write_otlp(path, given.mb))
    compare("OTLP JSON", otlp, "bare-otlp-json")
    lean = made(f"otlp-{given.mb:g}mb.jsonl", lambda path: write_otlp(path, given.mb, lean=True))
    compare("OTLP JSON, messages only", lean, "bare-otlp-json")
    protobuf = made(f"otlp-agents-{given.mb:g}mb.binpb", lambda path: write_protobuf(path, otlp))
    compare("OTLP protobuf", protobuf, "bare-protobuf")
    thin = made(f"litellm-{given.mb:g}mb.jsonl", lambda path: write_litellm(path, given.mb))
    compare("LiteLLM", thin, "bare-litellm")
    failing = made(
        f"litellm-failing-{given.mb:g}mb.jsonl",
        lambda path: write_litellm(path, given.mb, failed=0.01),
    )
    compare("LiteLLM, one call of a hundred failed", failing, "bare-litellm")
    large = made(
        f"otlp-agents-{given.large_mb:g}mb.jsonl", lambda path: write_otlp(path, given.large_mb)
    )
    for work in ("read-1", "read-2"):
        found = measured(work, large, runs=1)
        print(f"OTLP JSON, {large.stat().st_size / 1e6:.0f} MB, {work}: {found.seconds:.1f} s, "
              f"{sum(found.peak):.0f} MB peak together (aim below 400 MB)")  # fmt: skip
    large.unlink()


if __name__ == "__main__":
    main()
