"""The root of the command line: global options, the commands, and the last line of defence.

Command modules import their verb inside the function, so ``llmops --help`` stays light.
"""

import gc
import os
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from llmops_cli import __version__
from llmops_cli.cli.options import SHARED_NAMES
from llmops_cli.cli.plain_values import spare_converters
from llmops_cli.cli.show import silence_stdout
from llmops_cli.config import Config, find_config, load_config
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["app", "main"]


class Root(TyperGroup):
    """The root group; it keeps two exceptions from the parser, which would end both with 1.

    Exit code 1 means a failed gate, so nothing else may end with it.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """As the parser's; this is where ``--help`` writes."""
        spare_converters(self)
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
    loaded = load_config(
        sorted(known_keys(context)), path=path, overrides=[item for item in given if "=" in item]
    )
    context.obj = loaded
    context.default_map = _default_map(loaded, context)


def known_keys(context: typer.Context) -> dict[str, Any]:
    """Every dotted setting and its parameter; shared ones exist once at the top as well."""
    keys: dict[str, Any] = {}

    def visit(group: Any, prefix: str) -> None:
        for name, item in group.commands.items():
            if hasattr(item, "commands"):
                visit(item, f"{prefix}{name}.")
                continue
            for parameter in item.params:
                if parameter.param_type_name == "option" and parameter.name != "help":
                    dotted = parameter.name.replace("_", "-")
                    keys[f"{prefix}{name}.{dotted}"] = parameter
                    if parameter.name in SHARED_NAMES:
                        keys.setdefault(dotted, parameter)

    visit(context.command, "")
    return keys


def _default_map(config: Config, context: typer.Context) -> dict[str, Any]:
    """Nested defaults in the shape the parser expects, shared settings copied to each command."""
    nested: dict[str, Any] = {}
    for dotted, parameter in known_keys(context).items():
        *groups, name = dotted.split(".")
        setting = config.winner(dotted, name)
        if groups and setting is not None:
            level = nested
            for group in groups:
                level = level.setdefault(group, {})
            # The parser would take a lone word for a list of letters.
            lone = parameter.multiple and not isinstance(setting.value, list)
            level[parameter.name] = [setting.value] if lone else setting.value
    return nested


COMMANDS: tuple[str, ...] = (
    "judge_eval",
    "judge_collect",
    "cache_estimate",
    "simulate_tiers",
    "simulate_serving",
    "plan_rollout",
    "simulate_rollout",
    "check_rollout",
    "plan_speculation",
    "simulate_failover",
    "replay",
    "describe",
    "audit_traces",
    "ingest",
    "prices",
    "datasets",
    "show_report",
    "schema",
    "config_command",
)
"""The command modules in the order of ``llmops --help``; each has ``register(app)``."""

for _name in COMMANDS:
    import_module(f"llmops_cli.cli.{_name}").register(app)


def main() -> NoReturn:
    """Run the command line; every way out is one of :class:`ExitCode`."""
    # What is loaded stays until the end: looking through it for garbage is a tenth of a second.
    gc.freeze()
    code = _run()
    gc.freeze()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        silence_stdout()
        broken = isinstance(error, BrokenPipeError)
        code = ExitCode.BROKEN_PIPE if broken else code or ExitCode.USAGE
    sys.exit(code)


def _run() -> int:
    try:
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
