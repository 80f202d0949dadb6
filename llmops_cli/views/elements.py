"""HTML and SVG elements: the one place where text becomes markup, so nothing goes unescaped."""

import html

from llmops_cli.views.prose import clean

__all__ = ["Markup", "element", "joined"]

_VOID = frozenset({"br", "hr", "meta"})


class Markup(str):
    """Text that is markup already; made here, and by a constant of our own such as the style."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: object) -> Markup:
    """One element. Children are escaped unless they are :class:`Markup`.

    Attribute names drop a trailing underscore and read ``_`` as ``-`` (``class_``,
    ``aria_label``); an attribute that is None or False is left out, True stands alone.
    """
    shown = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{shown}>")
    return Markup(f"<{name}{shown}>{joined(*children)}</{name}>")


def joined(*parts: str) -> Markup:
    """The parts one after the other, text among them escaped."""
    return Markup("".join(part if isinstance(part, Markup) else _escape(part) for part in parts))


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f' {name}="{_escape(text)}"'


def _escape(text: str) -> str:
    return html.escape(clean(text), quote=True)
