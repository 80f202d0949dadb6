"""Fixtures every test may use: the real entry point and the public data sets."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# A merge must not hang on the luck of the draw or the speed of the machine: the same examples
# every time, without a clock. HYPOTHESIS_PROFILE=explore draws new ones.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

ROOT = Path(__file__).parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def llmops(tmp_path: Path) -> Run:
    """Run ``llmops`` as a user does, in an empty folder; returns the finished process."""

    def run(
        *arguments: str | Path, stdin: str | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("LLMOPS_")}
        return subprocess.run(
            [sys.executable, "-m", "llmops_cli", *map(str, arguments)],
            cwd=tmp_path,
            env={**clean, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )

    return run


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The committed logs of our own making."""
    return ROOT / "datasets"


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The public data sets; tests that need them skip, visibly, where they are absent."""
    folder = Path(os.environ.get("LLMOPS_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no public data at {folder}; set LLMOPS_DATA")
    return folder
