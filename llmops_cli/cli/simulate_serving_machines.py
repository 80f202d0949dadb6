"""The machines of simulate-serving: names become shapes, a file of measured steps a step time."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_cli.cli.text_file import text_of
from llmops_cli.errors import ExitCode
from llmops_cli.report import Finding

if TYPE_CHECKING:
    from llmops_cli.serving.machines import Machines

__all__ = ["MachineOptions", "machines_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineOptions:
    """What the command line says of machines.

    Attributes:
        model: name, or numbers.
        gpu: name, or numbers.
        tensor_parallel: GPUs of a replica.
        weight_bits: of a stored weight.
        replicas: copies of the model.
        blocks: KV blocks of a replica; None for what memory leaves.
        latency: ``roofline``, a published step time, or a file of measured steps.
    """

    model: str
    gpu: str
    tensor_parallel: int
    weight_bits: int
    replicas: int
    blocks: int | None
    latency: str


def machines_of(given: MachineOptions) -> "tuple[Machines, tuple[Finding, ...]]":
    """The machines, and how well measured steps were fitted.

    Raises:
        LlmopsError: unknown names, and what a file of measured steps lacks.
    """
    from llmops_cli.hardware.catalogue import gpu_named, model_named
    from llmops_cli.hardware.fit import fit_affine
    from llmops_cli.hardware.known_steps import known_step, known_steps
    from llmops_cli.hardware.roofline import Deployment
    from llmops_cli.serving.machines import ROOFLINE, Machines
    from llmops_cli.traffic.step_times import read_step_times

    step, notes = None, ()
    if given.latency not in {ROOFLINE, *known_steps()}:
        path = Path(given.latency)
        if not path.suffix and not path.exists():
            known_step(given.latency)  # refuses the name
        hint = "--latency-model roofline, dynamo, or a CSV file"
        slug, what = "serving-steps-unreadable", "measured steps"
        lines = text_of(path, slug, what, hint=hint, exit_code=ExitCode.USAGE).splitlines()
        fitted = fit_affine(read_step_times(lines, source=str(path)))
        step, notes = fitted.step, (_fit_finding(path, fitted.median_error, fitted.p90_error),)
    machines = Machines(
        model=model_named(given.model),
        gpu=gpu_named(given.gpu),
        deployment=Deployment(tensor_parallel=given.tensor_parallel, weight_bits=given.weight_bits),
        replicas=given.replicas,
        blocks=given.blocks,
        latency=given.latency if step is None else ROOFLINE,
        measured=step,
    )
    return machines, notes


def _fit_finding(path: Path, median: float, p90: float) -> Finding:
    return Finding(
        slug="serving-steps-fitted",
        severity="note",
        message=f"the plane through the measured steps is off by {100 * median:.1f} % in the "
        f"median and {100 * p90:.1f} % in the worst tenth, on steps it was not fitted to",
        file=str(path),
    )
