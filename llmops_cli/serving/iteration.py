"""How long iterations take, compiled: one by one, or many pure decode steps in closed form.

The forms and the order of their coefficients are :class:`~llmops_cli.hardware.StepForm`'s.
"""

from typing import TYPE_CHECKING

from llmops_cli.serving.compiled import compiled, inlined
from llmops_cli.serving.state import (
    ATTENTION,
    CHUNKS,
    EMITTING,
    FORM,
    LOAD_S,
    LOADS,
    NEW_TOKENS,
    PREFIX,
    SHARE,
    STEP_CONTEXT,
    STEPPED,
    STEPS,
    UNTIL,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]
    Wholes = NDArray[np.int64]

__all__ = ["elapsed_s", "end_s", "iteration_s", "steps_until"]

ROOFLINE, POLYNOMIAL = 0, 1


@inlined
def iteration_s(c: "Reals", form: int, work: "Reals") -> float:
    """Seconds of one iteration of this make-up, without loads from the second tier."""
    tokens = work[NEW_TOKENS]
    if form == ROOFLINE:
        every = tokens + work[STEPS]
        flops = c[0] * every + c[1] * (work[ATTENTION] + work[STEP_CONTEXT])
        experts = c[9] * (1.0 - (1.0 - c[10]) ** every) if c[9] > 0.0 else 0.0
        moved = c[2] + experts + c[3] * (work[PREFIX] + work[STEP_CONTEXT])
        return max(flops / c[4], moved / c[5]) + c[6] + c[7] * every + c[8]
    if form == POLYNOMIAL:
        total = 0.0
        if tokens > 0.0:
            mean = tokens // work[CHUNKS] * work[CHUNKS]
            total = c[0] * (mean * mean) + c[1] * mean + c[2]
        if work[EMITTING] > 0.0:
            share = min(work[SHARE], 1.0)
            total += max(c[6], c[3] * (share * share) + c[4] * share + c[5])
        return total
    fixed = c[0] + c[1] * tokens + c[2] * work[ATTENTION]
    return fixed + c[3] * work[STEPS] + c[4] * work[STEP_CONTEXT]


@inlined
def _sum_of_larger(low: float, low_slope: float, high: float, high_slope: float, n: float) -> float:
    """Sum over j < n of max(low + low_slope j, high + high_slope j), with low <= high at 0."""
    crossing = n
    if low_slope > high_slope:
        crossing = min(n, float(int((high - low) / (low_slope - high_slope))) + 1.0)
    rest = n - crossing
    first = crossing * high + high_slope * (0.5 * crossing * (crossing - 1.0))
    return first + rest * low + low_slope * (0.5 * rest * (crossing + n - 1.0))


@compiled
def _in_closed_form_s(c: "Reals", form: int, work: "Reals", n: float) -> float:
    batch, context = work[STEPS], work[STEP_CONTEXT]
    if form == ROOFLINE:
        experts = c[9] * (1.0 - (1.0 - c[10]) ** batch) if c[9] > 0.0 else 0.0
        per_flop, per_byte = 1.0 / c[4], 1.0 / c[5]
        compute = (c[0] * batch + c[1] * context) * per_flop
        move = (c[2] + experts + c[3] * context) * per_byte
        slope, move_slope = c[1] * batch * per_flop, c[3] * batch * per_byte
        fixed = n * (c[6] + c[7] * batch + c[8])
        if compute <= move:
            return fixed + _sum_of_larger(compute, slope, move, move_slope, n)
        return fixed + _sum_of_larger(move, move_slope, compute, slope, n)
    once = iteration_s(c, form, work)
    if form == POLYNOMIAL:
        return n * once
    return n * once + c[4] * batch * (0.5 * n * (n - 1.0))


@inlined
def elapsed_s(c: "Reals", form: int, work: "Reals", n: int) -> float:
    """Seconds of the next ``n`` iterations of this make-up; many only of pure decoding."""
    if n == 1:
        return iteration_s(c, form, work) + work[LOADS] * c[LOAD_S]
    return _in_closed_form_s(c, form, work, float(n))


@inlined
def end_s(c: "Reals", settings: "Wholes", work: "Reals", start: float, n: int) -> float:
    """When ``n`` iterations end, added up one by one where that is asked for."""
    form = settings[FORM]
    if n == 1 or settings[STEPPED] == 0:
        return start + elapsed_s(c, form, work, n)
    context, now = work[STEP_CONTEXT], start
    for _ in range(n):
        now += iteration_s(c, form, work)
        work[STEP_CONTEXT] += work[STEPS]
    work[STEP_CONTEXT] = context
    return now


@compiled
def steps_until(
    c: "Reals", settings: "Wholes", work: "Reals", start: float, most: int, now: float
) -> int:
    """The fewest iterations, at least one and at most ``most``, that end no earlier than now.

    When they end is left in work[UNTIL].
    """
    form = settings[FORM]
    if settings[STEPPED] == 1:
        return _steps_one_by_one(c, form, work, start, most, now)
    low, high = 0, most
    low_s, high_s = start, start + elapsed_s(c, form, work, most)
    tries = 0
    while high - low > 1:
        tries += 1
        guess = (low + high) // 2
        if tries % 3 > 0 and high_s > low_s:  # nearly a straight line: seldom halved
            share = (now - low_s) / (high_s - low_s)
            guess = min(high - 1, max(low + 1, low + int(share * (high - low))))
        guess_s = start + elapsed_s(c, form, work, guess)
        if guess_s >= now:
            high, high_s = guess, guess_s
        else:
            low, low_s = guess, guess_s
    work[UNTIL] = high_s
    return high


@compiled
def _steps_one_by_one(
    c: "Reals", form: int, work: "Reals", start: float, most: int, now: float
) -> int:
    context, end = work[STEP_CONTEXT], start
    n = 0
    while n < most and (n == 0 or end < now):
        end += iteration_s(c, form, work)
        work[STEP_CONTEXT] += work[STEPS]
        n += 1
    work[STEP_CONTEXT] = context
    work[UNTIL] = end
    return n
