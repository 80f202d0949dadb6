"""``llmops config``: every setting with the value a run would use and where it comes from."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import typer
import typer.main

from llmops_cli import __version__
from llmops_cli.cli.options import SHARED_NAMES, Shared, command
from llmops_cli.cli.show import finish
from llmops_cli.config import Config
from llmops_cli.report import Column, Report, Scalar, Table

__all__ = ["config_schema", "register"]

_DEFAULT = "default"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "config",
        examples=(
            "llmops config",
            "llmops --config judge-eval.threshold=0.9 config -f json",
        ),
    )(config)


def config(context: typer.Context, *, shared: Shared) -> None:
    """Print every setting and its origin.

    A flag wins over the environment (LLMOPS_*), that over --config KEY=VALUE, that over the
    nearest llmops.yaml, that over the default. A setting named without a command holds for
    every command.
    """
    root = context.find_root()
    rows = list(_rows(root))
    changed = sum(row.origin != _DEFAULT for row in rows)
    report = Report(
        command="config",
        title="Settings and where each comes from",
        headline=f"{len(rows)} settings, {changed} of them not at the default.",
        version=__version__,
        tables=(
            Table(
                name="settings",
                title="Settings",
                columns=(
                    Column(name="setting", label="setting"),
                    Column(name="value", label="value"),
                    Column(name="origin", label="from"),
                ),
                rows=tuple((row.key, row.value, row.origin) for row in rows),
            ),
        ),
    )
    finish(report, replace(shared, verbose=True))


@dataclass(frozen=True, slots=True)
class _Row:
    key: str
    value: Scalar
    origin: str


def _rows(root: Any) -> Iterator[_Row]:
    """Shared settings once, then each command's own, and shared ones where a command differs."""
    own = list(_resolved(root))
    general = {
        name: Counter(row for _, parameter, row in own if parameter == name).most_common(1)[0][0]
        for name in SHARED_NAMES
    }
    yield from (replace(row, key=name.replace("_", "-")) for name, row in general.items())
    for path, parameter, row in own:
        if row != general.get(parameter):
            yield replace(row, key=f"{path}.{row.key}")


def _resolved(root: Any) -> Iterator[tuple[str, str, _Row]]:
    """Command, parameter and outcome, asked of the parser itself, so this cannot drift from it."""
    for path, context in _commands(root, ""):
        for parameter in context.command.params:
            if parameter.param_type_name != "option" or parameter.name == "help":
                continue
            value, source = parameter.consume_value(context, {})
            name = parameter.name.replace("_", "-")
            origin = _origin(root.obj, f"{path}.{name}", parameter, context, source.name)
            shown = _scalar(value)
            if shown is None and isinstance(parameter.show_default, str):
                shown = parameter.show_default
            yield path, parameter.name, _Row(name, shown, origin)


def _commands(context: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, item in context.command.commands.items():
        inner = typer.Context(item, info_name=name, parent=context)
        if hasattr(item, "commands"):
            yield from _commands(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def _origin(loaded: Config, dotted: str, parameter: Any, context: Any, source: str) -> str:
    if source == "ENVIRONMENT":
        automatic = f"{context.auto_envvar_prefix}_{parameter.name}".upper()
        named = parameter.envvar
        return named if isinstance(named, str) and os.environ.get(named) else automatic
    setting = loaded.winner(dotted, dotted.rpartition(".")[2])
    if source == "DEFAULT_MAP" and setting is not None:
        return setting.origin
    return _DEFAULT


def _scalar(value: object) -> Scalar:
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    if value == "":
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def config_schema() -> dict[str, object]:
    """The JSON Schema of llmops.yaml, from the options the commands declare."""
    from llmops_cli.cli.known_settings import known_keys
    from llmops_cli.cli.root import app

    schema = _object("llmops.yaml: settings by name, for one command under its name.")
    for dotted, parameter in known_keys(typer.main.get_group(app).commands).items():
        *groups, name = dotted.split(".")
        level = schema
        for group in groups:
            level = level["properties"].setdefault(group, _object(f"Settings of llmops {group}."))
        level["properties"][name] = _property(parameter)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:llmops.config:1",
        **schema,
    }


def _object(description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": {},
        "additionalProperties": False,
    }


def _property(parameter: Any) -> dict[str, Any]:
    kind = _kind(parameter)
    shape = {
        "description": parameter.help,
        "type": [kind, "array"] if parameter.multiple else kind,
        "minimum": parameter.min,
        "maximum": parameter.max,
        "default": parameter.default,
    }
    return {key: value for key, value in shape.items() if value is not None}


def _kind(parameter: Any) -> str:
    """The JSON type of an option: a word, unless it is a flag or a number."""
    if parameter.is_flag:
        return "boolean"
    declared = parameter.bare_type()
    kinds = {"int": "integer", "float": "number"}
    return next((kind for name, kind in kinds.items() if name in declared.split(" | ")), "string")
