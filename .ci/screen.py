"""Screens of the README: cog runs a command here and shows what it printed."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

__all__ = ["screen"]


def screen(command: str, *, lines: int | None = None) -> None:
    """Print ``command``, its output at 80 columns and its exit code as a Markdown block.

    ``lines`` cuts long output, visibly.
    """
    with tempfile.TemporaryDirectory() as folder:
        # What a screen writes must not stay in the checkout.
        (Path(folder) / "datasets").symlink_to(Path("datasets").resolve())
        done = subprocess.run(  # noqa: S603 - our own commands, written in our own README
            shlex.split(command),
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1"},
        )
    shown = (done.stdout + done.stderr).rstrip().splitlines()
    if lines is not None and len(shown) > lines:
        shown = [*shown[:lines], "…"]
    block = ["```console", f"$ {command}", *shown, "$ echo $?", str(done.returncode), "```"]
    print("\n".join(block))
