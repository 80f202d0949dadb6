"""The numbers that plan-rollout plans from where there is no log: pairs, or a file of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmops_cli.cli.text_file import text_of
from llmops_cli.errors import LlmopsError

if TYPE_CHECKING:
    from llmops_cli.rollout.numbers import Numbers

__all__ = ["read_numbers"]


def read_numbers(given: Sequence[str]) -> "Numbers":
    """Numbers of KEY=VALUE and of YAML or JSON files; later ones stand in place of earlier ones.

    Raises:
        LlmopsError: ``numbers-unreadable``, ``numbers-not-a-table``, and those of
            :func:`llmops_cli.rollout.numbers.numbers_of`.
    """
    from llmops_cli.rollout.numbers import numbers_of

    found, source = dict[str, Any](), "--numbers"
    for item in given:
        name, equals, value = item.partition("=")
        if equals and not Path(item).exists():
            found[name.strip().replace("-", "_")] = value.strip()
        else:
            found |= _file(Path(item))
            source = item
    return numbers_of(found, source=source)


def _file(path: Path) -> Mapping[str, Any]:
    import yaml

    hint = "--numbers requests_per_day=50000, or a YAML or JSON file of such pairs"
    text = text_of(path, "numbers-unreadable", hint=hint)
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _no_table(path) from error
    if not isinstance(found, dict):
        raise _no_table(path)
    return {str(name): value for name, value in found.items()}


def _no_table(path: Path) -> LlmopsError:
    return LlmopsError(
        "numbers-not-a-table",
        "this is no YAML or JSON of names and numbers",
        hint="requests_per_day: 50000",
        file=str(path),
    )
