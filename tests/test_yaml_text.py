"""YAML is read safely and as the slow parser in Python reads it."""

from pathlib import Path

import pytest
import yaml

import llmops_cli
from llmops_cli.yaml_text import read_yaml, shipped_yaml

ROOM = Path(llmops_cli.__file__).parent / "prices"


@pytest.mark.parametrize("file", ["multipliers.yaml", "overlay.yaml"])
def test_a_shipped_file_is_what_the_parser_in_python_makes_of_it(file: str) -> None:
    text = (ROOM / file).read_text(encoding="utf-8")
    assert shipped_yaml("prices", file) == yaml.safe_load(text) != []


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.getpid []", "!!python/name:os.getpid"])
def test_nothing_of_a_text_is_run(tag: str) -> None:
    with pytest.raises(yaml.constructor.ConstructorError):
        read_yaml(tag)
