"""Which allocator tables come from."""

import os
import subprocess
import sys

import pytest

_ASKED = """
from llmops_cli.engine.memory import return_memory
return_memory()
import pyarrow
print(pyarrow.default_memory_pool().backend_name)
"""


@pytest.mark.parametrize(("named", "used"), [("", "system"), ("mimalloc", "mimalloc")])
def test_the_systems_allocator_is_used_unless_another_is_named(named: str, used: str) -> None:
    others = {name: value for name, value in os.environ.items() if not name.startswith("ARROW_")}
    given = others | ({"ARROW_DEFAULT_MEMORY_POOL": named} if named else {})
    found = subprocess.run(
        [sys.executable, "-c", _ASKED], env=given, check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == used
