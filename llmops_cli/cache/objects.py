"""Gemini's explicit cache: the client creates an object and pays for storing it by the hour.

The object holds tools and system prompt. It lives for the lifetime asked for, counted from its
creation whatever reads it, and is created again by the first call that needs it afterwards.
"""

from dataclasses import dataclass

import numpy as np

from llmops_cli.cache.policies import static_end
from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import Ints

__all__ = ["Objects", "objects"]


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """Tokens read and written per call; a call that creates an object reads it as well.

    ``token_hours`` is what storage is billed by, per call that creates.
    """

    read: Ints
    written: Ints
    token_hours: np.ndarray


def objects(trace: CacheTrace, rules: CacheRules) -> Objects:
    """Create, read and store the static part of every prompt that reaches the minimum."""
    end = static_end(trace)
    size = np.where(end >= 0, trace.depth_tokens[end], 0)
    able = np.flatnonzero((size > 0) & (size >= trace.minimum))
    node = trace.node[end[able]]
    read, written = np.zeros(trace.calls, np.int64), np.zeros(trace.calls, np.int64)
    read[able] = size[able]
    for calls in _grouped(able, node):
        creators = _creators(trace.start_us[calls], rules.life_5m_us)
        written[calls[creators]] = size[calls[creators]]
    return Objects(read, written, written * (rules.life_5m_us / 3.6e9))


def _grouped(calls: Ints, node: Ints) -> list[Ints]:
    order = np.argsort(node, kind="stable")
    edges = np.flatnonzero(np.diff(node[order])) + 1
    return [group for group in np.split(calls[order], edges) if len(group)]


def _creators(start: Ints, life_us: int) -> list[int]:
    # Creation is a call of its own that the request waits for: others may use it at once.
    found, at = list[int](), 0
    while at < len(start):
        found.append(at)
        at = int(np.searchsorted(start, start[at] + life_us, side="right"))
    return found
