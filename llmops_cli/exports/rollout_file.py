"""What every export of a rollout plan is made of: its text, what it cannot say, shares, waits.

A target that cannot express a part of the plan says so twice: in the head of its file, where the
reader of the file finds it, and on stderr, where its writer does.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from textwrap import wrap
from typing import Any

from llmops_cli.rollout.model import Plan, Stage

__all__ = [
    "APP",
    "CANARY",
    "CONTROL",
    "DECIDED_ELSEWHERE",
    "PER_REQUEST",
    "RolloutFile",
    "commented",
    "minutes",
    "patches",
    "rollout_file",
    "rounded",
    "stages_in_words",
    "waiting_s",
    "weights",
    "whole_percent",
]

APP = "llm-app"
"""What the workload is called; a plan does not know its name."""

CONTROL, CANARY = f"{APP}-stable", f"{APP}-canary"
"""The same of both versions."""

DECIDED_ELSEWHERE = (
    "No guardrail is in it: quality, latency, errors and the boundaries that hold however often "
    "one looks are decided by `llmops check-rollout`, and nothing goes back by itself."
)
"""Of targets that only split traffic."""

PER_REQUEST = (
    "The draw is made for every request: a user meets both versions, although the plan counts "
    "users' requests together. Split by user in front of it where that matters."
)
"""Of targets without sticky assignment."""

_LATE, _LATE_DEVIATIONS = 0.1, 3.0
"""How much longer than planned a stage waits: a tenth, or so many deviations of a count."""

_WIDTH = 98


@dataclass(frozen=True, slots=True)
class RolloutFile:
    """A written export.

    Attributes:
        text: of the file.
        warnings: what of the plan the target cannot express, a sentence or two each; the head
            of ``text`` holds them as well.
    """

    text: str
    warnings: tuple[str, ...]


def rollout_file(
    title: str, notes: Sequence[str], warnings: Sequence[str], documents: Sequence[dict[str, Any]]
) -> RolloutFile:
    """YAML documents under a head that says what they are and what they are not.

    Args:
        title: what the file is, in a sentence.
        notes: how to use it, a line or more each.
        warnings: what of the plan it cannot express.
        documents: in order.
    """
    head = commented([title, *notes])
    if warnings:
        said = [f"- {text}" for text in warnings]
        head += "#\n" + commented(["What this file cannot say of the plan:", *said])
    return RolloutFile(head + "---\n".join(map(_dumped, documents)), tuple(warnings))


def _dumped(document: dict[str, Any]) -> str:
    import yaml  # noqa: PLC0415 - only a written export pays for it

    class Readable(yaml.SafeDumper):
        """Texts of many lines as blocks, and nothing by reference."""

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401 - any YAML value
            del data
            return True

        def represent_str(self, data: str) -> yaml.ScalarNode:
            style = "|" if "\n" in data else None
            return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    Readable.add_representer(str, Readable.represent_str)
    return yaml.dump(document, Dumper=Readable, sort_keys=False, width=100)


def commented(paragraphs: Sequence[str]) -> str:
    """Paragraphs as comments; one that begins with two spaces is a line to copy, left whole."""
    lines = list[str]()
    for text in paragraphs:
        whole = text.startswith("  ")
        hanging = "  " if text.startswith("- ") else ""
        lines += [text] if whole else wrap(text, _WIDTH, subsequent_indent=hanging)
    return "".join(f"# {line}\n" for line in lines)


def stages_in_words(plan: Plan) -> list[str]:
    """One line per stage: its share, its requests and how long it takes."""
    return [
        f"  {stage.label}: {stage.canary_requests:,} requests on the new version, "
        f"about {stage.duration_s / 3600:,.3g} h"
        for stage in plan.steps
    ]


def patches(plan: Plan, kind: str, *, copied: bool = False) -> list[str]:
    """Commands that set the weights of the later stages of a route with the two backends.

    Where the route begins with copies of requests (``copied``) the first of them ends that.
    """
    later = plan.stages if copied else plan.stages[1:]
    return [
        f"  {stage.percent:g} %: kubectl patch {kind} {APP} --type=json -p "
        f"'{_patch(stage, uncopy=copied and stage is later[0])}'"
        for stage in later
    ]


def _patch(stage: Stage, *, uncopy: bool) -> str:
    ends = [{"op": "remove", "path": "/spec/rules/0/filters"}] if uncopy else []
    moves = [
        {"op": "replace", "path": f"/spec/rules/0/backendRefs/{at}/weight", "value": weight}
        for at, weight in enumerate(weights(stage.percent))
    ]
    return json.dumps([*ends, *moves], separators=(",", ":"))


def weights(percent: float) -> tuple[int, int]:
    """Whole weights of control and canary, of 100 together where the percent is whole."""
    parts = Fraction(percent).limit_denominator(10_000)
    canary = max(1, parts.numerator)
    return 100 * parts.denominator - canary, canary


def whole_percent(percent: float) -> int:
    """The nearest whole percent that is some traffic."""
    return max(1, round(percent))


def rounded(plan: Plan, target: str) -> list[str]:
    """A warning where a target that takes whole percents changes the plan's."""
    moved = [
        f"{stage.percent:g} % is {whole_percent(stage.percent)} %"
        for stage in plan.stages
        if not math.isclose(stage.percent, whole_percent(stage.percent))
    ]
    if not moved:
        return []
    return [f"{target} takes whole percents only: {', '.join(moved)}; samples differ accordingly."]


def waiting_s(stage: Stage) -> float:
    """How long a stage waits for its requests where nobody counts them.

    The upper end of its duration, and as much longer as chance may keep the last of them away: a
    stage that ends with one request too few is undecided.
    """
    late = max(_LATE, _LATE_DEVIATIONS / math.sqrt(stage.canary_requests))
    return (1 + late) * max(stage.duration_s, stage.duration_high_s or 0.0)


def minutes(seconds: float) -> str:
    """A duration as controllers take it, rounded up."""
    return f"{max(1, math.ceil(seconds / 60))}m"
