"""YAML documents that begin with their schema: plans and pools, read strictly.

What a document holds is its room's affair; here are the refusals that all of them share.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import msgspec

from llmops_cli.errors import LlmopsError
from llmops_cli.yaml_text import read_yaml

__all__ = ["converted", "document"]


def document(text: str, schema: str, *, prefix: str, source: str, hint: str) -> dict[str, Any]:
    """The fields of a document.

    Args:
        text: of the file.
        schema: that its field ``schema`` names.
        prefix: of the slugs of refusals.
        source: name of the file.
        hint: how to come by a document of this schema.

    Raises:
        LlmopsError: ``PREFIX-not-yaml``, ``PREFIX-schema-unknown``.
    """
    import yaml  # noqa: PLC0415 - only who reads a document pays for it

    try:
        found = read_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        slug = f"{prefix}-not-yaml"
        raise LlmopsError(slug, "this is not YAML", file=source, line=line) from error
    if not isinstance(found, dict) or found.get("schema") != schema:
        raise LlmopsError(
            f"{prefix}-schema-unknown",
            f"it does not begin with 'schema: {schema}'",
            hint=hint,
            file=source,
            field="schema",
        )
    return {str(name): value for name, value in found.items()}


@contextmanager
def converted(*, slug: str, source: str, within: str = "", hint: str = "") -> Generator[None]:
    """A value that does not fit its type becomes a refusal with its place.

    Args:
        slug: of the refusal.
        source: name of the file.
        within: place of the converted part in the document.
        hint: of the refusal.

    Raises:
        LlmopsError: by ``slug``.
    """
    try:
        yield
    except msgspec.ValidationError as error:
        # The message ends with the place, as a path from the root of what was converted.
        reason, _, at = str(error).partition(" - at ")
        inside = at.strip("`$.")
        joint = "" if not within or not inside or inside.startswith("[") else "."
        raise LlmopsError(
            slug,
            reason[:1].lower() + reason[1:],
            hint=hint,
            file=source,
            field=f"{within}{joint}{inside}",
        ) from error
