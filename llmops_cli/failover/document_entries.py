"""The fields of a failover file, and the refusal of a value that cannot be one of them."""

from datetime import datetime
from typing import Any

import msgspec

from llmops_cli.errors import LlmopsError
from llmops_cli.failover.failures import FailureKind

__all__ = [
    "DeploymentEntry",
    "DocumentEntry",
    "HappeningEntry",
    "IncidentEntry",
    "OutageEntry",
    "invalid",
    "positive",
    "seconds",
    "within",
]

_LARGEST = 1e12
_LONGEST_S = 86_400.0


class Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Fields that nobody knows are mistakes, not extras."""


class LatencyEntry(Strict):
    """Of a deployment that does not follow the log."""

    median_s: float
    p99_s: float


class DeploymentEntry(Strict):
    """One of ``deployments``."""

    name: str
    provider: str
    model: str
    region: str = ""
    weight: float = 0.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    context_window_tokens: int | None = None
    latency_ratio: float | None = None
    latency: LatencyEntry | None = None
    error_rate: float = 0.0
    error: FailureKind = FailureKind.UNAVAILABLE
    responds_s: float = 0.2
    quality: float | dict[str, float] | None = None
    price_as: str = ""


class HappeningEntry(Strict):
    """What incidents and outages have in common."""

    provider: str = ""
    region: str = ""
    form: str = "full"
    share: float = 1.0
    error: FailureKind = FailureKind.UNAVAILABLE
    responds_s: float | None = 0.2
    slower: float = 1.0


class IncidentEntry(HappeningEntry, kw_only=True):
    """One of ``incidents``."""

    minutes: float
    start: datetime | None = None
    start_hours: float | None = None
    deployment: str = ""


class OutageEntry(HappeningEntry, kw_only=True):
    """One of ``outages``."""

    per_year: float
    median_minutes: float
    mean_minutes: float
    source: str = ""


class DocumentEntry(Strict):
    """The whole file."""

    schema: str
    deployments: list[DeploymentEntry]
    policies: list[dict[str, Any]] = []
    incidents: list[IncidentEntry] = []
    outages: list[OutageEntry] = []
    common_share: float = 0.0


def invalid(reason: str, field: str, source: str) -> LlmopsError:
    """A value that the file may not have there."""
    return LlmopsError("failover-invalid", reason, file=source, field=field)


def within(value: float, field: str, source: str) -> float:
    """A share.

    Raises:
        LlmopsError: ``failover-invalid``.
    """
    if not 0 <= value <= 1:
        raise invalid(f"{value:g} is no share, 0 to 1", field, source)
    return value


def positive(value: float, field: str, source: str) -> float:
    """A number above 0, small enough to be meant.

    Raises:
        LlmopsError: ``failover-invalid``.
    """
    if value > _LARGEST:
        raise invalid(f"it is larger than {_LARGEST:g}", field, source)
    if not value > 0:
        raise invalid(f"{value:g} is not above 0", field, source)
    return value


def seconds(value: float, field: str, source: str) -> float:
    """A time of up to a day.

    Raises:
        LlmopsError: ``failover-invalid``.
    """
    if not 0 <= value <= _LONGEST_S:
        raise invalid(f"{float(value):g} is no time of up to a day, in seconds", field, source)
    return value
