"""The plan as a document: what to draft with, how deep, up to which batch, and what for."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import msgspec

from llmops_cli.hardware.catalogue import ModelShape
from llmops_cli.report import Report
from llmops_cli.speculation.analysis import Analysis

__all__ = ["SCHEMA", "SpeculationPlan", "plan_schema", "to_yaml", "written_plan"]

SCHEMA = "llmops.speculation-plan/1"

_HEAD = """\
# How to speculate, by llmops plan-speculation; `llmops schema speculation-plan` prints its shape.
# drafted_tokens at the batches of drafting (first, last), plain decoding elsewhere and above
# off_above (null: no end among the batches that were looked at). schedule: the best drafted tokens
# of each batch, for engines that change them.
# `--export vllm=PATH` and `--export sglang=PATH` write it as their settings.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeculationPlan:
    """What an engine is told, and why.

    Attributes:
        schema: of this document.
        decision: of the gate; ``pass`` where none was asked for.
        target: model that verifies.
        gpu: that it was planned for, and how many share a layer.
        tensor_parallel: how many share a layer.
        draft: name, as the user gave it.
        kind: how candidates come.
        method: as vLLM names it; empty for what the kind suggests.
        model: that drafts; empty where none does.
        drafted_tokens: per step.
        drafting: first and last batch of every run at which to draft.
        off_above: largest batch at which to draft; 0 for never, None for no end.
        levels: nodes of the tree by level.
        schedule: first batch, last batch and drafted tokens.
        speedup: over the load.
        speedup_low: lower end of its interval.
        speedup_high: upper end.
    """

    schema: Literal["llmops.speculation-plan/1"] = SCHEMA
    decision: Literal["pass", "fail", "inconclusive"]
    target: str
    gpu: str
    tensor_parallel: int
    draft: str
    kind: str
    method: str
    model: str
    drafted_tokens: int
    drafting: tuple[tuple[int, int], ...]
    off_above: int | None
    levels: tuple[int, ...]
    schedule: tuple[tuple[int, int, int], ...]
    speedup: float
    speedup_low: float | None
    speedup_high: float | None


def written_plan(found: Analysis, report: Report) -> SpeculationPlan:
    """The best draft's plan."""
    plan, machine = found.best, found.machine
    draft = plan.draft
    return SpeculationPlan(
        decision=report.verdict.value,
        target=machine.target.name,
        gpu=machine.gpu.name,
        tensor_parallel=machine.deployment.tensor_parallel,
        draft=draft.name,
        kind=draft.kind,
        method=draft.method,
        model=draft.model or _named(draft.shape),
        drafted_tokens=plan.depth,
        drafting=tuple((run.first, run.last) for run in plan.drafting),
        off_above=plan.ends,
        levels=draft.levels[: plan.depth],
        schedule=tuple((item.first, item.last, item.depth) for item in plan.stretches),
        speedup=round(plan.speedup.value, 4),
        speedup_low=None if plan.speedup.low is None else round(plan.speedup.low, 4),
        speedup_high=None if plan.speedup.high is None else round(plan.speedup.high, 4),
    )


def _named(shape: ModelShape | None) -> str:
    """A name that an engine may know; empty where there are only numbers."""
    return "" if shape is None or "=" in shape.name else shape.name


def to_yaml(plan: SpeculationPlan) -> str:
    """The plan as commented YAML; the same plan gives the same bytes."""
    import yaml  # noqa: PLC0415 - only a written plan pays for it

    fields: dict[str, Any] = asdict(plan)
    fields["levels"] = list(plan.levels)
    fields["drafting"] = [list(item) for item in plan.drafting]
    fields["schedule"] = [list(item) for item in plan.schedule]
    return _HEAD + yaml.safe_dump(fields, sort_keys=False, width=100, default_flow_style=None)


def plan_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a plan."""
    found = msgspec.json.schema(SpeculationPlan)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llmops speculation plan",
        **found,
    }
