"""``fork_server.py`` for commands that are killed: it tells the number of each process first."""

import gc
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from runpy import run_path

SERVER = run_path(str(Path(__file__).parents[1] / "fork_server.py"))
CLIENTS = ("anthropic", "openai")
"""Loaded by a command when it opens its clients; a second each."""


def main() -> None:
    """Serve until standard input ends; two lines for each command: its number, its exit code."""
    SERVER["warm"]()
    for name in CLIENTS:
        import_module(name)
    gc.freeze()
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            SERVER["become"](json.loads(line))
            SERVER["leave"](SERVER["run"]())
        print(child, flush=True)  # noqa: T201 - the answer
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
