"""YAML as every room reads it: safely, and in C where the parser was built with it."""

from importlib import resources
from typing import Any

__all__ = ["read_yaml", "shipped_yaml"]


def read_yaml(text: str) -> Any:  # noqa: ANN401 - whatever the text holds
    """The value of a text.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    import yaml  # noqa: PLC0415 - only who reads a file pays for the parser

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # seven times as fast
    return yaml.load(text, Loader=loader)  # noqa: S506 - safe either way


def shipped_yaml(room: str, file: str) -> Any:  # noqa: ANN401 - as above
    """The value of a file that lies beside a room's code, such as ``prices``, ``overlay.yaml``."""
    return read_yaml(resources.files(f"llmops_cli.{room}").joinpath(file).read_text("utf-8"))
