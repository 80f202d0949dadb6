"""What an Argo Rollouts or Flagger manifest does with errors: weights, windows, limits.

Only what its own fields say; what it asks a metrics server for in other words is named, and left
out. Facts of both controllers: Argo's failureLimit is 0 where absent, Flagger's threshold 1.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from llmops_cli.errors import LlmopsError
from llmops_cli.rollout.manifest_conditions import limit_of_condition, limit_of_range

__all__ = ["ErrorRule", "Manifest", "read_manifest"]

_Absent = TypeVar("_Absent", float, None)

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_ALL = 100
_ENDS = ("success", "failure")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

STEP_S = 3600.0
"""A pause without a duration waits for a person: an hour is taken."""


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One metric of errors.

    Attributes:
        name: as the manifest names it.
        bound: error rate of a window above which the check fails.
        interval_s: length of a window.
        strikes: failed checks, in all, that roll back.
        empty_fails: whether a window without requests fails.
    """

    name: str
    bound: float
    interval_s: float
    strikes: int
    empty_fails: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """A rollout as its manifest has it.

    Attributes:
        controller: Argo Rollouts or Flagger.
        steps: share of traffic and seconds, in order; the last share is below 1.
        rules: of errors.
        left_out: metrics that are not rules of errors, each in words.
    """

    controller: str
    steps: tuple[tuple[float, float], ...]
    rules: tuple[ErrorRule, ...]
    left_out: tuple[str, ...]


def read_manifest(text: str, *, source: str) -> Manifest:
    """Read a Rollout with its AnalysisTemplates, or a Canary, from one YAML file.

    Raises:
        LlmopsError: ``manifest-not-yaml``, ``manifest-unknown``, ``manifest-bad-field``,
            ``manifest-no-steps``, ``manifest-no-errors``.
    """
    import yaml  # noqa: PLC0415 - only a manifest pays for it

    try:
        documents = [item for item in yaml.safe_load_all(text) if isinstance(item, dict)]
    except yaml.YAMLError as error:
        raise LlmopsError("manifest-not-yaml", "this is not YAML", file=source) from error
    try:
        found = _found(documents)
    except _NotWhatItIsForError as error:
        raise LlmopsError(
            "manifest-bad-field",
            f"this is not {error.wanted}",
            hint="write what the controller will see, as its templates are not filled in here",
            file=source,
            field=error.field,
        ) from error
    if found is None:
        raise LlmopsError(
            "manifest-unknown",
            "there is neither an Argo Rollout nor a Flagger Canary in it",
            hint="give the Rollout and its AnalysisTemplate in one file",
            file=source,
        )
    if not found.steps:
        raise LlmopsError(
            "manifest-no-steps",
            "it gives the new version no share of traffic that it looks at",
            file=source,
        )
    if not found.rules:
        raise LlmopsError(
            "manifest-no-errors",
            "it has no rule of an error or success rate that can be read",
            hint="name the metric by what it is, as error-rate, and compare it with a number",
            file=source,
        )
    return found


class _NotWhatItIsForError(Exception):
    def __init__(self, field: str, wanted: str) -> None:
        super().__init__(field)
        self.field = field
        self.wanted = wanted


def _found(documents: list[dict[str, Any]]) -> Manifest | None:
    kinds = {str(item.get("kind")): item for item in documents}
    if "Canary" in kinds:
        return _flagger(kinds["Canary"])
    return _argo(kinds["Rollout"], documents) if "Rollout" in kinds else None


def _flagger(canary: dict[str, Any]) -> Manifest:
    analysis = _at(canary, "spec", "analysis")
    interval = _seconds(analysis, "interval") or 60.0
    steps = tuple((weight / 100, interval) for weight in _weights(analysis) if 0 < weight < _ALL)
    strikes = max(1, int(_number(analysis, "threshold", 1)))
    rules, left = list[ErrorRule](), list[str]()
    for metric in _each(analysis, "metrics"):
        name, limits = str(metric.get("name")), _at(metric, "thresholdRange")
        ends = [_number(limits, end, None) for end in ("min", "max")]
        limit = limit_of_range(name, *ends)
        window = _seconds(metric, "interval") or interval
        if limit is None:
            left.append(f"metric '{name}' is no rate of errors")
            continue
        rules.append(ErrorRule(name, limit.bound, interval, strikes, limit.empty_fails))
        if window != interval:
            left.append(f"metric '{name}' looks back {window:g} s; taken as {interval:g} s")
    return Manifest("Flagger", steps, tuple(rules), tuple(left))


