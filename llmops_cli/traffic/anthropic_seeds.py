"""Request parameters that decide, beside the prompt, whether Anthropic finds a cached prefix.

A change of one of them is a miss from some tier on (tools, system, messages), as if the first
block of that tier had changed; so it is mixed into that block's digest. An explicit default is
as good as nothing.

Not looked for: the first image or citation of a conversation, which would mean to search every
byte of every prompt; a server tool that is switched on stands among the tools and changes those.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

from llmops_cli.calls import HASH_BYTES
from llmops_cli.traffic.prompts import Block, Cutter

__all__ = ["messages_seed", "seeded", "system_seed"]

_encode = msgspec.json.Encoder(order="deterministic").encode


def system_seed(speed: object) -> bytes:
    """What a changed ``speed`` mixes in from the system prompt on; empty for the default.

    Source:
        Anthropic prompt-caching documentation, "What invalidates the cache".
    """
    return b"" if speed is None or speed == "standard" else _encode({"speed": str(speed)})


def messages_seed(tool_choice: object, thinking: object, output_config: object) -> bytes:
    """What tool choice, thinking and effort mix in from the messages on; empty for the defaults.

    Source:
        As :func:`system_seed`.
    """
    if tool_choice is None and thinking is None and output_config is None:
        return b""
    told = {
        "tool_choice": _unless(tool_choice, {"type": "auto"}),
        "thinking": _unless(thinking, {"type": "disabled"}),
        "effort": _unless(output_config, {"effort": "high"}, only="effort"),
    }
    told = {name: value for name, value in told.items() if value}
    return _encode(told) if told else b""


def _unless(given: object, default: Mapping[str, Any], only: str = "") -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        return {}
    # False is how ``disable_parallel_tool_use`` says its default, null how any field does.
    said = {
        str(name): value
        for name, value in given.items()
        if value is not None and value is not False and only in {"", name}
    }
    return {} if said == default else said


@lru_cache(maxsize=1024)
def seeded(cutter: Cutter, seed: bytes) -> Cutter:
    """A cutter whose first block is another one for another seed; the same for the same two."""
    if not seed:
        return cutter

    def cut(raw: bytes) -> tuple[Block, ...]:
        blocks = cutter(raw)
        if not blocks:
            return blocks
        digest, size, kind, marker = blocks[0]
        mixed = blake2b(b"s" + seed + digest, digest_size=HASH_BYTES).digest()
        return ((mixed, size, kind, marker), *blocks[1:])

    return cut
