"""Fixtures every test may use: the real entry point and the public data sets."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

# A merge must not hang on the luck of the draw or the speed of the machine: the same examples
# every time, without a clock. HYPOTHESIS_PROFILE=explore draws new ones.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# To look for garbage among thousands of test functions takes as long as to collect them.
gc.disable()

ROOT = Path(__file__).parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_finish() -> None:
    """What is collected stays to the end: no test looks through it for garbage."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Simulations are not traced, which costs half as much again: quick tests cover enough."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker("no_cover")


@pytest.fixture(scope="session")
def fork_server() -> Iterator[subprocess.Popen[str]]:
    """One warm interpreter per test process, see ``fork_server.py``."""
    server = [sys.executable, str(Path(__file__).with_name("fork_server.py"))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(server, text=True, **pipes) as process:
        yield process
        process.stdin.close()


@pytest.fixture(scope="session")
def llmops_in(fork_server: subprocess.Popen[str]) -> Callable[[Path], Run]:
    """Run ``llmops`` as a user does in a folder that is given, for what several tests share."""

    def at(folder: Path) -> Run:
        def run(
            *arguments: str | Path, stdin: str | None = None, env: dict[str, str] | None = None
        ) -> subprocess.CompletedProcess[str]:
            clean = {k: v for k, v in os.environ.items() if not k.startswith("LLMOPS_")}
            given = [*map(str, arguments)], folder, {**clean, **(env or {})}, stdin or ""
            if any(name.startswith("PYTHON") for name in env or {}):  # read before any import
                return _fresh(*given)
            return _forked(fork_server, *given)

        return run

    return at


@pytest.fixture
def llmops(tmp_path: Path, llmops_in: Callable[[Path], Run]) -> Run:
    """Run ``llmops`` as a user does, in an empty folder; returns the finished process."""
    return llmops_in(tmp_path)


def _fresh(
    arguments: list[str], cwd: Path, env: dict[str, str], stdin: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llmops_cli", *arguments],
        cwd=cwd,
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def _forked(
    server: subprocess.Popen[str], arguments: list[str], cwd: Path, env: dict[str, str], stdin: str
) -> subprocess.CompletedProcess[str]:
    with TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in ("stdin", "stdout", "stderr")]
        streams[0].write_bytes(stdin.encode())
        request = {
            "arguments": arguments,
            "cwd": str(cwd),
            "env": env,
            "streams": [*map(str, streams)],
        }
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        said = [path.read_text(encoding="utf-8") for path in streams[1:]]
    return subprocess.CompletedProcess(arguments, code, *said)


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
