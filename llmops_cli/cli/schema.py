"""``llmops schema``: the shapes llmops reads and writes, as JSON Schema."""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any

import typer

from llmops_cli.cli.options import command, suggestion
from llmops_cli.cli.show import write_stdout
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["SCHEMAS", "calls_schema", "load_schema", "register"]

SCHEMAS = {
    "calls": "llmops_cli.cli.schema:calls_schema",
    "cassette": "llmops_cli.live.episodes:cassette_schema",
    "config": "llmops_cli.cli.config_command:config_schema",
    "failover-plan": "llmops_cli.failover.plan:plan_schema",
    "plan": "llmops_cli.rollout.document:plan_schema",
    "report": "llmops_cli.views.json:schema",
    "rollout-state": "llmops_cli.rollout.state:state_schema",
    "speculation-plan": "llmops_cli.speculation.settings:plan_schema",
    "tier-plan": "llmops_cli.tiers.plan:plan_schema",
}
"""Each name and the function, without arguments, that returns its JSON Schema."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "schema",
        examples=("llmops schema report > report.schema.json", "llmops schema config"),
    )(schema)


def schema(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"{' | '.join(SCHEMAS)}.")],
) -> None:
    """Print a JSON Schema.

    Draft 2020-12. report: what -f json writes. plan: what plan-rollout writes. tier-plan: what
    simulate-tiers writes. failover-plan: what simulate-failover writes. speculation-plan: what
    plan-speculation writes. rollout-state: what check-rollout --state keeps. calls: a row of the
    calls table. cassette: a line of what replay --cassette plays. config: llmops.yaml.
    """
    write_stdout(json.dumps(load_schema(name), indent=2, ensure_ascii=False) + "\n")


def load_schema(name: str) -> dict[str, object]:
    """The JSON Schema of that name.

    Raises:
        LlmopsError: ``schema-unknown``, with the nearest name.
    """
    if name not in SCHEMAS:
        raise LlmopsError(
            "schema-unknown",
            f"'{name}' is not a schema",
            hint=suggestion(name, tuple(SCHEMAS)),
            exit_code=ExitCode.USAGE,
        )
    module, _, function = SCHEMAS[name].partition(":")
    build: Callable[[], dict[str, object]] = getattr(import_module(module), function)
    return build()


def calls_schema() -> dict[str, object]:
    """One row of the calls table as a JSON object; hashes as hexadecimal text."""
    from llmops_cli.calls import COLUMNS

    properties: dict[str, dict[str, Any]] = {}
    for column in COLUMNS:
        shape = {**_shape(column.type), "description": column.doc}
        if column.invariant == "non-negative":
            shape["minimum"] = 0
        notes = {
            "x-arrow-type": str(column.type),
            "x-unit": column.unit,
            "x-otel-attribute": column.attribute,
        }
        properties[column.name] = {**shape, **{key: note for key, note in notes.items() if note}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:llmops.calls:1",
        "title": "Call",
        "description": "One row of the calls table: one call of a model.",
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def _shape(arrow: Any) -> dict[str, Any]:
    """The JSON type of an Arrow type; every column may hold null."""
    from pyarrow import types

    from llmops_cli.calls import HASH_BYTES

    if types.is_list(arrow):
        inner = _shape(arrow.value_type)
        return {"type": ["array", "null"], "items": {**inner, "type": inner["type"][0]}}
    if types.is_timestamp(arrow):
        return {"type": ["string", "null"], "format": "date-time"}
    if types.is_binary(arrow):
        return {"type": ["string", "null"], "pattern": f"^[0-9a-f]{{{2 * HASH_BYTES}}}$"}
    kinds = (
        (types.is_boolean, "boolean"),
        (types.is_integer, "integer"),
        (types.is_floating, "number"),
        (types.is_string, "string"),
    )
    return {"type": [next(kind for holds, kind in kinds if holds(arrow)), "null"]}
