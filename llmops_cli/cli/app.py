"""One run of ``llmops``: the last line of defence, and the way out of the process.

Imports the command line inside the function, when garbage is not looked for.
"""

import gc
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line; every way out is one of :class:`ExitCode`."""
    code = _run()
    # What is loaded stays until the end: looking through it for garbage is a tenth of a second.
    gc.freeze()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        from llmops_cli.cli.show import silence_stdout

        silence_stdout()
        broken = isinstance(error, BrokenPipeError)
        code = ExitCode.BROKEN_PIPE if broken else code or ExitCode.USAGE
    sys.exit(code)


def _run() -> int:
    gc.disable()  # nothing that is being loaded is garbage
    try:
        from llmops_cli.cli.root import app

        gc.freeze()
        gc.enable()
        app()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except LlmopsError as error:
        _complain(error.render(), error)
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last line of defence
        _complain(
            f"llmops: error[bug]: {type(error).__name__} in {_where(error)}\n"
            "hint: this is a defect in llmops; run again with --debug and report it",
            error,
        )
        return ExitCode.BUG
    return ExitCode.OK


def _complain(text: str, error: Exception) -> None:
    if sys.stderr is None:
        return
    if "--debug" in sys.argv or os.environ.get("LLMOPS_DEBUG"):
        # Frames and lines only: locals may hold prompts.
        traceback.print_exception(error)
    sys.stderr.write(f"{text}\n")


def _where(error: Exception) -> str:
    # File and line only: an exception's own message may quote prompt text.
    frames = traceback.extract_tb((error.__cause__ or error).__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
