"""Settings by their dotted names, and what a configuration makes of a command's defaults.

To ask every command for its options is to load every command: one is asked when a setting names
it or when it runs, all of them when a list is wanted.
"""

from collections import UserDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from llmops_cli.cli.options import SHARED_NAMES
from llmops_cli.config import Config

__all__ = ["Defaults", "Known", "known_keys"]

_SHARED = tuple(name.replace("_", "-") for name in SHARED_NAMES)


def known_keys(commands: Mapping[str, Any]) -> dict[str, Any]:
    """Every dotted setting and its parameter; shared ones exist once at the top as well."""
    keys: dict[str, Any] = {}
    for name in commands:
        for dotted, parameter in _keys_of(commands, name):
            keys[dotted] = parameter
            if parameter.name in SHARED_NAMES:
                keys.setdefault(dotted.rpartition(".")[2], parameter)
    return keys


def _keys_of(commands: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    command = commands[name]
    for inner in getattr(command, "commands", ()):
        for dotted, parameter in _keys_of(command.commands, inner):
            yield f"{name}.{dotted}", parameter
    if not hasattr(command, "commands"):
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                yield f"{name}.{parameter.name.replace('_', '-')}", parameter


class Known(Collection[str]):
    """The keys of :func:`known_keys`; looking one up loads no command but its own.

    Args:
        commands: of the root group.
    """

    def __init__(self, commands: Mapping[str, Any]) -> None:
        self._commands = commands

    def __contains__(self, key: object) -> bool:
        """Whether a command, or all of them, have such a setting."""
        name = str(key).partition(".")[0]
        if name not in self._commands:
            return key in _SHARED
        return any(key == dotted for dotted, _ in _keys_of(self._commands, name))

    def __iter__(self) -> Iterator[str]:
        """All keys, sorted."""
        return iter(sorted(known_keys(self._commands)))

    def __len__(self) -> int:
        """How many there are."""
        return len(known_keys(self._commands))


class Defaults(UserDict[str, dict[str, Any]]):
    """Defaults by command, nested as the parser expects; made when a command looks for its own.

    Args:
        config: what is set; shared settings hold for every command.
        commands: of the root group.
    """

    def __init__(self, config: Config, commands: Mapping[str, Any]) -> None:
        super().__init__()
        self._config, self._commands = config, commands

    def __contains__(self, name: object) -> bool:
        """Whether there is such a command."""
        return name in self._commands

    def __missing__(self, name: str) -> dict[str, Any]:
        """Make the defaults of a command.

        Raises:
            KeyError: no such command.
        """
        if name not in self._commands:
            raise KeyError(name)
        keys = _keys_of(self._commands, name) if self._config.settings else ()
        found = self.data[name] = _nested(self._config, keys).get(name, {})
        return found


def _nested(config: Config, keys: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for dotted, parameter in keys:
        *groups, key = dotted.split(".")
        setting = config.winner(dotted, key)
        if setting is not None:
            level = nested
            for group in groups:
                level = level.setdefault(group, {})
            # The parser would take a lone word for a list of letters.
            lone = parameter.multiple and not isinstance(setting.value, list)
            level[parameter.name] = [setting.value] if lone else setting.value
    return nested
