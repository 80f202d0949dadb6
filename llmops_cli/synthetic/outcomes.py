"""Generated outcomes of three models on the same requests, with a right answer for every class."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["MODELS", "TRUTHS", "outcomes"]

MODELS = ("acme/large", "acme/small", "bolt/coder")

_USD = (0.0120, 0.0009, 0.0031)
_SECONDS = (2.4, 0.6, 1.1)
_PER_CLUSTER = 5


@dataclass(frozen=True, slots=True)
class _Class:
    """A task class: how many requests, and how often each model is right.

    The others follow the large model as often as ``together`` says, and are right by themselves
    else: models fail on the same requests more often than chance.
    """

    requests: int
    large: float
    others: tuple[float, float]
    together: tuple[float, float]


_CLASSES: Mapping[str, _Class] = {
    "extract": _Class(700, 0.95, (0.95, 0.80), (0.9, 0.5)),
    "classify": _Class(700, 0.93, (0.93, 0.78), (0.9, 0.5)),
    "summarise": _Class(400, 0.90, (0.72, 0.70), (0.6, 0.6)),
    "code": _Class(400, 0.78, (0.45, 0.90), (0.5, 0.3)),
    "reason": _Class(388, 0.84, (0.48, 0.55), (0.4, 0.4)),
    "translate": _Class(12, 0.92, (0.92, 0.70), (0.9, 0.5)),
}

TRUTHS: Mapping[str, float] = {
    "requests": sum(item.requests for item in _CLASSES.values()),
    "classes_of_small": 2,
    "classes_of_coder": 1,
    "rows_of_translate": _CLASSES["translate"].requests,
}


def outcomes(seed: int) -> list[dict[str, str]]:
    """One row per request, as text ready for CSV."""
    draw = np.random.default_rng(seed)
    rows: list[dict[str, str]] = []
    for task, item in _CLASSES.items():
        for number in range(item.requests):
            row = {
                "request_id": f"r{len(rows):04d}",
                "task": task,
                "cluster": f"{task}-{number // _PER_CLUSTER:03d}",
            }
            rows.append(row | _answers(item, draw))
    return rows


def _answers(item: _Class, draw: np.random.Generator) -> dict[str, str]:
    large = bool(draw.random() < item.large)
    right = [large]
    for chance, together in zip(item.others, item.together, strict=True):
        follows = draw.random() < together
        # What is left when following is taken out, so that the mean is as stated.
        alone = (chance - together * item.large) / (1 - together)
        right.append(large if follows else bool(draw.random() < alone))
    length = float(draw.lognormal(0, 0.35))
    found: dict[str, str] = {}
    for name, good, usd, seconds in zip(MODELS, right, _USD, _SECONDS, strict=True):
        found[name] = str(int(good))
        found[f"{name}|cost"] = f"{usd * length:.6f}"
        found[f"{name}|latency"] = f"{seconds * float(draw.lognormal(0, 0.3)):.2f}"
    return found
