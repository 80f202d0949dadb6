"""The same source without numba's compiler: the comparison with the reference, line by line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_loop_is_the_references_as_plain_python_too() -> None:
    """Numbers wrap around in the draws, as they do when compiled: plain numpy warns of that."""
    kernel = Path(__file__).with_name("test_kernel.py")
    quiet = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::RuntimeWarning"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *quiet, str(kernel)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert "3 passed" in ran.stdout
