"""The machines that policies are compared on: a model on GPUs, and how long its steps take."""

from dataclasses import dataclass, field

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.hardware.capacity import kv_capacity_blocks, kv_capacity_tokens
from llmops_cli.hardware.catalogue import Gpu, ModelShape
from llmops_cli.hardware.known_steps import known_step
from llmops_cli.hardware.roofline import Deployment, kv_bytes_per_token, roofline
from llmops_cli.hardware.step_time import StepTime

__all__ = ["ROOFLINE", "Machines"]

ROOFLINE = "roofline"
"""Name of the step time that is derived from data sheets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machines:
    """What every policy runs on, unless its line says otherwise.

    Attributes:
        model: its shape.
        gpu: one of the GPUs of a replica.
        deployment: how the model is laid out on them.
        replicas: copies of the model.
        blocks: KV blocks of a replica; None for what memory leaves beside the weights.
        latency: ``roofline``, or the name of a published step time.
        measured: a step time fitted to the user's own table, in place of ``latency``.
    """

    model: ModelShape
    gpu: Gpu
    deployment: Deployment = field(default_factory=Deployment)
    replicas: int = 4
    blocks: int | None = None
    latency: str = ROOFLINE
    measured: StepTime | None = None

    def step_time(self) -> StepTime:
        """How long an iteration of a replica takes.

        Raises:
            LlmopsError: ``hardware-unknown-step``.
        """
        if self.measured is not None:
            return self.measured
        if self.latency == ROOFLINE:
            return roofline(self.model, self.gpu, self.deployment)
        return known_step(self.latency)

    @property
    def kv_bytes(self) -> float:
        """Cache of one token over all GPUs of a replica."""
        return kv_bytes_per_token(self.model, self.deployment)

    def capacity(self, block_tokens: int) -> int:
        """KV blocks of one replica.

        Raises:
            LlmopsError: ``serving-no-memory`` for fewer than one; ``hardware-no-room``.
        """
        blocks = self.blocks
        if blocks is None:
            tokens = kv_capacity_tokens(self.model, self.gpu, self.deployment)
            blocks = kv_capacity_blocks(tokens, block_tokens)
        if blocks < 1:
            raise LlmopsError(
                "serving-no-memory",
                f"a replica needs a KV block at least, not {blocks}",
                hint="blocks=16384 in a policy, or --blocks 16384",
                exit_code=ExitCode.USAGE,
            )
        return blocks
