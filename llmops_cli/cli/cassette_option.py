"""The options of a cassette, which replay and judge-collect share: when it is recorded on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmops_cli.cli.judge_settings import usage_error
from llmops_cli.cli.options import suggestion

if TYPE_CHECKING:
    from llmops_cli.live import RecordMode

__all__ = ["CassetteOption", "RecordModeOption", "record_mode_of"]

CassetteOption = Annotated[
    Path | None,
    typer.Option(
        "--cassette",
        metavar="FILE",
        help="Play answers recorded here, in plain text, instead of asking.",
        show_default=False,
    ),
]
RecordModeOption = Annotated[
    str,
    typer.Option(
        "--record-mode",
        metavar="none|once|new_episodes",
        help="Ask and record on the cassette: never, if it is new, or what is not on it.",
        show_default="none",
    ),
]


def record_mode_of(given: str, cassette: Path | None, *outputs: Path | None) -> "RecordMode":
    """The mode that was asked for; never where none was.

    Args:
        given: on the command line; empty for nothing.
        cassette: the file.
        outputs: other files that are written.

    Raises:
        LlmopsError: ``record-mode-unknown``, ``record-mode-without-cassette``, ``output-twice``.
    """
    from llmops_cli.live import RecordMode

    known = tuple(RecordMode)
    if given and given not in known:
        hint = suggestion(given, known)
        raise usage_error("record-mode-unknown", f"'{given}' is not a record mode", hint)
    if given and cassette is None:
        hint = "--cassette FILE names what is played and recorded on"
        raise usage_error("record-mode-without-cassette", "there is no cassette to record on", hint)
    if cassette is not None and cassette.resolve() in {path.resolve() for path in outputs if path}:
        hint = "a cassette and the output of a run are two files"
        raise usage_error("output-twice", "the output is the cassette", hint)
    return RecordMode(given or RecordMode.NONE)
