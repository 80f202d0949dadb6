"""``--export NAME=PATH``: a plan for other programs, as an option of commands that make plans."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from llmops_cli.cli.options import check_writable, suggestion
from llmops_cli.cli.simulate_tiers_input import pairs_of
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["exports_of"]


def exports_of(given: Sequence[str] | None, known: Mapping[str, object]) -> dict[str, Path]:
    """Files by the name of the export; each must be writable.

    Raises:
        LlmopsError: ``export-unknown``, ``option-not-a-pair``, ``option-twice``,
            ``output-twice``, ``output-unwritable``.
    """
    found: dict[str, Path] = {}
    for name, path in pairs_of(given, "--export"):
        if name not in known:
            raise LlmopsError(
                "export-unknown",
                f"'{name}' is not an export",
                hint=suggestion(name, tuple(known)),
                exit_code=ExitCode.USAGE,
            )
        _apart(Path(path), found)
        check_writable(Path(path))
        found[name] = Path(path)
    return found


def _apart(path: Path, found: Mapping[str, Path]) -> None:
    """The second would overwrite the first."""
    if any(path.absolute() == other.absolute() for other in found.values()):
        raise LlmopsError(
            "output-twice",
            f"two exports are written to {path}",
            hint="one file for each export",
            exit_code=ExitCode.USAGE,
        )
