"""Small logs by hand: calls as dictionaries, prompts as blocks with names and tokens."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from llmops_cli.cache.kernel import cut, replay
from llmops_cli.cache.model import CacheParameters
from llmops_cli.cache.policies import plan
from llmops_cli.cache.rules import load_rules
from llmops_cli.cache.trace import CacheTrace, compile_trace
from llmops_cli.calls import BlockKind, CallsTable, Marker, arrow_schema, from_arrow

MARKERS = {"": Marker.NONE, "5m": Marker.FIVE_MINUTES, "1h": Marker.ONE_HOUR}
START = datetime(2026, 9, 1, 8, tzinfo=UTC)

Blocks = Sequence[tuple[Any, ...]]
Call = dict[str, Any]


def _prompt(blocks: Blocks) -> dict[str, list[Any]]:
    # A block is (name, tokens[, marker[, kind]]).
    hashes, last = list[bytes](), b""
    full = [(*block, *("", BlockKind.USER)[len(block) - 2 :]) for block in blocks]
    for name, *_ in full:
        last = blake2b(last + str(name).encode(), digest_size=16).digest()
        hashes.append(last)
    return {
        "block_hashes": hashes,
        "block_tokens": [tokens for _, tokens, _, _ in full],
        "block_kinds": [int(kind) for *_, kind in full],
        "block_markers": [int(MARKERS[marker]) for _, _, marker, _ in full],
    }


def _row(number: int, call: Call) -> Call:
    given = dict(call)
    blocks = _prompt(given.pop("blocks", ()))
    total = sum(blocks["block_tokens"])
    row: Call = {
        "call_id": str(number),
        "start_time": START + timedelta(seconds=given.pop("at", 0.0)),
        "isolation_domain": "workspace",
        "conversation_id": "conversation",
        "provider_name": "anthropic",
        "request_model": "claude-sonnet-4-5",
        "input_tokens": total,
        **dict.fromkeys(("cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"), 0),
        "output_tokens": 10,
        "tokens_estimated": False,
        "ttft_s": 0.0,
        "automatic_cache": 0,
        "source_file": "log.jsonl",
        "source_line": number + 1,
        **blocks,
    }
    return row | given


def build_log(*calls: Call) -> CallsTable:
    """A calls table; what a call leaves out is filled in plausibly."""
    rows = [_row(number, call) for number, call in enumerate(calls)]
    return from_arrow(pa.Table.from_pylist(rows, schema=arrow_schema()))


def compile_log(calls: CallsTable, **given: object) -> CacheTrace:
    """The trace of a log as the models it names."""
    models = calls["request_model"].to_numpy(dtype=object)
    return compile_trace(calls, load_rules(), models, CacheParameters(**given))


def billed(calls: CallsTable, policy: str = "as-logged", **given: object) -> npt.NDArray[np.int64]:
    """``(calls, 4)`` tokens fresh, read, written for 5 minutes and for 1 hour, by time."""
    trace, rules = compile_log(calls, **given), load_rules()
    marked = given.get("refresh") == "marked"
    plans = {policy: plan(trace, policy, rules, renew_marked=marked)}
    total = replay(cut(trace, plans)[0])
    return total.in_order(policy)


@pytest.fixture(scope="session")
def log() -> Callable[..., CallsTable]:
    return build_log


@pytest.fixture(scope="session")
def traced() -> Callable[..., CacheTrace]:
    return compile_log


@pytest.fixture(scope="session")
def bill() -> Callable[..., npt.NDArray[np.int64]]:
    return billed
