"""The plan as a YAML document and back, and the JSON Schema both obey."""

from dataclasses import asdict
from typing import Any

from llmops_cli.errors import LlmopsError
from llmops_cli.rollout.model import SCHEMA, Decision, Guardrail, Plan, Stage

__all__ = ["from_yaml", "plan_schema", "to_yaml"]

_HEAD = """\
# A rollout plan by llmops plan-rollout; `llmops schema plan` prints its JSON Schema.
# A stage ends when its requests have come. With the harm seen on every guardrail
#   below promote_below for all of them: go on to the next stage;
#   above roll_back_above for any of them: go back;
#   otherwise: hold, the evidence does not decide.
# Harm is a rise of the error rate or of the share of slow requests, or a drop of the mean
# score, of the canary against what compared_with names.
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
            field.
    """
    import yaml  # noqa: PLC0415 - as above

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise LlmopsError(
            "plan-not-yaml",
            "this is not YAML",
            file=source,
            line=mark.line + 1 if mark else None,
        ) from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise LlmopsError(
            "plan-schema-unknown",
            f"it does not begin with 'schema: {SCHEMA}'",
            hint="write the plan again with llmops plan-rollout -o",
            file=source,
            field="schema",
        )
    return _plan(found, source)


def _plan(found: dict[str, Any], source: str) -> Plan:
    field = ""
    try:
        field = "guardrails"
        guardrails = tuple(Guardrail(**item) for item in found[field])
        field = "stages"
        stages = tuple(_stage(item) for item in found[field])
        field = ""
        fields: dict[str, Any] = {**found, "guardrails": guardrails, "stages": stages}
        return Plan(**fields)
    except (TypeError, KeyError) as error:
        raise LlmopsError(
            "plan-invalid",
            f"a part of it is missing or unknown: {error}",
            hint="llmops schema plan says what a plan holds",
            file=source,
            field=field,
        ) from error


def _stage(fields: dict[str, Any]) -> Stage:
    decisions: Any = tuple(Decision(**one) for one in fields["decisions"])
    return Stage(**{**fields, "decisions": decisions})


def plan_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a plan."""
    share = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    positive = {"type": "number", "exclusiveMinimum": 0}
    number = {"type": "number"}
    count = {"type": "integer", "minimum": 1}
    decision = _object(
        guardrail={"type": "string"},
        canary_requests=count,
        promote_below=number,
        roll_back_above=number,
    )
    guardrail = _object(
        name={"enum": ["quality", "latency", "errors"]},
        metric={"type": "string"},
        baseline=number,
        margin=positive,
        asked=positive,
        variance={"type": "number", "minimum": 0},
        variance_at_margin={"type": "number", "minimum": 0},
        design_effect={"type": "number", "minimum": 1},
        threshold_s={"type": ["number", "null"]},
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
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llmops rollout plan",
        **_object(
            schema={"const": SCHEMA},
            alpha=share,
            power=share,
            alpha_per_stage=share,
            requests_per_hour=positive,
            guardrails={"type": "array", "items": guardrail, "minItems": 1},
            stages={"type": "array", "items": stage, "minItems": 1},
        ),
    }


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
