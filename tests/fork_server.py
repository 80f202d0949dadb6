"""A warm interpreter that forks for every command: ``python -m llmops_cli``, less its imports.

A request is a line of JSON on standard input, its answer the exit code on standard output (a
signal as a negative number, as :mod:`subprocess` has it). Each command gets a process, a
folder, an environment and streams of its own.
"""

import atexit
import gc
import json
import os
import pkgutil
import runpy
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

import llmops_cli

LIBRARIES = (
    "genai_prices.data", "genai_prices.data_snapshot", "pandas", "pyarrow.compute",
    "pyarrow.dataset", "pyarrow.parquet", "rich.console", "rich.table", "scipy.optimize",
    "scipy.special", "scipy.stats", "typer._adapters", "yaml",
)  # fmt: skip
"""What commands import late; ``typer._adapters`` is the parser's, and loads pydantic."""
SECONDS = 120


def warm() -> None:
    """Import what commands import; nothing of it is run, and none of it is garbage."""
    gc.disable()
    for name in LIBRARIES:
        import_module(name)
    for found in pkgutil.walk_packages(llmops_cli.__path__, "llmops_cli."):
        if not found.name.endswith("__main__"):
            with suppress(Exception):  # the command that needs it will say so
                import_module(found.name)
    gc.freeze()
    gc.enable()


def become(request: dict[str, object]) -> None:
    """Take the streams, the folder and the environment that the command shall have."""
    signal.alarm(SECONDS)
    modes = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for number, (path, mode) in enumerate(zip(request["streams"], modes, strict=True)):
        opened = os.open(path, mode)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[0] = request["cwd"]
    sys.argv = ["llmops", *request["arguments"]]


def run() -> int:
    """``python -m llmops_cli`` and its exit code, as the interpreter would tell it."""
    try:
        runpy.run_module("llmops_cli", run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        if isinstance(stop.code, str):
            sys.stderr.write(f"{stop.code}\n")
            return 1
        return stop.code or 0
    except BaseException:  # noqa: BLE001 - a defect, told as any interpreter tells it
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def leave(code: int) -> NoReturn:
    """End at once: to take a warm interpreter down in order costs more than any command."""
    atexit._run_exitfuncs()  # noqa: SLF001 - coverage writes what it saw there
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Serve until standard input ends; a forked child is the command."""
    warm()
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            become(json.loads(line))
            leave(run())
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
