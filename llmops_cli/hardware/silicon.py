"""How far the roofline is from measured serving systems: its error, row by row.

The table is that of AIConfigurator's accuracy tracking: time to first token and time per output
token of real deployments at a fixed number of concurrent requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from llmops_cli.errors import LlmopsError
from llmops_cli.hardware.catalogue import Gpu, ModelShape, gpu_named, model_named
from llmops_cli.hardware.iteration import Load, load_of, seconds
from llmops_cli.hardware.roofline import Deployment, roofline
from llmops_cli.hardware.step_time import StepTime
from llmops_cli.yaml_text import shipped_yaml

__all__ = ["RooflineError", "SiliconRow", "error_of", "roofline_error", "silicon_errors"]

_BITS = {"fp4": 4, "nvfp4": 4, "fp8": 8, "fp8_block": 8, "": 16}


@dataclass(frozen=True, kw_only=True, slots=True)
class SiliconRow:
    """One measured system beside the roofline.

    Attributes:
        name: of the row.
        measure: ``tpot`` or ``ttft``.
        measured_s: seconds.
        predicted_s: seconds; None where the roofline cannot describe the row.
        reason: why it cannot.
    """

    name: str
    measure: str
    measured_s: float
    predicted_s: float | None
    reason: str = ""

    @property
    def error(self) -> float | None:
        """Predicted over measured, less 1."""
        return None if self.predicted_s is None else self.predicted_s / self.measured_s - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class RooflineError:
    """The roofline's error over the rows it can describe.

    Attributes:
        measure: ``tpot`` or ``ttft``.
        rows: described.
        median: of the absolute errors, share of what was measured.
        p90: of nine rows in ten.
        source: of the measurements.
    """

    measure: str
    rows: int
    median: float
    p90: float
    source: str


def silicon_errors(rows: Sequence[Mapping[str, str]]) -> tuple[SiliconRow, ...]:
    """The roofline beside every row of the table, twice: time per token and time to the first.

    A token's time is a decode iteration of all concurrent requests at half their answer, and the
    share of prefill that each of its steps has to carry. The first token's is one prompt's
    prefill, a lower bound: what a request waited is in the measured time and not in ours.

    Args:
        rows: columns of the published CSV by name.
    """
    return tuple(item for row in rows for item in _both(row))


def error_of(rows: Sequence[SiliconRow], measure: str, source: str = "") -> RooflineError:
    """The median and the ninth decile of absolute errors of one measure."""
    errors = [abs(row.error) for row in rows if row.measure == measure and row.error is not None]
    return RooflineError(
        measure=measure,
        rows=len(errors),
        median=float(np.median(errors)),
        p90=float(np.quantile(errors, 0.9)),
        source=source,
    )


@cache
def roofline_error(measure: str) -> RooflineError:
    """The recorded error, for reports that show an absolute latency."""
    recorded = shipped_yaml("hardware", "roofline_error.yaml")
    return RooflineError(measure=measure, source=recorded["source"], **recorded[measure])


def _both(row: Mapping[str, str]) -> tuple[SiliconRow, SiliconRow]:
    found: dict[str, float | None] = {"tpot": None, "ttft": None}
    reason = ""
    try:
        model, gpu = model_named(row["model_path"]), gpu_named(row["system"])
        found = _predicted(row, model, gpu)
    except LlmopsError as error:
        reason = error.message
    name = f"{row['model_path'].rsplit('/', 1)[-1]} {row['system']} {row['backend']} {row['mode']}"
    tpot, ttft = (
        SiliconRow(
            name=f"{name} {row['isl']}x{row['osl']}",
            measure=measure,
            measured_s=float(row[f"silicon_{measure}_ms"]) / 1000,
            predicted_s=value,
            reason=reason,
        )
        for measure, value in found.items()
    )
    return tpot, ttft


def _predicted(row: Mapping[str, str], model: ModelShape, gpu: Gpu) -> dict[str, float | None]:
    given, asked = float(row["isl"]), float(row["osl"])
    apart = row["mode"] == "disagg"
    decode = "decode_" if apart else ""
    batch, width = _number(row, f"{decode}batch_size"), _layout(row, decode)
    step = _step(row, model, gpu, width)
    own = _number(row, f"{decode}attention_dp_size") or 1.0
    together = batch * own if apart else batch
    context = given + asked / 2
    tpot = float(seconds(step, Load(decoding=together, decode_context=together * context)))
    pre = _step(row, model, gpu, _layout(row, "prefill_" if apart else ""))
    ttft = float(seconds(pre, load_of([(int(given), 0)], [])))
    if not apart:
        # In steady state every request that ends is followed by a prompt, which all wait for.
        tpot += together / asked * ttft
    return {"tpot": tpot, "ttft": ttft}


def _layout(row: Mapping[str, str], pool: str) -> int:
    """GPUs of one replica: shards of a layer, times ranks of data-parallel attention."""
    return int(_number(row, f"{pool}tp_size") * (_number(row, f"{pool}attention_dp_size") or 1.0))


def _step(row: Mapping[str, str], model: ModelShape, gpu: Gpu, width: int) -> StepTime:
    bits = _BITS[row["gemm_quant_mode"]]
    return roofline(model, gpu, Deployment(tensor_parallel=width, weight_bits=bits))


def _number(row: Mapping[str, str], column: str) -> float:
    return float(row[column] or 0)
