"""THE calls table: one row per LLM call, and the block trace cut from it.

Every reader produces these columns and every question consumes them; nothing is
implicit. Token classes are disjoint leaves: a cached token is never also an input token.
"""

from llmops_cli.calls.blocks import BlockTrace, block_trace, fixed_width
from llmops_cli.calls.columns import (
    COLUMNS,
    HASH_BYTES,
    TOKEN_CLASSES,
    BlockKind,
    CallColumn,
    Marker,
    arrow_schema,
)
from llmops_cli.calls.table import CallsTable, from_arrow, require, to_arrow, validate

__all__ = [
    "COLUMNS",
    "HASH_BYTES",
    "TOKEN_CLASSES",
    "BlockKind",
    "BlockTrace",
    "CallColumn",
    "CallsTable",
    "Marker",
    "arrow_schema",
    "block_trace",
    "fixed_width",
    "from_arrow",
    "require",
    "to_arrow",
    "validate",
]
