"""The generated request trace: what is planted in it is there, and it is a trace like real ones."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.reuse import measure_reuse
from llmops_cli.synthetic.fleet import TRUTHS, fleet
from llmops_cli.traffic.request_traces import read_request_trace


@pytest.fixture(scope="module")
def trace(datasets: Path) -> RequestTrace:
    return read_request_trace([datasets / "fleet.trace.gz"]).trace


def test_the_truths_are_in_it(trace: RequestTrace) -> None:
    assert trace.block_tokens == TRUTHS["block_tokens"]
    assert len(set(trace.session.tolist())) == TRUTHS["sessions"]
    # Every session of a customer opens with the same block, and no other customer's does.
    assert len(set(trace.blocks[trace.starts[:-1]].tolist())) == TRUTHS["customers"]


def test_every_turn_sends_the_session_so_far_again(trace: RequestTrace) -> None:
    for session in range(50):
        rows = np.flatnonzero(trace.session == session)
        for before, after in pairwise(rows.tolist()):
            full = int(trace.input_tokens[before]) // trace.block_tokens
            start, again = trace.starts[before], trace.starts[after]
            shared = trace.blocks[start : start + full]
            assert shared.tolist() == trace.blocks[again : again + full].tolist()
            assert trace.input_tokens[after] > trace.input_tokens[before]


def test_what_is_shared_fits_a_fleet_and_not_every_replica(trace: RequestTrace) -> None:
    visits = np.bincount(trace.blocks)
    shared = int((visits > 1).sum())
    assert 875 < shared < 4 * 875  # KV blocks of Llama-3.1-8B on an H100, and on four
    assert measure_reuse(trace).block_share > 0.8


def test_another_seed_is_another_trace_and_the_same_is_the_same() -> None:
    assert fleet(3) == fleet(3)
    assert fleet(3) != fleet(4)
