"""A generated request trace of a fleet: customers with long prompts of their own, and sessions.

Mooncake's JSON lines: a number per block of 512 tokens, the same for the same prefix.
"""

from typing import Any

import numpy as np

__all__ = ["TRUTHS", "fleet"]

Line = dict[str, Any]

_BLOCK = 512
_CUSTOMERS = 110
_SESSIONS = 1300
_SPAN_S = 240.0

TRUTHS = {"customers": _CUSTOMERS, "sessions": _SESSIONS, "block_tokens": _BLOCK}
"""What is planted."""


def fleet(seed: int) -> list[Line]:
    """Sessions of customers, four minutes of them.

    Every session of a customer begins with the customer's prompt; every turn sends the session
    so far again. What is shared fits the memory of a fleet once, and not on each of its replicas.
    """
    draw = np.random.default_rng(seed)
    prompts = draw.integers(6 * _BLOCK, 18 * _BLOCK, _CUSTOMERS).tolist()
    numbers = _Numbers()
    shared = [[numbers.fresh() for _ in range(size // _BLOCK)] for size in prompts]
    weights = 1 / np.arange(1, _CUSTOMERS + 1) ** 0.6
    lines: list[Line] = []
    for session in range(_SESSIONS):
        drawn = int(draw.choice(_CUSTOMERS, p=weights / weights.sum()))
        customer = session if session < _CUSTOMERS else drawn  # everybody comes
        lines += _session(draw, session, (prompts[customer], shared[customer]), numbers)
    lines.sort(key=lambda line: line["timestamp"])
    return numbers.in_order(lines)


def _session(
    draw: np.random.Generator, session: int, prompt: tuple[int, list[int]], numbers: "_Numbers"
) -> list[Line]:
    length, known = prompt[0], list(prompt[1])
    at = float(draw.uniform(0, _SPAN_S))
    lines: list[Line] = []
    for _ in range(1 + int(draw.geometric(0.5))):
        length += int(draw.lognormal(5.8, 0.7)) + 20
        output = min(int(draw.lognormal(5.0, 0.6)) + 10, 1000)
        known += [numbers.fresh() for _ in range(length // _BLOCK - len(known))]
        rest = [numbers.fresh()] if length % _BLOCK else []
        lines.append(
            {
                "timestamp": round(1000 * at),
                "session_id": session,
                "input_length": length,
                "output_length": output,
                "hash_ids": known + rest,
            }
        )
        length += output
        at += float(draw.exponential(25)) + 5 + output / 60
    return [line for line in lines if line["timestamp"] < 1000 * _SPAN_S]


class _Numbers:
    """Numbers of blocks, in the end those of their first appearance, which pack well."""

    def __init__(self) -> None:
        self._made = 0

    def fresh(self) -> int:
        self._made += 1
        return self._made - 1

    def in_order(self, lines: list[Line]) -> list[Line]:
        """The lines with blocks and sessions numbered as they come."""
        blocks: dict[int, int] = {}
        sessions: dict[int, int] = {}
        for line in lines:
            ids = line["hash_ids"]
            line["hash_ids"] = [blocks.setdefault(each, len(blocks)) for each in ids]
            line["session_id"] = sessions.setdefault(line["session_id"], len(sessions))
        return lines
