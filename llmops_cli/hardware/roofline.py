"""A model on GPUs becomes a step time: the larger of arithmetic and memory traffic.

Weights are read once per iteration, the cache once per token of context, and of the experts as
many as the tokens of the iteration are expected to visit.
"""

from dataclasses import dataclass, field

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.hardware.catalogue import BILLION, Gpu, ModelShape
from llmops_cli.hardware.step_time import StepForm, StepTime

__all__ = ["Deployment", "Efficiency", "kv_bytes_per_token", "roofline", "weight_bytes"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Efficiency:
    """What of the data sheet is reached; by default the middle of what is commonly measured.

    Attributes:
        compute: share of the peak rate; 0.4 to 0.7 is common.
        memory: share of the memory bandwidth; 0.6 to 0.85 is common.
        overhead_s: of every iteration, seconds; 1 to 5 ms is common.
        all_reduce_s: of every all-reduce of a tensor-parallel group, seconds.
    """

    compute: float = 0.55
    memory: float = 0.725
    overhead_s: float = 0.003
    all_reduce_s: float = 8e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """How a model is laid out on GPUs.

    Attributes:
        tensor_parallel: GPUs that share each layer.
        weight_bits: of a stored weight.
        kv_bits: of a stored number of the cache.
        compute_bits: of the operands that are multiplied; 0 for those of the weights, as FP8 does.
        efficiency: what of the data sheet is reached.
    """

    tensor_parallel: int = 1
    weight_bits: int = 16
    kv_bits: int = 16
    compute_bits: int = 0
    efficiency: Efficiency = field(default_factory=Efficiency)

    def __post_init__(self) -> None:
        """Refuse what no machine has."""
        widths = (self.weight_bits, self.kv_bits, self.compute_bits or 16)
        if self.tensor_parallel < 1 or not all(width in {4, 8, 16, 32} for width in widths):
            raise LlmopsError(
                "hardware-bad-deployment",
                "tensor parallelism is 1 GPU or more, and numbers have 4, 8, 16 or 32 bits",
                hint="--tensor-parallel 2 --weight-bits 8",
                exit_code=ExitCode.USAGE,
            )


def roofline(model: ModelShape, gpu: Gpu, deployment: Deployment | None = None) -> StepTime:
    """The step time of a model on GPUs.

    Args:
        model: its shape.
        gpu: one of the GPUs.
        deployment: how it is laid out on them; one GPU and 16 bits by default.

    Returns:
        Coefficients in the order of :class:`StepForm`, ``ROOFLINE``.

    Source:
        Williams, Waterman and Patterson (2009), Communications of the ACM 52(4):65-76; FLOPs
        and bytes of a transformer: Pope et al. (2022), arXiv 2211.05102.
    """
    import numpy as np  # noqa: PLC0415 - looking up a shape does without

    given = deployment or Deployment()
    reached, wide = given.efficiency, given.tensor_parallel
    if model.heads % wide:
        raise LlmopsError(
            "hardware-bad-deployment",
            f"{wide} GPUs cannot share the {model.heads} attention heads of {model.name} evenly",
            hint="engines refuse it as well: a --tensor-parallel that divides the heads",
            exit_code=ExitCode.USAGE,
        )
    experts = BILLION * model.expert_params * given.weight_bits / 8
    coefficients = [
        model.flops_per_token,
        model.flops_per_pair,
        weight_bytes(model, given) - experts,
        kv_bytes_per_token(model, given),
        wide * reached.compute * gpu.flops_at(given.compute_bits or given.weight_bits),
        wide * reached.memory * gpu.bandwidth_tbps * 1e12,
        reached.overhead_s,
        *_all_reduce(model, gpu, given),
        experts,
        model.experts_per_token / model.experts if model.experts else 0.0,
    ]
    bits = f", {given.weight_bits}-bit weights" if given.weight_bits != 16 else ""  # noqa: PLR2004
    return StepTime(
        name=f"{model.name} on {wide} x {gpu.name}{bits}",
        form=StepForm.ROOFLINE,
        coefficients=np.array(coefficients, np.float64),
        source=f"roofline; {gpu.source}; {model.source}",
    )


def weight_bytes(model: ModelShape, deployment: Deployment) -> float:
    """All weights, over all GPUs, in bytes."""
    return BILLION * model.params * deployment.weight_bits / 8


def kv_bytes_per_token(model: ModelShape, deployment: Deployment) -> float:
    """Cache of one token, over all GPUs, in bytes.

    More GPUs than heads of the cache keep the same heads twice, so they hold and read more.
    """
    copies = max(1.0, deployment.tensor_parallel / max(model.kv_heads, 1))
    return copies * model.kv_per_token * deployment.kv_bits / 8


def _all_reduce(model: ModelShape, gpu: Gpu, given: Deployment) -> tuple[float, float]:
    """Seconds per token and per iteration: two ring all-reduces of a token's width per layer."""
    wide = given.tensor_parallel
    if wide == 1:
        return 0.0, 0.0
    per_token = 2 * model.layers * 2 * (wide - 1) / wide * model.hidden * 2 / (gpu.link_gbps * 1e9)
    return per_token, 2 * model.layers * given.efficiency.all_reduce_s