def _weights(analysis: dict[str, Any]) -> list[float]:
    given = analysis.get("stepWeights")
    if given:
        items: list[Any] = given if isinstance(given, list) else [given]
        return [_number({"stepWeights": item}, "stepWeights", 0) for item in items]
    step = int(_number(analysis, "stepWeight", 0))
    most = min(_ALL, int(_number(analysis, "maxWeight", _ALL)))
    return [float(weight) for weight in range(step, most + 1, step)] if step > 0 else []


def _argo(rollout: dict[str, Any], documents: list[dict[str, Any]]) -> Manifest:
    canary = _at(rollout, "spec", "strategy", "canary")
    steps = _each(canary, "steps")
    rules, left = list[ErrorRule](), list(_argo_left_out(canary, steps))
    for template in documents:
        if template.get("kind") not in ("AnalysisTemplate", "ClusterAnalysisTemplate"):
            continue
        for metric in _each(_at(template, "spec"), "metrics"):
            name = str(metric.get("name"))
            conditions = (str(metric.get(f"{end}Condition") or "") for end in _ENDS)
            limit = limit_of_condition(name, *conditions)
            if limit is None:
                left.append(f"metric '{name}' is no rate of errors held against a number")
                continue
            if metric.get("count") is not None:
                left.append(f"the count after which metric '{name}' is measured no more")
            most = int(_number(metric, "failureLimit", 0))
            interval = _seconds(metric, "interval") or STEP_S
            # Minus one never fails.
            strikes = most + 1 if most >= 0 else 2**31
            rules.append(ErrorRule(name, limit.bound, interval, strikes, limit.empty_fails))
    return Manifest("Argo Rollouts", tuple(_argo_steps(steps)), tuple(rules), tuple(left))


def _argo_left_out(canary: dict[str, Any], steps: list[dict[str, Any]]) -> Iterator[str]:
    if _at(canary, "analysis").get("startingStep"):
        yield "startingStep, before which the analysis does not look"
    if any("analysis" in step for step in steps):
        yield "analysis as a step, which looks at its place only"
    if any("experiment" in step for step in steps):
        yield "experiment as a step"


def _argo_steps(steps: list[dict[str, Any]]) -> Iterator[tuple[float, float]]:
    share, waits = 0.0, 0.0
    for step in [*steps, {"setWeight": _ALL}]:
        if "setWeight" in step:
            if 0 < share < 1:
                yield share, waits or STEP_S
            share, waits = _number(step, "setWeight", 0) / 100, 0.0
        elif "pause" in step:
            waits += _seconds(_at(step, "pause"), "duration") or STEP_S


def _at(document: dict[str, Any], *path: str) -> dict[str, Any]:
    for key in path:
        inner: Any = document.get(key) or {}
        if not isinstance(inner, dict):
            raise _NotWhatItIsForError(key, "a mapping")
        document = inner
    return document


def _each(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    items: Any = document.get(key) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _NotWhatItIsForError(key, "a list of mappings")
    return items


def _number(document: dict[str, Any], key: str, absent: _Absent) -> float | _Absent:
    value = document.get(key)
    if value is None:
        return absent
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise _NotWhatItIsForError(key, "a number")
    return number


def _seconds(document: dict[str, Any], key: str) -> float:
    """A duration in seconds, 0 where there is none."""
    value = document.get(key)
    if value is None or isinstance(value, int | float):
        return max(0.0, _number(document, key, 0))
    if not _DURATION.fullmatch(str(value)):
        if str(value).isdigit():
            return float(value)
        raise _NotWhatItIsForError(key, "a duration, as 10m")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(str(value)))
