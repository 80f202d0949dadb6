"""The root of the command line: its options, and the commands of the catalogue below it.

A command's module is imported when the command is asked for, and imports its verb inside the
function.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from llmops_cli import __version__
from llmops_cli.cli.known_settings import Defaults, Known
from llmops_cli.cli.lazy_group import LazyGroup
from llmops_cli.cli.show import silence_stdout
from llmops_cli.config import find_config, load_config
from llmops_cli.errors import ExitCode

__all__ = ["app"]


class Root(LazyGroup):
    """The root group; it keeps two exceptions from the parser, which would end both with 1.

    Exit code 1 means a failed gate, so nothing else may end with it.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """As the parser's; this is where ``--help`` writes."""
        with _kept_from_parser():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """As the parser's; this is where commands run."""
        with _kept_from_parser():
            return super().invoke(ctx)


@contextmanager
def _kept_from_parser() -> Generator[None]:
    try:
        yield
    except BrokenPipeError:
        silence_stdout()
        raise typer.Exit(ExitCode.BROKEN_PIPE) from None
    except EOFError as error:
        raise RuntimeError("unexpected end of input") from error


app = typer.Typer(
    name="llmops",
    cls=Root,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"auto_envvar_prefix": "LLMOPS", "help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"llmops {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            metavar="PATH|KEY=VALUE",
            help="Configuration file or one setting; repeatable.",
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            allow_from_autoenv=False,  # a build's LLMOPS_VERSION=1.2 is not a question
            help="Show the version.",
        ),
    ] = False,
) -> None:
    """Offline evaluation and planning of LLM applications from the traffic you already log."""
    del debug, version
    given = config or []
    files = [item for item in given if "=" not in item]
    path = Path(files[-1]) if files else find_config(Path.cwd())
    group: Any = context.command
    overrides = [item for item in given if "=" in item]
    context.obj = load_config(Known(group.commands), path=path, overrides=overrides)
    context.default_map = Defaults(context.obj, group.commands)
