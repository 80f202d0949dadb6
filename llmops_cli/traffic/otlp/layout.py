"""Where each column stands among the attributes of a span, by the names alone.

An instrumentation writes the same attributes on every span, so this is worked out once for
thousands of them. Names that leave a choice to the values have no layout.
"""

from functools import lru_cache

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

from llmops_cli.traffic.otlp import exact
from llmops_cli.traffic.otlp.names import FLATTENED, KNOWN
from llmops_cli.traffic.otlp.values import count, texts

__all__ = ["PROMPT", "Layout", "layout"]

_MOST = 64
"""Spans with more attributes have them numbered, each its own way."""
PROMPT = {
    gen_ai.GEN_AI_TOOL_DEFINITIONS: "tools",
    gen_ai.GEN_AI_SYSTEM_INSTRUCTIONS: "instructions",
    gen_ai.GEN_AI_INPUT_MESSAGES: "messages",
}
"""Attributes that hold a prompt, in prefix order."""
_CHOICE = (*FLATTENED, exact.PREFIX, exact.MARK)
_BY_VALUE = {"asked_model"}
_MAY_FAIL = (count, texts)
"""Of several counters one may be refused, and behind an empty list another name may say more."""


class Layout(msgspec.Struct, frozen=True):
    """Positions among attributes.

    Attributes:
        columns: of each column of :data:`KNOWN` that is there.
        prompt: of tools, instructions and messages, by these names.
    """

    columns: dict[str, int]
    prompt: dict[str, int]


@lru_cache(maxsize=1024)
def layout(names: tuple[str, ...]) -> Layout | None:
    """The layout of attributes with these names; None where it is not told by names.

    Where a column has several names, the one counts that is current, or else the first.
    """
    if len(names) > _MOST or len(set(names)) < len(names) or gen_ai.GEN_AI_PROMPT in names:
        return None
    found = dict[str, tuple[int, int]]()
    for position, name in enumerate(names):
        if name.startswith(_CHOICE):
            return None
        if name not in KNOWN:
            continue
        column, converter, place = KNOWN[name]
        if column in _BY_VALUE or (column in found and converter in _MAY_FAIL):
            return None
        found[column] = min(found.get(column, (place, position)), (place, position))
    prompt = {PROMPT[name]: at for at, name in enumerate(names) if name in PROMPT}
    return Layout({column: at for column, (_, at) in found.items()}, prompt)
