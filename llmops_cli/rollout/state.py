"""The state of a rollout between looks: a small JSON file, the same whatever the order of looks."""

import json
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from hashlib import sha256
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec

from llmops_cli.errors import LlmopsError
from llmops_cli.rollout.model import Plan
from llmops_cli.rollout.observed import Observed, Sums
from llmops_cli.rollout.stage_clock import seconds_of

__all__ = ["STATE_SCHEMA", "State", "fingerprint", "from_json", "state_schema", "to_json"]

STATE_SCHEMA = "llmops.rollout-state/1"


@dataclass(frozen=True, slots=True)
class State:
    """Everything a later look needs.

    Attributes:
        plan: fingerprint of the plan; a state belongs to one.
        stages: what each stage, by its percent, has observed.
        rolled_back: percent of the stage that went back, and None while none did. What has
            gone back stays back, whatever late data say.
        paused: percent of the stage that a person has to decide on; the same.
    """

    plan: str
    stages: dict[str, Observed] = field(default_factory=dict[str, Observed])
    rolled_back: float | None = None
    paused: float | None = None

    def observed(self, percent: float) -> Observed:
        """Of one stage."""
        return self.stages.get(f"{percent:g}", Observed())

    def seeing(self, percent: float, observed: Observed) -> "State":
        """With what a look has brought.

        Raises:
            LlmopsError: ``rollout-clock-back`` where a stage would begin before an earlier one
                has ended.
        """
        together = self.observed(percent) + observed
        after = replace(self, stages={**self.stages, f"{percent:g}": together})
        after.refuse_clock_going_back()
        return after

    def refuse_clock_going_back(self) -> None:
        """Stages follow each other; two may share the window in which one became the other.

        Raises:
            LlmopsError: ``rollout-clock-back``.
        """
        stages = sorted((float(percent), seen.windows) for percent, seen in self.stages.items())
        begun = [(percent, windows) for percent, windows in stages if windows]
        for (before, earlier), (percent, later) in pairwise(begun):
            if later[0] < earlier[-1]:
                raise LlmopsError(
                    "rollout-clock-back",
                    f"{_named(percent)} has data of {later[0]}, but {_named(before)} before it has "
                    f"data of {earlier[-1]}",
                    hint="give each stage only what came in while it ran (--since, --until)",
                )


def _named(percent: float) -> str:
    return f"the stage at {percent:g} %" if percent else "the shadow stage"


def fingerprint(plan: Plan) -> str:
    """Of everything in a plan that is not as it always was.

    So a plan keeps its state where a newer version of this package knows more of plans.
    """
    told = _told(plan)
    return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def _told(value: Any) -> Any:  # noqa: ANN401 - a plan or a part of one
    if is_dataclass(value):
        parts = [(item, getattr(value, item.name)) for item in fields(value)]
        always = {"coverage", "threshold_s", "schema"}  # defaults since the first plan
        return {
            item.name: _told(part)
            for item, part in parts
            if item.name in always or item.default is MISSING or part != item.default
        }
    return [_told(item) for item in value] if isinstance(value, tuple) else value


def to_json(state: State) -> str:
    """The same state gives the same bytes."""
    known = sorted(state.stages.items(), key=lambda item: float(item[0]))
    stages = {
        percent: [[*cell, sums.n, sums.total, sums.squares] for cell, sums in seen.cells.items()]
        for percent, seen in known
    }
    document = {
        "schema": STATE_SCHEMA,
        "plan": state.plan,
        "rolled_back": state.rolled_back,
        "paused": state.paused,
        "open": {percent: seen.open for percent, seen in known if seen.open},
        "as_of": {percent: seen.as_of for percent, seen in known if seen.as_of},
        "stages": stages,
    }
    return json.dumps(document, indent=1) + "\n"


_Count = Annotated[float, msgspec.Meta(ge=0)]
_Row = tuple[str, str, str, _Count, float, _Count]
"""Window, variant, metric; requests, their badness, its squares."""


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    schema: Literal["llmops.rollout-state/1"]
    plan: str
    rolled_back: float | None
    open: dict[str, str]
    stages: dict[str, list[_Row]]
    paused: float | None = None
    as_of: dict[str, str] = {}


def state_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a state."""
    (found,), parts = msgspec.json.schema_components([_Document], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "State of a rollout between looks",
        **found,
        "$defs": parts,
    }


def from_json(text: str, plan: Plan, *, source: str) -> State:
    """Read a state back.

    Raises:
        LlmopsError: ``state-invalid``, and ``state-other-plan`` where it belongs to another.
    """
    try:
        found = msgspec.json.decode(text, type=_Document)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise _invalid(source) from error
    if found.plan != fingerprint(plan):
        raise LlmopsError(
            "state-other-plan",
            "this state belongs to another plan",
            hint="give the plan it was begun with, or begin a new state",
            file=source,
        )
    if found.stages.keys() - {f"{stage.key:g}" for stage in plan.steps}:
        raise _invalid(source)
    stages = {
        percent: Observed(
            {(w, v, m): Sums(n, total, squares) for w, v, m, n, total, squares in rows},
            found.open.get(percent, ""),
            found.as_of.get(percent, ""),
        )
        for percent, rows in found.stages.items()
    }
    try:
        for seen in stages.values():
            for moment in (*seen.windows, seen.open, seen.as_of):
                seconds_of(moment or "1970-01-01")
    except ValueError as error:
        raise _invalid(source) from error
    return State(found.plan, stages, found.rolled_back, found.paused)


def _invalid(source: str) -> LlmopsError:
    return LlmopsError(
        "state-invalid",
        f"this is not a state of a rollout ({STATE_SCHEMA})",
        hint="begin a new one with another --state",
        file=source,
    )
