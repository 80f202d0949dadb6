"""Option values that already are what their option wants, spared the parser's converter.

The parser converts every value with pydantic, defaults and plain text too, and loading pydantic
takes as long as everything else that a short command does. Numbers and paths given on the
command line still go through it.
"""

from collections.abc import Callable
from typing import Any

__all__ = ["spare_converters", "spared"]


def spare_converters(command: Any) -> None:
    """Let a command, and those in it, convert only what needs it.

    Args:
        command: a command or a group of the parser; parameters that convert in another way than
            we know stay as they are.
    """
    listed = command.get_params

    def get_params(context: Any) -> list[Any]:
        # The parser's own --help is among them, and is made only when they are asked for.
        return spared(listed(context))

    command.get_params = get_params
    for inner in getattr(command, "commands", {}).values():
        spare_converters(inner)


def spared(parameters: list[Any]) -> list[Any]:
    """The same parameters, that convert only what needs it."""
    return [_spared(parameter) for parameter in parameters]


def _spared(parameter: Any) -> Any:
    known = hasattr(parameter, "get_runtime_param") and hasattr(parameter, "type_descriptor")
    if known and not isinstance(parameter.get_runtime_param, _Spared):
        parameter.get_runtime_param = _Spared(parameter, parameter.get_runtime_param)
    return parameter


class _Spared:
    """A converter that asks the parser's own one only where a value is not yet of its type."""

    def __init__(self, parameter: Any, converter: Callable[[], Any]) -> None:
        self._parameter, self._converter = parameter, converter

    def __call__(self) -> "_Spared":
        """Itself: the parser asks its parameter for the converter."""
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as its option wants it."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if self._ready(value):
            return list(value) if isinstance(value, tuple) else value
        return self._converter().coerce(value, param=param, ctx=ctx)

    def _ready(self, value: Any) -> bool:
        default, annotation = self._parameter.default, self._parameter.type_descriptor.annotation
        if type(value) is type(default) and value == default:
            return True
        if annotation is str:
            return isinstance(value, str)
        texts = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
        return annotation == list[str] and texts
