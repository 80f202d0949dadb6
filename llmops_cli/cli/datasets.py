"""``llmops datasets``: logs to try things on: list them, make ours, convert public ones."""

import gzip
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from llmops_cli.cli.options import check_writable, command
from llmops_cli.cli.show import STDOUT, write_atomically, write_stdout
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["convert", "list_datasets", "make", "register"]

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="PATH", help="File to write."),
]


def list_datasets() -> None:
    """List our data sets and public ones.

    Each of ours with what it is for, each public one with the command that converts it.
    """
    from llmops_cli.synthetic import DATASETS, PUBLIC

    lines = ["Ours: llmops datasets make NAME", ""]
    for name, item in DATASETS.items():
        lines += [f"  {name}  (for {item.question})", f"    {item.about}"]
    lines += ["", "Public, not included", ""]
    for item in PUBLIC:
        lines += [f"  {item.name}  ({item.licence}; {item.source})", f"    {item.about}"]
        lines.append(f"    {item.convert}")
    write_stdout("\n".join(lines) + "\n")


def make(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of llmops datasets list.")],
    output: Output = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Another draw.")] = 0,
) -> None:
    """Make one of our data sets.

    The same name and seed give the same content, compressed where the output ends in .gz.
    """
    from llmops_cli.synthetic import DATASETS
    from llmops_cli.synthetic import make as build

    _check_name(name, tuple(DATASETS))
    own = Path(DATASETS[name].file)
    path = own if output is None else output
    if path == STDOUT:
        write_stdout(_packed(build(name, seed), own, path))
        return
    check_writable(path)
    write_atomically(path, _packed(build(name, seed), own, path))
    write_stdout(f"{path}\n")


def _packed(content: bytes, own: Path, path: Path) -> bytes:
    """Compressed where the name says so: by the name is how it will be read."""
    if (own.suffix == ".gz") is (path.suffix == ".gz"):
        return content
    return gzip.decompress(content) if own.suffix == ".gz" else gzip.compress(content, mtime=0)


def convert(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A public data set.")],
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Its file or folder.")],
    output: Output = None,
) -> None:
    """Convert a public data set.

    What comes out is a file our commands read; datasets/README.md says what is assumed.
    """
    from llmops_cli.traffic.convert import CONVERTERS

    _check_name(name, tuple(CONVERTERS))
    if output is None or output == STDOUT:
        write_stdout(CONVERTERS[name](source))
        return
    check_writable(output)
    text = CONVERTERS[name](source)
    write_atomically(output, text)
    write_stdout(f"{output}: {text.count(chr(10)):,} lines\n")


def _check_name(name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=1)
        raise LlmopsError(
            "dataset-unknown",
            f"'{name}' is not a data set that can be made this way",
            hint=f"did you mean '{near[0]}'?" if near else f"one of {', '.join(known)}",
            exit_code=ExitCode.USAGE,
        )


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    group = typer.Typer(
        help="List, make and convert data to try things on.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    command(group, "list", examples=("llmops datasets list",))(list_datasets)
    command(group, "make", examples=("llmops datasets make agent -o agent.jsonl.gz",))(make)
    command(
        group,
        "convert",
        examples=("llmops datasets convert tau-bench gpt-4o-airline.json -o tau.jsonl",),
    )(convert)
    app.add_typer(group, name="datasets")
