"""How much cache fits beside the weights."""

from dataclasses import dataclass

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.hardware.catalogue import Gpu, ModelShape
from llmops_cli.hardware.roofline import Deployment, kv_bytes_per_token, weight_bytes

__all__ = ["MOST_SEQUENCES", "Room", "kv_capacity_blocks", "kv_capacity_tokens"]


MOST_SEQUENCES = 65_536
"""No engine decodes more of them together; a larger figure is a mistake."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What of a GPU's memory an engine may use.

    Attributes:
        share: of the memory; vLLM's default is 0.9.
        reserved_gib: of every GPU, for activations and the engine's own; an assumption.
    """

    share: float = 0.9
    reserved_gib: float = 2.0


def kv_capacity_tokens(
    model: ModelShape, gpu: Gpu, deployment: Deployment | None = None, room: Room | None = None
) -> int:
    """Tokens of context that all sequences together may hold.

    Args:
        model: its shape.
        gpu: one of the GPUs.
        deployment: how it is laid out; one GPU and 16 bits by default.
        room: what of the memory may be used.

    Raises:
        LlmopsError: ``hardware-no-room`` where the weights leave none.
    """
    given, allowed = deployment or Deployment(), room or Room()
    each = allowed.share * gpu.memory_bytes - allowed.reserved_gib * 2**30
    left = given.tensor_parallel * each - weight_bytes(model, given)
    tokens = int(left // kv_bytes_per_token(model, given))
    if tokens < 1:
        weights = weight_bytes(model, given) / 2**30
        raise LlmopsError(
            "hardware-no-room",
            f"{weights:.0f} GiB of weights of {model.name} leave no room for a cache on "
            f"{given.tensor_parallel} x {gpu.name}",
            hint="more GPUs (--tensor-parallel), or weights of fewer bits",
            exit_code=ExitCode.USAGE,
        )
    return tokens


def kv_capacity_blocks(tokens: int, block_tokens: int) -> int:
    """Whole blocks in so many tokens."""
    return tokens // block_tokens
