"""``llmops plan-speculation``: does speculative decoding pay, with which draft, up to where."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmops_cli.cli.exports_option import exports_of
from llmops_cli.cli.options import Shared, command
from llmops_cli.cli.plan_output import check_output, write_plan
from llmops_cli.cli.plan_speculation_drafts import read_drafts
from llmops_cli.cli.show import finish, write_atomically
from llmops_cli.cli.text_file import text_of
from llmops_cli.errors import LlmopsError

if TYPE_CHECKING:
    from llmops_cli.hardware.fit import Measured
    from llmops_cli.speculation.model import Load, Machine
    from llmops_cli.speculation.settings import SpeculationPlan

__all__ = ["plan_speculation", "register"]


_SMALL = '--draft "small model=Llama-3.2-1B"'
_EAGLE = '--draft "eagle model=EAGLE-Llama-3.1-8B log=eagle.jsonl" --draft "ngram log=ngram.jsonl"'
_GATE = "--load 1:0.2,16:0.8 --min-speedup 1.2 --export vllm=vllm.yaml"
_EXAMPLES = (
    f"llmops plan-speculation log.jsonl --target Llama-3.1-8B --gpu H100 {_SMALL}",
    f"llmops plan-speculation --target Llama-3.1-8B --gpu H100 {_EAGLE} --load load.csv",
    f"llmops plan-speculation log.jsonl --target Llama-3.1-8B --gpu L40S {_SMALL} {_GATE}",
)


def _option(name: str, what: str, metavar: str = "X") -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=what, show_default=False)


def plan_speculation(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Acceptance: Spec-Bench or vLLM rows, scrapes by time, or a CSV of rates.",
            show_default=False,
        ),
    ] = None,
    *,
    target: Annotated[
        str, typer.Option("--target", metavar="MODEL", help="Model that verifies; or its numbers.")
    ],
    gpu: Annotated[str, typer.Option("--gpu", metavar="NAME", help="GPU; or its numbers.")],
    draft: Annotated[
        list[str] | None,
        _option(
            "draft",
            "NAME and model= log= kind=chain|tree|ngram|parallel drafted= levels= pass-ms= "
            "temperature= lengths=bonus|accepted method= path=; repeat to rank.",
            "LINE",
        ),
    ] = None,
    load: Annotated[
        str,
        _option(
            "load",
            "Share of decoding time by batch: 1:0.2,8:0.5, a CSV, or events of simulate-serving.",
            "LOAD",
        ),
    ] = "",
    context: Annotated[
        float, typer.Option("--context", metavar="TOKENS", help="Before a step, per sequence.")
    ] = 1024.0,
    tensor_parallel: Annotated[
        int, typer.Option("--tensor-parallel", metavar="N", help="GPUs that share a layer.")
    ] = 1,
    weight_bits: Annotated[
        int, typer.Option("--weight-bits", metavar="N", help="Of a weight: 16, 8 or 4.")
    ] = 16,
    step_times: Annotated[
        Path | None,
        _option("step-times", "Measured steps of the target: batch,tokens,context,ms.", "CSV"),
    ] = None,
    temperature: Annotated[
        float | None, _option("temperature", "That will be served; only its rows count.", "T")
    ] = None,
    min_speedup: Annotated[
        float | None, _option("min-speedup", "Gate: times as fast over the load.", "X")
    ] = None,
    gpu_usd_per_hour: Annotated[
        float | None, _option("gpu-usd-per-hour", "Price of one GPU, for cost per token.", "USD")
    ] = None,
    reject_ms: Annotated[
        float, typer.Option("--reject-ms", metavar="MS", help="Sampling and rejection, per step.")
    ] = 0.3,
    nodes: Annotated[
        int, typer.Option("--nodes", metavar="N", help="Of a pipeline over a network.")
    ] = 1,
    hop_ms: Annotated[
        float, typer.Option("--hop-ms", metavar="MS", help="Latency of a link between nodes.")
    ] = 0.0,
    max_batch: Annotated[
        int, typer.Option("--max-batch", metavar="N", help="Largest batch to look at.")
    ] = 512,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="Write the plan as YAML; - is stdout, with -q."
        ),
    ] = None,
    export: Annotated[
        list[str] | None,
        _option("export", "Write it as settings: vllm | sglang; repeat.", "NAME=PATH"),
    ] = None,
    shared: Shared,
) -> None:
    """Say whether speculative decoding pays: go, no-go, or not decided.

    From acceptance that was logged (per request, per position, or as rates), the shapes of
    target and draft, a GPU and a load over batch sizes: tokens per step with intervals, what
    verification and drafting cost by batch, the best number of drafted tokens, and the batch
    above which speculation is a loss.

    With --min-speedup the gate passes (0), fails (1) or is not decided (4) on the interval of the
    speedup over the load; it covers what other requests might bring and, without --step-times,
    every efficiency that is common.
    """
    from llmops_cli.speculation.analysis import analyse
    from llmops_cli.speculation.model import Load, SpeculationParameters
    from llmops_cli.speculation.report import report
    from llmops_cli.speculation.settings import to_yaml, written_plan

    writers = _writers() if export else {}
    exports = exports_of(export, writers)
    check_output(output, shared)
    asked = _load_of(load)
    machine = _machine(
        (target, gpu), (tensor_parallel, weight_bits), context, (reject_ms, nodes, hop_ms),
        _measured(step_times),
    )  # fmt: skip
    given = SpeculationParameters(
        min_speedup=min_speedup,
        temperature=temperature,
        seed=shared.seed,
        gpu_usd_per_hour=gpu_usd_per_hour,
        max_batch=max_batch,
    )
    read = read_drafts(draft or [], paths or [], shared)
    found = analyse(machine, read.logged, asked or read.load or Load(), given)
    shown = report(found, inputs=read.files, findings=read.findings)
    plan = written_plan(found, shown)
    for name, path in exports.items():
        write_atomically(path, writers[name](plan))
    write_plan(output, to_yaml(plan))
    finish(shown, shared)


def _writers() -> "Mapping[str, Callable[[SpeculationPlan], str]]":
    from llmops_cli.exports import SPECULATION_EXPORTS

    return SPECULATION_EXPORTS


def _machine(
    names: tuple[str, str],
    layout: tuple[int, int],
    context: float,
    costs: tuple[float, int, float],
    measured: "Measured | None",
) -> "Machine":
    from llmops_cli.hardware.catalogue import gpu_named, model_named
    from llmops_cli.hardware.roofline import Deployment
    from llmops_cli.speculation.model import Machine

    (target, gpu), (wide, bits), (reject_ms, nodes, hop_ms) = names, layout, costs
    return Machine(
        target=model_named(target),
        gpu=gpu_named(gpu),
        deployment=Deployment(tensor_parallel=wide, weight_bits=bits),
        context=context,
        measured=measured,
        reject_s=reject_ms / 1000,
        nodes=nodes,
        hop_s=hop_ms / 1000,
    )


def _load_of(text: str) -> "Load | None":
    from llmops_cli.speculation.load import load_of_rows, load_of_text

    if not text:
        return None
    path, mark, policy = text.rpartition(".parquet")
    if mark and policy[:1] in {"", ":"}:
        return _replayed(path + mark, policy[1:])
    if Path(text).suffix == ".csv":
        return load_of_rows(_lines(Path(text)), source=text)
    return load_of_text(text)


def _replayed(path: str, policy: str) -> "Load":
    from llmops_cli.speculation.load import load_of_batches
    from llmops_cli.traffic.replayed_batches import read_replayed_batches

    name = f"replayed batches of {path}"
    found = load_of_batches(*read_replayed_batches(path, policy), source=name)
    if found is None:
        raise LlmopsError("load-nothing-decoded", "no iteration of it decodes", file=path)
    return found


def _measured(path: Path | None) -> "Measured | None":
    from llmops_cli.traffic.step_times import read_step_times

    return None if path is None else read_step_times(_lines(path), source=str(path))


def _lines(path: Path) -> list[str]:
    return text_of(path, "table-unreadable").splitlines()


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "plan-speculation",
        examples=_EXAMPLES,
    )(plan_speculation)
