"""The options every command shares, declared once and handed over as one frozen object.

``@command(app, "name")`` registers a function whose last parameter is ``shared: Shared``;
the shared options appear in its help and arrive parsed. A command that reads logs asks for
``logs: Logs`` as well and gets the options of :data:`GROUPS` under that name.
"""

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from llmops_cli.cli.apart import check_apart
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = [
    "FORMAT_NAMES",
    "GROUPS",
    "SHARED_NAMES",
    "Destination",
    "Group",
    "PathsArgument",
    "Shared",
    "check_writable",
    "command",
    "parse_destinations",
    "suggestion",
]

FORMAT_NAMES = ("text", "json", "markdown", "html", "junit", "github", "sarif")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one rendering goes: a format and a path, None for stdout."""

    format: str
    path: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """The parsed shared options of one invocation."""

    destinations: tuple[Destination, ...] = (Destination("text"),)
    explain: bool = False
    exit_zero: bool = False
    seed: int = 0
    max_bad_rows: int = 100
    jobs: int = 1
    quiet: bool = False
    verbose: bool = False
    color: bool = False


PathsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH", help="Logs: files, folders, globs, or - for stdin.", show_default=False
    ),
]

_SHARED: dict[str, tuple[Any, Any]] = {
    "format": (
        Annotated[
            list[str] | None,
            typer.Option(
                "--format",
                "-f",
                metavar="FORMAT[=PATH]",
                help=f"{' | '.join(FORMAT_NAMES)}; repeatable, with =PATH to write a file.",
                envvar="LLMOPS_FORMAT",
                show_default="text",
            ),
        ],
        None,
    ),
    "explain": (
        Annotated[bool, typer.Option("--explain", help="Show formula, numbers and source.")],
        False,
    ),
    "exit_zero": (
        Annotated[bool, typer.Option("--exit-zero", help="Exit 0 whatever the verdict.")],
        False,
    ),
    "seed": (
        Annotated[
            int,
            typer.Option(
                "--seed", metavar="N", min=0, help="Seed of every resampling.", envvar="LLMOPS_SEED"
            ),
        ],
        0,
    ),
    "max_bad_rows": (
        Annotated[
            int,
            typer.Option(
                "--max-bad-rows",
                metavar="N",
                min=0,
                help="Stop when more rows than this cannot be read.",
                envvar="LLMOPS_MAX_BAD_ROWS",
            ),
        ],
        100,
    ),
    "jobs": (
        Annotated[
            int,
            typer.Option(
                "--jobs", "-j", metavar="N", min=1, help="Worker processes.", envvar="LLMOPS_JOBS"
            ),
        ],
        1,
    ),
    "quiet": (
        Annotated[bool, typer.Option("--quiet", "-q", help="No text on stdout, no summary.")],
        False,
    ),
    "verbose": (
        Annotated[bool, typer.Option("--verbose", "-v", help="Every table and measure.")],
        False,
    ),
    "no_color": (
        Annotated[bool, typer.Option("--no-color", help="No colour (also: NO_COLOR).")],
        False,
    ),
}

SHARED_NAMES = tuple(_SHARED)
"""Options that every command has, by parameter name."""


@dataclass(frozen=True, slots=True)
class Group:
    """Options that arrive parsed, as one object.

    Attributes:
        options: annotation and default by parameter name.
        parse: makes the object of their values.
    """

    options: dict[str, tuple[Any, Any]]
    parse: Callable[[dict[str, Any]], Any]


GROUPS: dict[str, Group] = {}
"""Groups by the name of the parameter that asks for them, in the order of the help."""

_FIRST = ("shared", "logs")
"""What many commands have leads in all of them, whatever module happens to be loaded first."""


def command(
    app: typer.Typer, name: str, *, examples: Sequence[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command; a parameter named like a group of options receives that group.

    ``examples`` come first in the command's help, as people read them first.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        parameters = inspect.signature(function).parameters
        own = [parameter for parameter in parameters.values() if parameter.name not in GROUPS]
        groups = {asked: GROUPS[asked] for asked in (*_FIRST, *GROUPS) if asked in parameters}

        @wraps(function)
        def run(**values: Any) -> None:
            check_apart(values)
            for asked, group in groups.items():
                values[asked] = group.parse({key: values.pop(key) for key in group.options})
            function(**values)

        added = [
            inspect.Parameter(
                key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
            for group in groups.values()
            for key, (annotation, default) in group.options.items()
        ]
        keyword_own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        signature = inspect.Signature([*keyword_own, *added])
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        run.__doc__ = _help(function.__doc__ or "", examples)
        app.command(name)(run)
        return function

    return register


def _help(text: str, examples: Sequence[str]) -> str:
    summary, _, rest = inspect.cleandoc(text).partition("\n")
    shown = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples) if examples else ""
    return "\n\n".join(part for part in (summary, shown, rest.strip()) if part)


def _parse(raw: dict[str, Any]) -> Shared:
    return Shared(
        destinations=parse_destinations(raw["format"] or (), quiet=raw["quiet"]),
        explain=raw["explain"],
        exit_zero=raw["exit_zero"],
        seed=raw["seed"],
        max_bad_rows=raw["max_bad_rows"],
        jobs=raw["jobs"],
        quiet=raw["quiet"],
        verbose=raw["verbose"],
        color=_wants_color(refused=raw["no_color"]),
    )


GROUPS["shared"] = Group(_SHARED, _parse)


def _wants_color(*, refused: bool) -> bool:
    if refused or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout is not None and sys.stdout.isatty()


def parse_destinations(values: Sequence[str], *, quiet: bool = False) -> tuple[Destination, ...]:
    """``json``, ``html=report.html`` … as destinations, refused early where they cannot work.

    Text goes to stdout as well when every given format has a path, unless ``quiet``.

    Raises:
        LlmopsError: ``format-unknown``, ``format-twice`` (two formats on stdout) and
            ``output-unwritable``, all with the usage exit code.
    """
    destinations = [_destination(value) for value in values]
    to_stdout = [item for item in destinations if item.path is None]
    if len(to_stdout) > 1:
        raise LlmopsError(
            "format-twice",
            "only one format can go to stdout",
            hint="write the others to files: -f json=report.json",
            exit_code=ExitCode.USAGE,
        )
    if not to_stdout and not quiet:
        destinations.insert(0, Destination("text"))
    return tuple(destinations)


def _destination(value: str) -> Destination:
    name, _, path = value.partition("=")
    if name not in FORMAT_NAMES:
        raise LlmopsError(
            "format-unknown",
            f"'{name}' is not a format",
            hint=suggestion(name, FORMAT_NAMES),
            exit_code=ExitCode.USAGE,
        )
    if not path or path == "-":
        return Destination(name)
    check_writable(Path(path))
    return Destination(name, Path(path))


def suggestion(given: str, known: Sequence[str]) -> str:
    """A hint for a name that is not one of ``known``: the nearest one, else all of them."""
    near = get_close_matches(given, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"one of {', '.join(known)}"


def check_writable(path: Path) -> None:
    """Refuse, before any work, a path that could not be written after it.

    Raises:
        LlmopsError: ``output-unwritable``.
    """
    try:
        reason = _obstacle(path)
    except OSError as error:  # a name that is too long
        reason = (error.strerror or type(error).__name__).lower()
    if reason:
        raise LlmopsError(
            "output-unwritable",
            f"cannot write {path}: {reason}",
            hint="choose another path; nothing was computed or written",
            exit_code=ExitCode.USAGE,
        )


def _obstacle(path: Path) -> str:
    """Why a path cannot be written; empty if it can."""
    folder = path.parent
    if path.is_dir():
        return "it is a folder"
    if not folder.is_dir():
        return f"the folder {folder} does not exist"
    # A file is replaced by a new one, so it is the folder that must be writable.
    if not os.access(path if path.exists() and not path.is_file() else folder, os.W_OK):
        return "permission denied"
    return ""
