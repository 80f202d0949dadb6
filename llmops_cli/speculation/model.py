"""What is known of drafts, their costs and the load; and what is asked."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.hardware.catalogue import Gpu, ModelShape
from llmops_cli.hardware.roofline import Deployment

if TYPE_CHECKING:
    from llmops_cli.hardware.fit import Measured

__all__ = ["KINDS", "Acceptance", "Draft", "Load", "Machine", "SpeculationParameters"]

Floats = npt.NDArray[np.float64]

KINDS = ("chain", "tree", "ngram", "parallel")
"""How candidates come: one pass each, one pass a level, looked up in the text, all in one pass."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Acceptance:
    """What was accepted, by request; arrays of G requests and K positions.

    Attributes:
        steps: (G,) steps in which the target verified.
        accepted: (G, K) steps in which at least this many drafted tokens were accepted.
        reached: (G, K) steps in which this position was drafted and all before it accepted.
        offered: (G, K) steps in which this position was drafted.
        task: (G,) codes of ``tasks``; -1 for none.
        tasks: names of the classes.
        temperature: (G,) of the sampling; NaN where unknown.
        batch: (G,) sequences decoded together; NaN where unknown.
        sampled: whether rows are a sample of requests or of scrapes, so that they can be drawn
            again; totals of one scrape and rates of classes are not.
        source: of it, for reports.
    """

    steps: Floats
    accepted: Floats
    reached: Floats
    offered: Floats
    task: npt.NDArray[np.int64]
    tasks: tuple[str, ...]
    temperature: Floats
    batch: Floats
    sampled: bool = True
    source: str = ""

    def __len__(self) -> int:
        """How many requests."""
        return len(self.steps)

    @property
    def positions(self) -> int:
        """How deep drafts went."""
        return self.accepted.shape[1]

    @property
    def tokens(self) -> Floats:
        """(G,) tokens that came out of the steps: accepted ones and one of the target's each."""
        return self.steps + self.accepted.sum(axis=1)

    def only(self, rows: npt.NDArray[np.bool_]) -> "Acceptance":
        """Some of the requests."""
        return Acceptance(
            steps=self.steps[rows],
            accepted=self.accepted[rows],
            reached=self.reached[rows],
            offered=self.offered[rows],
            task=self.task[rows],
            tasks=self.tasks,
            temperature=self.temperature[rows],
            batch=self.batch[rows],
            sampled=self.sampled,
            source=self.source,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """One way to draft.

    Attributes:
        name: that the user gave it.
        kind: one of ``KINDS``.
        shape: of the model that drafts; None where nothing runs.
        levels: nodes of the tree by level; empty for one candidate a position.
        pass_s: seconds of one draft pass, where measured; None for the roofline's.
        method: as vLLM names it; empty for what the kind suggests.
        model: name or path for the settings; empty for the shape's name.
    """

    name: str
    kind: str = "chain"
    shape: ModelShape | None = None
    levels: tuple[int, ...] = ()
    pass_s: float | None = None
    method: str = ""
    model: str = ""

    def __post_init__(self) -> None:
        """Refuse a draft that cannot be."""
        reason = ""
        if self.kind not in KINDS:
            reason = f"'{self.kind}' is no kind: {', '.join(KINDS)}"
        elif self.kind != "ngram" and self.shape is None and self.pass_s is None:
            reason = "it needs model=NAME, or pass-ms=NUMBER where a pass was measured"
        elif self.kind == "tree" and not self.levels:
            reason = "a tree needs levels=4,8,8: its nodes by level"
        elif self.levels and self.kind in {"chain", "ngram"}:
            reason = f"levels= are those of a tree, and it is kind={self.kind}"
        elif self.kind == "ngram" and self.shape is not None:
            reason = "continuations are looked up in the text, so no model= drafts them"
        elif any(count < 1 for count in self.levels) or (self.pass_s or 0.0) < 0:
            reason = "numbers of nodes and times must be positive"
        if reason:
            raise LlmopsError(
                "speculation-bad-draft",
                f"draft '{self.name}': {reason}",
                hint='--draft "small model=Llama-3.2-1B log=accepted.jsonl"',
                exit_code=ExitCode.USAGE,
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """How the time of decoding divides over batch sizes.

    Attributes:
        batches: rising, whole, at least 1.
        shares: of the time; they add up to 1.
        source: where it is from; empty where nobody said.
    """

    batches: tuple[int, ...] = (1,)
    shares: tuple[float, ...] = (1.0,)
    source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What serves the target.

    Attributes:
        target: its shape.
        gpu: one of the GPUs.
        deployment: how it is laid out on them.
        context: tokens before the step, of each sequence.
        measured: steps of the target that were timed; None for the roofline with its ranges.
        reject_s: of every step, seconds to sample, compare and roll back; an assumption.
        nodes: a decentralised pipeline has; 1 for one place.
        hop_s: latency of a link between two of them.
    """

    target: ModelShape
    gpu: Gpu
    deployment: Deployment = field(default_factory=Deployment)
    context: float = 1024.0
    measured: "Measured | None" = None
    reject_s: float = 0.0003
    nodes: int = 1
    hop_s: float = 0.0

    @property
    def hops_s(self) -> float:
        """What one traversal of the pipeline spends on its links."""
        return (self.nodes - 1) * self.hop_s


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeculationParameters:
    """What is asked.

    Attributes:
        min_speedup: gate; None for none.
        temperature: that will be served; None where nobody says.
        level: of every interval.
        resamples: of requests.
        seed: of the resampling.
        gpu_usd_per_hour: price of one GPU; None for no cost.
        max_batch: largest batch looked at; what the cache holds where that is less.
    """

    min_speedup: float | None = None
    temperature: float | None = None
    level: float = 0.95
    resamples: int = 2000
    seed: int = 0
    gpu_usd_per_hour: float | None = None
    max_batch: int = 512
