"""``llmops simulate-serving``: routing, batching and fleet sizes compared on the team's trace."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from llmops_cli.cli.logs import Logs
from llmops_cli.cli.options import Shared, command
from llmops_cli.cli.show import finish
from llmops_cli.cli.simulate_serving_input import Load, read_load
from llmops_cli.cli.simulate_serving_machines import MachineOptions, machines_of
from llmops_cli.cli.simulate_serving_output import check_outputs, write_outputs

__all__ = ["register", "simulate_serving"]


def _option(name: str, what: str, metavar: str = "X", *more: str) -> Any:
    return typer.Option(f"--{name}", *more, metavar=metavar, help=what, show_default=False)


def simulate_serving(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="A request trace (Mooncake, Bailian, Azure, BurstGPT, vLLM block hashes) or logs "
            "of calls; files, folders, globs, or - for a trace.",
            show_default=False,
        ),
    ],
    *,
    policy: Annotated[
        list[str] | None,
        _option("policy", "What to compare, the first against the others; repeat.", "LINE"),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        _option("sweep", "Every policy with each value, as chunk=256,512; repeat.", "KEY=V,V"),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="Model shape, by name or numbers.")
    ] = "llama-3.1-8b",
    gpu: Annotated[
        str, typer.Option("--gpu", metavar="NAME", help="GPU, by name or numbers.")
    ] = "h100",
    tensor_parallel: Annotated[
        int, typer.Option("--tp", metavar="N", min=1, help="GPUs of a replica.")
    ] = 1,
    weight_bits: Annotated[
        int, typer.Option("--weight-bits", metavar="N", help="Of a stored weight.")
    ] = 16,
    replicas: Annotated[
        int, typer.Option("--replicas", metavar="N", min=1, help="Copies of the model.")
    ] = 4,
    blocks: Annotated[
        int | None,
        typer.Option(
            "--blocks",
            metavar="N",
            min=1,
            help="KV blocks of a replica; else what memory leaves.",
            show_default=False,
        ),
    ] = None,
    latency_model: Annotated[
        str,
        typer.Option(
            "--latency-model",
            metavar="NAME|FILE",
            help="roofline | dynamo, or a CSV of measured steps: batch,tokens,context,ms.",
        ),
    ] = "roofline",
    block_size: Annotated[
        int | None,
        _option("block-size", "Tokens of a hashed block, where lengths do not tell.", "N"),
    ] = None,
    rate_scale: Annotated[
        float, typer.Option("--rate-scale", metavar="X", help="Times the trace's own rate.")
    ] = 1.0,
    window: Annotated[
        str, _option("window", "Only arrivals in this stretch, in seconds.", "START:END")
    ] = "",
    warm_up: Annotated[
        float | None,
        _option("warm-up", "Seconds that are served and not counted; else a rule.", "SECONDS"),
    ] = None,
    slo: Annotated[
        str, _option("slo", "Limits of a request in seconds.", "ttft=S,tpot=S,share=P")
    ] = "",
    find_capacity: Annotated[
        str,
        _option("find-capacity", "Search: most traffic, or fewest replicas.", "rate|replicas"),
    ] = "",
    gpu_usd_per_hour: Annotated[
        float | None, _option("gpu-usd-per-hour", "Price of one GPU.", "USD")
    ] = None,
    min_goodput: Annotated[
        float | None, _option("min-goodput", "Gate: requests within the SLO.", "SHARE")
    ] = None,
    max_ttft_p99: Annotated[
        float | None, _option("max-ttft-p99", "Gate: time to first token.", "SECONDS")
    ] = None,
    min_hit_rate: Annotated[
        float | None, _option("min-hit-rate", "Gate: prompt tokens from cache.", "SHARE")
    ] = None,
    events: Annotated[
        Path | None, _option("events", "Write every event as Parquet.", "PATH")
    ] = None,
    perfetto: Annotated[
        Path | None, _option("perfetto", "Write a Chrome trace for Perfetto.", "PATH")
    ] = None,
    logs: Logs,
    shared: Shared,
) -> None:
    """Compare serving policies on a trace.

    Replays your requests through a model of the fleet under each policy: routers, batching,
    prefix caches, prefill and decode apart. Without a policy, blind routing is compared with
    cache-aware routing.

    A policy is a line of KEY=VALUE: router, batching, chunk, batch, replicas, blocks, eviction,
    decode, delay, think and more; a wrong key lists them. Gates are held against the policy that
    does best, on intervals over resampled stretches of the trace.

    The first run after an installation compiles the simulator, which takes half a minute.
    """
    from llmops_cli.serving import ServingParameters, compare_policies, parse_slo
    from llmops_cli.serving.policy_lines import DEFAULT_LINES, parse_line, parse_sweep, swept
    from llmops_cli.serving.report import report

    lines = [parse_line(text) for text in policy or ()] or DEFAULT_LINES
    lines = swept(lines, [parse_sweep(text) for text in sweep or ()])
    given = ServingParameters(
        slo=parse_slo(slo) if slo else None,
        find=find_capacity,  # type: ignore[arg-type] - a wrong one is refused there
        warm_up_s=warm_up,
        gpu_usd_per_hour=gpu_usd_per_hour,
        min_goodput=min_goodput,
        max_ttft_p99_s=max_ttft_p99,
        min_hit_rate=min_hit_rate,
        seed=shared.seed,
        jobs=shared.jobs,
    )
    check_outputs((events, perfetto))
    machines, notes = machines_of(
        MachineOptions(
            model=model,
            gpu=gpu,
            tensor_parallel=tensor_parallel,
            weight_bits=weight_bits,
            replicas=replicas,
            blocks=blocks,
            latency=latency_model,
        )
    )
    load = read_load(paths, Load(window, rate_scale, block_size), logs, shared)
    record = events is not None or perfetto is not None
    found = compare_policies(load.trace, machines, lines, given, record=record)
    write_outputs(found.played, (events, perfetto))
    told = report(found, given, inputs=load.files, findings=(*load.findings, *notes))
    asked = {"model": machines.model.name, "gpu": machines.gpu.name, "tp": tensor_parallel}
    asked |= {"latency_model": latency_model, "rate_scale": rate_scale, "window": window or None}
    finish(replace(told, parameters={**told.parameters, **asked}), shared)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "simulate-serving",
        examples=(
            "llmops simulate-serving trace.jsonl",
            'llmops simulate-serving logs/ --policy router=random --policy "router=kv chunk=512"',
            "llmops simulate-serving trace.jsonl --find-capacity rate --slo ttft=2,tpot=0.05",
            "llmops simulate-serving trace.jsonl --policy router=kv --sweep chunk=256,512,1024",
        ),
    )(simulate_serving)
