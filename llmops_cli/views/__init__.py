"""A Report becomes text, JSON, Markdown, HTML, JUnit, GitHub lines or SARIF: one file each.

Every view is a module with ``render(report, look) -> str``; this file is their register.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from llmops_cli.report import Report

__all__ = ["FORMATS", "Look", "View", "render"]

FORMATS: tuple[str, ...] = ("text", "json", "markdown", "html", "junit", "github", "sarif")


@dataclass(frozen=True, slots=True)
class Look:
    """How a rendering should look: colour, width in columns, and whether to explain."""

    color: bool = False
    width: int = 80
    explain: bool = False
    verbose: bool = False


class View(Protocol):
    """The shape of a view module."""

    def render(self, report: Report, look: Look) -> str:
        """The whole rendering, ending in a newline."""
        ...


def render(report: Report, format_name: str, look: Look | None = None) -> str:
    """Render a report in one of :data:`FORMATS`; the module loads on first use.

    The text can be encoded as UTF-8: bytes of a file name that are none show as ``?``.
    """
    view = cast("View", import_module(f"llmops_cli.views.{format_name}"))
    return view.render(report, look or Look()).encode("utf-8", "replace").decode("utf-8")
