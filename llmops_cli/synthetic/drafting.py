"""Generated acceptance of a draft model: requests of classes that are drafted for differently."""

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["ACCEPTANCE", "TRUTHS", "acceptance"]

ACCEPTANCE: Mapping[str, float] = {"code": 0.82, "chat": 0.68, "translate": 0.45}
"""Mean acceptance of a drafted token in each class; requests scatter around it."""

DRAFTED = 5
_REQUESTS = 90
_ALIKE = 14.0
"""How close requests of a class are to its mean: the sum of the shapes of a beta law."""
_SECONDS_PER_STEP = 0.012

TRUTHS: Mapping[str, float] = {
    "requests": _REQUESTS,
    "drafted": DRAFTED,
    **{f"acceptance_{task}": rate for task, rate in ACCEPTANCE.items()},
}


def acceptance(seed: int) -> list[dict[str, Any]]:
    """One row per request: its class, when it ran, and what each step accepted."""
    draw = np.random.default_rng(seed)
    tasks = list(ACCEPTANCE)
    started = np.sort(draw.uniform(0, 8, _REQUESTS))
    rows: list[dict[str, Any]] = []
    for number in range(_REQUESTS):
        task = tasks[number % len(tasks)]
        mean = ACCEPTANCE[task]
        rate = draw.beta(mean * _ALIKE, (1 - mean) * _ALIKE)
        accepted = _steps(rate, int(draw.integers(60, 180)), draw)
        begun = float(started[number])
        rows.append(
            {
                "request_id": f"q{number:03d}",
                "task": task,
                "temperature": 0,
                "started": round(begun, 3),
                "ended": round(begun + _SECONDS_PER_STEP * len(accepted), 3),
                "drafted": DRAFTED,
                "accepted": accepted,
            }
        )
    return rows


def _steps(rate: float, tokens: int, draw: np.random.Generator) -> list[int]:
    """Accepted tokens of each step until so many tokens have come."""
    steps: list[int] = []
    while sum(steps) + len(steps) < tokens:
        steps.append(min(int(draw.geometric(1 - rate)) - 1, DRAFTED))
    return steps
