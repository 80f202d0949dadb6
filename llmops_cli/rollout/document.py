"""The plan as a YAML document and back, and the JSON Schema both obey."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import msgspec

from llmops_cli.documents import document
from llmops_cli.errors import LlmopsError
from llmops_cli.rollout.document_faults import faults
from llmops_cli.rollout.model import SCHEMA, Plan

__all__ = ["from_yaml", "plan_schema", "to_yaml"]

_HEAD = """\
# A rollout plan by llmops plan-rollout; `llmops schema plan` prints its JSON Schema.
# `llmops simulate-rollout` rehearses it on a log, `llmops check-rollout` decides its stages.
# Harm is how much worse the canary is than what compared_with names: the rise of the error rate
# or of the share of requests as slow as threshold_s, the drop of the mean score, or the rise of
# the mean cost as a part of the baseline's (unit_usd). Where a guardrail has a ratio, its margin
# is (ratio - 1) times what the old version shows by then, and promote_below is so at today's level.
#   At every look: a guardrail beyond its boundary of harm: go back. The boundary holds however
#   often one looks; it narrows to roll_back_above when the stage's requests are in.
#   When they are in: every guardrail below promote_below: go on to the next stage.
#   (detects: the smallest margin that the stage could be planned for; catches, passes: chances
#   that a harm of the margin goes back, and that a harmless change is shown so, by its end.)
#   Otherwise, and without data: hold, the evidence does not decide.
# policy: what happens at maximum_s of a stage (hold, extend, abort), after no_data_after_s without
# the new version (hold, rollback), how many looks in a row must find harm, whether it goes back or
# pauses for a person then, and for how long harm is looked for after everybody has it (watch_s).
# boundaries: how the risks are spent over the looks. harm: mixture (however often one looks) or
# pocock (harm_looks); benefit: fixed (the end of a stage only), obrien-fleming or pocock
# (benefit_looks: a stage may be passed when each next equal part of its requests is in).
# shadow: a stage before the first in which percent of the requests are served by both versions, and
# the old one answers. goal: what an A/B stage must show beyond no harm.
# control: the old version beside it. baseline: the old version before it (the log and the
# control requests of the stages passed), so that a change of traffic counts as harm too.
"""


def to_yaml(plan: Plan) -> str:
    """The plan as commented YAML; the same plan gives the same bytes."""
    import yaml  # noqa: PLC0415 - only a written plan pays for it

    fields = asdict(plan)
    document = {"schema": fields.pop("schema"), **fields}
    return _HEAD + yaml.safe_dump(_plain(document), sort_keys=False, width=100)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def from_yaml(text: str, *, source: str = "the plan") -> Plan:
    """Read a plan back.

    Raises:
        LlmopsError: ``plan-not-yaml``, ``plan-schema-unknown``, ``plan-invalid`` with the
            field, ``plan-stages``.
    """
    again = "write the plan again with llmops plan-rollout -o"
    found = document(text, SCHEMA, prefix="plan", source=source, hint=again)
    return _plan(found, source)


def _plan(found: dict[str, Any], source: str) -> Plan:
    try:
        plan = msgspec.convert(found, Plan)
    except msgspec.ValidationError as error:
        # The message ends with the place, as a path from the root of the document.
        reason, _, at = str(error).partition(" - at ")
        raise _invalid(reason, at.strip("`$."), source) from error
    except LlmopsError as error:  # of parts that know no file
        of_boundaries = ("rollout-bad-harm", "rollout-bad-benefit")
        part = "boundaries" if error.slug.startswith(of_boundaries) else "policy"
        raise _invalid(error.message, part, source) from error
    for at in _unknown(found, _plain(asdict(plan))):
        raise _invalid("a plan holds no such thing", at, source)
    shares = [stage.percent for stage in plan.stages]
    if not shares or sorted(set(shares)) != shares or shares[0] <= 0 or shares[-1] != 100:  # noqa: PLR2004 - percent
        raise LlmopsError(
            "plan-stages",
            "the percents of the stages do not rise from above 0 to 100",
            hint="stages come in order, and the last one is everybody",
            file=source,
            field="stages",
        )
    for reason, at in faults(plan):
        raise _invalid(reason, at, source)
    return plan


def _invalid(reason: str, field: str, source: str) -> LlmopsError:
    return LlmopsError(
        "plan-invalid",
        reason,
        hint="llmops schema plan says what a plan holds",
        file=source,
        field=field,
    )


def _unknown(given: Any, read: Any, at: str = "") -> Iterator[str]:  # noqa: ANN401 - any YAML value
    """Places in a document that reading left out."""
    if isinstance(given, dict):
        for key, value in given.items():
            if key in read:
                yield from _unknown(value, read[key], f"{at}.{key}".lstrip("."))
            else:
                yield f"{at}.{key}".lstrip(".")
    elif isinstance(given, list):
        for place, (value, other) in enumerate(zip(given, read, strict=True)):
            yield from _unknown(value, other, f"{at}[{place}]")


def plan_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a plan."""
    share = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    positive = {"type": "number", "exclusiveMinimum": 0}
    number = {"type": "number"}
    chance = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
    count = {"type": "integer", "minimum": 1}
    decision = _object(
        guardrail={"type": "string"},
        canary_requests=count,
        promote_below=number,
        roll_back_above=number,
        optional={
            "detects": {"type": ["number", "null"], "exclusiveMinimum": 0},
            "catches": chance,
            "passes": chance,
        },
    )
    guardrail = _object(
        name={"enum": ["quality", "latency", "errors", "cost"]},
        metric={"type": "string"},
        baseline=number,
        margin=positive,
        asked=positive,
        variance={"type": "number", "minimum": 0},
        variance_at_margin={"type": "number", "minimum": 0},
        design_effect={"type": "number", "minimum": 1},
        coverage={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        threshold_s={"type": ["number", "null"]},
        optional={
            "ratio": {"type": ["number", "null"], "exclusiveMinimum": 1},
            "unit_usd": {"type": ["number", "null"], "exclusiveMinimum": 0},
            "least_requests": {"type": "integer", "minimum": 0},
        },
    )
    stage = _object(
        percent={"type": "number", "exclusiveMinimum": 0, "maximum": 100},
        compared_with={"enum": ["control", "baseline"]},
        requests=count,
        canary_requests=count,
        duration_s=positive,
        duration_low_s=positive,
        duration_high_s={"type": ["number", "null"]},
        bottleneck={"type": "string"},
        decisions={"type": "array", "items": decision, "minItems": 1},
        optional={
            "maximum_s": {"type": ["number", "null"], "exclusiveMinimum": 0},
            "goal": _or_null(
                _object(guardrail={"type": "string"}, gain=positive, canary_requests=count)
            ),
            "shadow": {"type": "boolean"},
        },
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llmops rollout plan",
        **_object(
            schema={"const": SCHEMA},
            baseline_calls=count,
            requests_per_hour=positive,
            alpha=share,
            power=share,
            alpha_per_stage=share,
            guardrails={"type": "array", "items": guardrail, "minItems": 1},
            stages={"type": "array", "items": stage, "minItems": 1},
            optional={
                "policy": _policy(),
                "boundaries": _boundaries(),
                "shadow": _or_null(stage),
            },
        ),
    }


def _or_null(what: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [what, {"type": "null"}]}


def _boundaries() -> dict[str, Any]:
    looks = {"type": "integer", "minimum": 1, "maximum": 200}
    return _object(
        optional={
            "harm": {"enum": ["mixture", "pocock"]},
            "harm_looks": looks,
            "benefit": {"enum": ["fixed", "obrien-fleming", "pocock"]},
            "benefit_looks": looks,
        }
    )


def _policy() -> dict[str, Any]:
    return _object(
        optional={
            "at_maximum": {"enum": ["hold", "extend", "abort"]},
            "no_data": {"enum": ["hold", "rollback"]},
            "no_data_after_s": {"type": "number", "exclusiveMinimum": 0},
            "consecutive_looks": {"type": "integer", "minimum": 1, "maximum": 100},
            "on_harm": {"enum": ["rollback", "pause"]},
            "watch_s": {"type": "number", "minimum": 0},
        }
    )


def _object(
    optional: dict[str, dict[str, Any]] | None = None, **properties: dict[str, Any]
) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties | (optional or {}),
        "required": list(properties),
        "additionalProperties": False,
    }
