"""The root of the command line: global options, the commands, and the last line of defence.

Command modules import their verb inside the function, so ``llmops --help`` stays light.
"""

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from llmops_cli import __version__
from llmops_cli.config import Config, find_config, load_config
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["app", "main"]

app = typer.Typer(
    name="llmops",
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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
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
    from llmops_cli.cli.options import SHARED_NAMES  # noqa: PLC0415 - cheap, and breaks a cycle

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
    for dotted in known_keys(context):
        *groups, name = dotted.split(".")
        setting = config.get(dotted) or config.get(name)
        if groups and setting is not None:
            level = nested
            for group in groups:
                level = level.setdefault(group, {})
            level[name.replace("-", "_")] = setting.value
    return nested


COMMANDS: tuple[str, ...] = ()
"""The command modules in the order of ``llmops --help``; each has ``register(app)``."""

for _name in COMMANDS:
    import_module(f"llmops_cli.cli.{_name}").register(app)


def main() -> NoReturn:
    """Run the command line; every way out is one of :class:`ExitCode`."""
    try:
        app()
    except LlmopsError as error:
        _complain(error.render(), error)
        code: int = error.exit_code
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last line of defence
        _complain(
            f"llmops: error[bug]: {type(error).__name__} in {_where(error)}\n"
            "hint: this is a defect in llmops; run again with --debug and report it",
            error,
        )
        code = ExitCode.BUG
    else:
        code = ExitCode.OK
    sys.exit(code)


def _complain(text: str, error: Exception) -> None:
    if "--debug" in sys.argv:
        traceback.print_exception(error)
    sys.stderr.write(f"{text}\n")


def _where(error: Exception) -> str:
    # File and line only: an exception's own message may quote prompt text.
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
