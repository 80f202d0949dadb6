"""llmops.yaml, LLMOPS_* and flags become one frozen Config that knows each value's origin.

Precedence: flag > environment > ``--config key=value`` > nearest ``llmops.yaml`` > default.
This module reads the file and checks its keys; the command line resolves the rest.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["FILE_NAME", "Config", "Setting", "find_config", "load_config"]

FILE_NAME = "llmops.yaml"

Plain = str | int | float | bool | None | list["Plain"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and where it comes from (a file's path or ``--config key=value``)."""

    key: str
    value: Plain
    origin: str
    override: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """The settings given outside the command line proper, later ones winning."""

    settings: tuple[Setting, ...] = ()

    def get(self, key: str) -> Setting | None:
        """The winning setting for a dotted key such as ``judge-eval.threshold``."""
        return next((item for item in reversed(self.settings) if item.key == key), None)

    def winner(self, *keys: str) -> Setting | None:
        """The setting that holds among several keys, the most specific key first.

        ``--config key=value`` beats the file whatever the key; from the same source the more
        specific key wins.
        """
        found = [setting for key in keys if (setting := self.get(key)) is not None]
        return max(found, key=lambda setting: setting.override, default=None)


def find_config(start: Path) -> Path | None:
    """The nearest ``llmops.yaml`` in ``start`` or a folder above it."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


def load_config(
    known: Collection[str], *, path: Path | None = None, overrides: Sequence[str] = ()
) -> Config:
    """Read a configuration file and ``key=value`` overrides against the known keys.

    Args:
        known: every dotted key a command understands.
        path: the YAML file, or None for no file.
        overrides: ``key=value`` items; values are read as YAML scalars.

    Raises:
        LlmopsError: ``config-unknown-key`` (with the nearest known key), ``config-unreadable``.
    """
    settings: list[Setting] = []
    if path is not None:
        settings += [
            Setting(key, value, str(path)) for key, value in _flatten(_read_yaml(path), str(path))
        ]
    for item in overrides:
        key, _, text = item.partition("=")
        settings.append(Setting(key.strip(), _scalar(text), f"--config {item}", override=True))
    for setting in settings:
        if setting.key not in known:
            raise _unknown_key(setting, known)
    return Config(tuple(settings))


def _unknown_key(setting: Setting, known: Collection[str]) -> LlmopsError:
    near = get_close_matches(setting.key, known, n=1, cutoff=0.5)
    return LlmopsError(
        "config-unknown-key",
        f"'{setting.key}' is not a setting (from {setting.origin})",
        hint=f"did you mean '{near[0]}'?" if near else "`llmops config` lists every setting",
        exit_code=ExitCode.USAGE,
    )


def _read_yaml(path: Path) -> Mapping[object, object]:
    import yaml  # noqa: PLC0415 - only a run that has a file pays for the parser

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise LlmopsError(
            "config-unreadable",
            f"the configuration cannot be read ({reason})",
            exit_code=ExitCode.USAGE,
            file=str(path),
        ) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise LlmopsError(
            "config-unreadable",
            "the configuration must be a mapping of settings",
            exit_code=ExitCode.USAGE,
            file=str(path),
        )
    return content


def _flatten(
    content: Mapping[object, object], file: str, prefix: str = ""
) -> list[tuple[str, Plain]]:
    flat: list[tuple[str, Plain]] = []
    for key, value in content.items():
        # YAML 1.1 reads a bare `on` as yes, and `on` is a setting.
        name = f"{prefix}{'on' if key is True else key}"
        if isinstance(value, dict):
            flat += _flatten(value, file, f"{name}.")
        elif value is None or isinstance(value, str | int | float | bool | list):
            flat.append((name, value))
        else:
            flat.append((name, str(value)))
    return flat


def _scalar(text: str) -> Plain:
    import yaml  # noqa: PLC0415 - as above

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if value is None or isinstance(value, str | int | float | bool) else text
