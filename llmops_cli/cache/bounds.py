"""What perfect foresight would pay: the one-lifetime clairvoyant bound LB2."""

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.trace import CacheTrace

__all__ = ["clairvoyant_usd"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def clairvoyant_usd(trace: CacheTrace, per_token: Floats, *, life_us: int, write: int) -> Floats:
    """The least input spend with entries of one lifetime, as ``(runs,)`` USD to be summed.

    Every prefix node is decided alone and with knowledge of the future: its visits are split
    into runs with gaps of at most one lifetime, and each run costs the cheapest of never
    writing, or writing at one visit and reading at every later one that starts after the
    writer's response began (rule R9). With equal tokens and no overlap that is
    ``1 if L == 1 else w + (L - 1) r`` per token of a run of length L. No policy that writes
    with this one lifetime is cheaper: an entry's reads and writes all visit the node.

    Args:
        trace: the compiled calls.
        per_token: ``(calls, 5)`` USD per token by class.
        life_us: lifetime of an entry in microseconds.
        write: column of ``per_token`` that a write of this lifetime pays.
    """
    order = np.argsort(trace.node, kind="stable")
    call, node, tokens = trace.call[order], trace.node[order], trace.block_tokens[order]
    start = trace.start_us[call]
    fresh, read, written = (tokens * per_token[call, column] for column in (0, 1, write))
    begins = np.flatnonzero(_new_run(node, start, life_us))
    run = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(node))))
    ends = np.append(begins[1:], len(node))[run]
    readable = _first_readable(run, start, trace.begins_us[call], ends)
    paid, reads = _running(fresh), _running(read)
    here = np.arange(len(node))
    before = paid[here] - paid[begins[run]]
    waiting = paid[readable] - paid[here + 1]
    cost = before + written + waiting + reads[ends] - reads[readable]
    never = paid[np.append(begins[1:], len(node))] - paid[begins]
    return np.minimum(np.minimum.reduceat(cost, begins), never)


def _new_run(node: Ints, start: Ints, life_us: int) -> npt.NDArray[np.bool_]:
    new = np.ones(len(node), np.bool_)
    new[1:] = (node[1:] != node[:-1]) | (start[1:] - start[:-1] > life_us)
    return new


def _first_readable(run: Ints, start: Ints, begins: Ints, ends: Ints) -> Ints:
    # Per visit, the first later visit of its run that starts once the response has begun.
    moments = np.unique(start)
    width = len(moments) + 1
    key = run * width + np.searchsorted(moments, start)
    wanted = run * width + np.searchsorted(moments, begins)
    found = np.searchsorted(key, wanted)
    return np.minimum(np.maximum(found, np.arange(len(run)) + 1), ends)


def _running(values: Floats) -> Floats:
    return np.concatenate([np.zeros(1), np.cumsum(values)])
