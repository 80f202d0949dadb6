"""Seconds of one iteration by any form of step time, in numpy: what compiled loops are held to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.hardware.step_time import StepForm, StepTime

__all__ = ["Load", "load_of", "seconds"]

Amount = float | npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What one iteration computes, as sums; each may be an array of iterations.

    Attributes:
        chunks: how many sequences bring new tokens beyond one.
        new_tokens: of all chunks.
        new_pairs: new tokens times the context each attends to: ``n (s + n / 2)`` per chunk.
        new_context: tokens before the chunks, which their attention reads.
        decoding: sequences that bring one token.
        decode_context: tokens before those.
        kv_share: of the memory for the cache that is in use, 0 to 1.
    """

    chunks: Amount = 0.0
    new_tokens: Amount = 0.0
    new_pairs: Amount = 0.0
    new_context: Amount = 0.0
    decoding: Amount = 0.0
    decode_context: Amount = 0.0
    kv_share: Amount = 0.0


def load_of(
    chunks: Sequence[tuple[int, int]], contexts: Sequence[int], kv_share: float = 0.0
) -> Load:
    """The sums of one iteration.

    Args:
        chunks: new tokens and tokens before them, per sequence in prefill.
        contexts: tokens before the next one, per sequence that decodes.
        kv_share: of the memory for the cache that is in use.
    """
    return Load(
        chunks=float(len(chunks)),
        new_tokens=float(sum(new for new, _ in chunks)),
        new_pairs=float(sum(new * (before + new / 2) for new, before in chunks)),
        new_context=float(sum(before for _, before in chunks)),
        decoding=float(len(contexts)),
        decode_context=float(sum(contexts)),
        kv_share=kv_share,
    )


def seconds(step: StepTime, load: Load) -> npt.NDArray[np.float64]:
    """How long the iteration takes; 0 where it computes nothing.

    Args:
        step: the model of step times.
        load: one iteration, or arrays of as many as are wanted.

    Returns:
        Seconds, in the shape of the load.
    """
    by_form = {
        StepForm.ROOFLINE: _roofline,
        StepForm.POLYNOMIAL: _polynomial,
        StepForm.AFFINE: _affine,
    }
    found = by_form[step.form](step.coefficients, load)
    busy = np.asarray(load.new_tokens) + np.asarray(load.decoding) > 0
    return np.where(busy, found, 0.0)


def _roofline(c: npt.NDArray[np.float64], load: Load) -> npt.NDArray[np.float64]:
    tokens = np.asarray(load.new_tokens) + np.asarray(load.decoding)
    pairs = np.asarray(load.new_pairs) + np.asarray(load.decode_context)
    context = np.asarray(load.new_context) + np.asarray(load.decode_context)
    flops = c[0] * tokens + c[1] * pairs
    visited = c[9] * (1 - (1 - c[10]) ** tokens)
    moved = c[2] + visited + c[3] * context
    busiest = np.maximum(flops / c[4], moved / c[5])
    return busiest + c[6] + c[7] * tokens + c[8]


def _polynomial(c: npt.NDArray[np.float64], load: Load) -> npt.NDArray[np.float64]:
    chunks = np.maximum(np.asarray(load.chunks), 1)
    new = chunks * (np.asarray(load.new_tokens) // chunks)
    prefill = np.where(np.asarray(load.new_tokens) > 0, c[0] * new**2 + c[1] * new + c[2], 0.0)
    used = np.minimum(np.asarray(load.kv_share), 1.0)
    decode = np.maximum(c[6], c[3] * used**2 + c[4] * used + c[5])
    return prefill + np.where(np.asarray(load.decoding) > 0, decode, 0.0)


def _affine(c: npt.NDArray[np.float64], load: Load) -> npt.NDArray[np.float64]:
    return (
        c[0]
        + c[1] * np.asarray(load.new_tokens)
        + c[2] * np.asarray(load.new_pairs)
        + c[3] * np.asarray(load.decoding)
        + c[4] * np.asarray(load.decode_context)
    )
