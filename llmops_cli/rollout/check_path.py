"""The way a stage has come: each guardrail's harm and evidence, window by window, as curves."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.report import Series
from llmops_cli.rollout.evidence import Arms
from llmops_cli.rollout.model import Guardrail

__all__ = ["Path", "path_of", "path_series"]

Floats = npt.NDArray[np.float64]

_MOST = 400
"""More windows than that are thinned out for drawing; the last one stays."""


@dataclass(frozen=True, slots=True)
class Path:
    """One guardrail, window by window.

    Attributes:
        guardrail: its name.
        margin: the harm that matters.
        requests: on the new version so far.
        harm: as observed so far.
        high: upper bound of the harm; it must fall below the margin to go on.
        evidence: of harm, as a part of what goes back.
    """

    guardrail: str
    margin: float
    requests: tuple[float, ...]
    harm: tuple[float, ...]
    high: tuple[float, ...]
    evidence: tuple[float, ...]


def path_of(arms: Arms, guardrail: Guardrail, evidence: Floats, needed: float) -> Path:
    """The path of one guardrail.

    Args:
        arms: of the stage so far, at each window.
        guardrail: which one.
        evidence: ``(T,)`` of harm, as a part of what goes back.
        needed: standard errors below the margin that go on.
    """
    harm, high, margin = arms.told(guardrail, needed)
    harm, high = np.nan_to_num(harm), np.minimum(1.0, high)
    kept = np.unique(np.linspace(0, len(harm) - 1, min(_MOST, len(harm))).astype(np.int64))
    columns = (arms.treated.n, harm, high, evidence)
    return Path(guardrail.name, margin, *(tuple(c[kept].tolist()) for c in columns))


def path_series(paths: tuple[Path, ...], deciding: str) -> tuple[Series, ...]:
    """Evidence of every guardrail against its limit, and the deciding one against its margin."""
    if not paths:
        return ()
    told = [*_evidence(paths)]
    for path in paths:
        if path.guardrail == deciding:
            told += _harm(path)
    return tuple(told)


def _evidence(paths: tuple[Path, ...]) -> Iterator[Series]:
    chart = "Evidence of harm: 1 goes back"
    longest = max(paths, key=lambda path: path.requests[-1])
    for path in paths:
        yield _curve(f"evidence_{path.guardrail}", path.guardrail, chart, path, path.evidence)
    one = (1.0,) * len(longest.requests)
    yield _curve("evidence_limit", "goes back", chart, longest, one)


def _harm(path: Path) -> Iterator[Series]:
    chart = f"Harm to {path.guardrail}: goes on below the margin"
    margin = (path.margin,) * len(path.requests)
    for name, title, values in (
        ("harm", "observed", path.harm),
        ("harm_high", "at most", path.high),
        ("harm_margin", "margin", margin),
    ):
        yield _curve(f"{path.guardrail}_{name}", title, chart, path, values)


def _curve(name: str, title: str, chart: str, path: Path, values: tuple[float, ...]) -> Series:
    return Series(
        name=name,
        title=title,
        x_label="requests on the new version",
        y_label="part of what goes back" if name.startswith("evidence") else "harm",
        x=path.requests,
        y=values,
        chart=chart,
    )
