"""A group whose commands are imported when they are asked for, not before.

Loading all of them takes longer than a short command does.
"""

from collections import UserDict
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from llmops_cli.cli.catalogue import COMMANDS
from llmops_cli.cli.plain_values import spare_converters, spared

__all__ = ["LazyGroup"]


class _Commands(UserDict[str, Any]):
    """The commands of the catalogue by name; to take one is to load it."""

    def __contains__(self, name: object) -> bool:
        """Whether there is such a command."""
        return name in COMMANDS

    def __iter__(self) -> Iterator[str]:
        """Their names, in the order of the catalogue."""
        return iter(COMMANDS)

    def __len__(self) -> int:
        """How many there are."""
        return len(COMMANDS)

    def __missing__(self, name: str) -> Any:
        """Load the command.

        Raises:
            KeyError: no such command.
        """
        if name not in COMMANDS:
            raise KeyError(name)
        alone = typer.Typer(rich_markup_mode=None)
        import_module(f"llmops_cli.cli.{COMMANDS[name][0]}").register(alone)
        found = self.data[name] = get_group(alone).commands[name]
        spare_converters(found)
        return found


class LazyGroup(TyperGroup):
    """The group of all commands of the catalogue."""

    def __init__(self, **given: Any) -> None:
        """As the parser's, which knows of no command yet."""
        super().__init__(**given)
        self.commands = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the catalogue."""
        del ctx
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """As the parser's, from the catalogue's own lines."""
        lines = [TyperCommand(name, help=line) for name, (_, line) in COMMANDS.items()]
        TyperGroup(commands=lines).format_commands(ctx, formatter)

    def get_params(self, ctx: Any) -> list[Any]:
        """As the parser's; those of a command are spared when it is loaded."""
        return spared(super().get_params(ctx))
