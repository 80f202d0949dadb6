"""Coverage-guided fuzzing of the readers, outside the normal tests; see README.md beside it.

Half of the inputs are bytes as they come, half are typical lines with values put in wrong
places. Whatever is read, every line must end as a call, a row joined to calls, a row that is
rightly none, or a bad row; any exception but a refusal of ours is a finding.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["llmops_cli"]):
    import llmops_cli.traffic.otlp.protobuf as otlp_protobuf
    from llmops_cli.calls import block_trace, from_arrow, validate
    from llmops_cli.errors import LlmopsError
    from llmops_cli.traffic import FORMATS, Options
    from llmops_cli.traffic.assembly import assemble
    from llmops_cli.traffic.decisions import read_decisions
    from llmops_cli.traffic.json_lines import JsonLinesReader
    from llmops_cli.traffic.reading import Reading
    from llmops_cli.traffic.sink import RowSink
    from llmops_cli.traffic.spool import Spool
    from llmops_cli.views import FORMATS as VIEWS
    from llmops_cli.views import render
    from llmops_cli.views.json import parse

TYPICAL: dict[str, list[Any]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "typical_lines.json").read_bytes()
)
ODD = [json.dumps(odd) for odd in (
    None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**40, 0.5, -0.5, 1e300, 5e-324, "", "x", "0",
    "-1", "NaN", "1e400", "9" * 5000, "\u0000", "\ud83d\ude00",
    "2026-09-01", "2026-02-30T25:61:61Z",
    "0001-01-01T00:00:00+23:59", [], {}, [[]], [{}], [None], {"": None}, {"type": "text"},
    {"stringValue": "x"}, {"intValue": "x"}, {"arrayValue": {}}, {"kvlistValue": {"values": []}},
)]  # fmt: skip


def value(data: atheris.FuzzedDataProvider, depth: int = 0) -> Any:  # noqa: ANN401 - JSON
    kind = data.ConsumeIntInRange(0, 5 if depth < 3 else 3)
    if kind == 0:
        return data.ConsumeInt(9)
    if kind == 1:
        return data.ConsumeUnicodeNoSurrogates(12)
    if kind == 4:
        return [value(data, depth + 1) for _ in range(data.ConsumeIntInRange(0, 3))]
    if kind == 5:
        names = range(data.ConsumeIntInRange(0, 3))
        return {data.ConsumeUnicodeNoSurrogates(9): value(data, depth + 1) for _ in names}
    return json.loads(data.PickValueInList(ODD))


def places(inner: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - JSON
    """Every container in a JSON value with each of its keys."""
    if isinstance(inner, dict | list):
        for key, below in inner.items() if isinstance(inner, dict) else enumerate(inner):
            yield inner, key
            yield from places(below)


def mutated(data: atheris.FuzzedDataProvider, lines: list[Any]) -> Any:  # noqa: ANN401 - JSON
    line = json.loads(json.dumps(data.PickValueInList(lines)))
    for _ in range(data.ConsumeIntInRange(1, 3)):
        found = list(places(line))
        if not found:
            break
        container, key = found[data.ConsumeIntInRange(0, len(found) - 1)]
        action = data.ConsumeIntInRange(0, 3)
        if action == 0:
            del container[key]
        elif action == 1 and isinstance(container, dict):
            container[data.ConsumeUnicodeNoSurrogates(9)] = container.pop(key)
        else:
            container[key] = value(data)
    return line


def read_line(name: str) -> Callable[[bytes], None]:
    def one(raw: bytes) -> None:
        data = atheris.FuzzedDataProvider(raw)
        chosen = data.PickValueInList(["auto", name, name])
        options = Options(format=chosen, spans=data.ConsumeBool(), keep_content=data.ConsumeBool())
        if data.ConsumeBool():
            line = data.ConsumeBytes(len(raw)).replace(b"\n", b" ")
            lines = [] if line.isspace() else [line]
        else:
            count = data.ConsumeIntInRange(1, 8)
            lines = [json.dumps(mutated(data, TYPICAL[name])).encode() for _ in range(count)]
        sink = RowSink(options, "log")
        batches = list(JsonLinesReader(options).batches(enumerate(lines, 1), sink))
        staged = Spool(None)
        for batch in batches:
            if batch.kind == "staged":
                staged.add(batch.table)
        tables = [*assemble(staged, None, {})]
        for table in [*tables, *(batch.table for batch in batches if batch.kind == "calls")]:
            calls = from_arrow(table)
            validate(calls)
            block_trace(calls)
        told = len(sink.bad) + sum(sink.formats.values()) + sum(sink.skipped.values())
        spoken = sum(b"resource" not in line for line in lines)  # an export may hold nothing
        assert told >= spoken, "a line went without a word"

    return one


def through_file(ending: str, read: Callable[[Path], object]) -> Callable[[bytes], None]:
    folder = Path(tempfile.mkdtemp())

    def one(raw: bytes) -> None:
        path = folder / f"log.{ending}"
        path.write_bytes(raw)
        try:
            read(path)
        except LlmopsError:
            return

    return one


def read_file(path: Path) -> None:
    for _ in Reading([path], Options(spans=True)).tables():
        pass


def read_decision_lines(path: Path) -> None:
    path.write_bytes(HEADERS[path.suffix] + path.read_bytes())
    read_decisions([path])


HEADERS = {
    ".csv": b"id,judge,gold,weak_cost_usd\n1,1,0,0.5\n",
    ".jsonl": b'{"id": "1", "judge": 1, "gold": 0, "weak_cost_usd": 0.5}\n',
}
REPORT = json.loads((Path(__file__).parents[1] / "golden" / "report-1.json").read_bytes())


def show(raw: bytes) -> None:
    data = atheris.FuzzedDataProvider(raw)
    is_bytes = data.ConsumeBool()
    text = data.ConsumeBytes(len(raw)) if is_bytes else json.dumps(mutated(data, [REPORT])).encode()
    try:
        report = parse(text, "report.json")
    except LlmopsError:
        return
    for name in VIEWS:
        render(report, name)


TARGETS: dict[str, Callable[[bytes], None]] = {
    **{name: read_line(name) for name in FORMATS},
    otlp_protobuf.NAME: through_file("binpb", read_file),
    "any-file": through_file("jsonl", read_file),
    "gzip": through_file("jsonl.gz", read_file),
    "zstd": through_file("jsonl.zst", read_file),
    "parquet": through_file("parquet", read_file),
    "decisions-csv": through_file("csv", read_decision_lines),
    "decisions-jsonl": through_file("jsonl", read_decision_lines),
    "show": show,
}


def main() -> None:
    """Fuzz the target named first; the other arguments are libFuzzer's."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: fuzz_readers.py {{{','.join(TARGETS)}}} [-max_total_time=SECONDS …]")
    one = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
