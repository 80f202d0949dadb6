"""Incidents and outages of a failover file."""

import math
from itertools import pairwise
from typing import Any

import pandas as pd

from llmops_cli.errors import LlmopsError
from llmops_cli.failover.document_entries import (
    HappeningEntry,
    IncidentEntry,
    OutageEntry,
    invalid,
    positive,
    seconds,
    within,
)
from llmops_cli.failover.incidents import Incident, meets
from llmops_cli.failover.policy import Deployment
from llmops_cli.failover.sampling import Outage

__all__ = ["incidents_of", "outage_of"]

_HOURLY = 8_766
"""A year has so many hours."""


def _happening(
    item: HappeningEntry, chain: tuple[Deployment, ...], where: str, source: str
) -> dict[str, Any]:
    if item.form not in {"full", "brownout", "slow"}:
        raise invalid("form is full, brownout or slow", f"{where}.form", source)
    within(item.share, f"{where}.share", source)
    positive(item.slower, f"{where}.slower", source)
    touched = Incident(
        start_s=0,
        duration_s=0,
        provider=item.provider,
        region=item.region,
        deployment=getattr(item, "deployment", ""),
    )
    if not any(meets(touched, deployment) for deployment in chain):
        raise LlmopsError(
            "failover-unknown-provider",
            "it touches no deployment",
            hint=f"providers: {', '.join(sorted({d.provider for d in chain}))}",
            file=source,
            field=where,
        )
    waits = (
        float("inf")
        if item.responds_s is None
        else seconds(item.responds_s, f"{where}.responds_s", source)
    )
    return {
        "form": item.form,
        "share": item.share,
        "error": item.error,
        "responds_s": waits,
        "slower": item.slower,
        "provider": item.provider,
        "region": item.region,
    }


def outage_of(item: OutageEntry, chain: tuple[Deployment, ...], where: str, source: str) -> Outage:
    """How often a provider is down.

    Args:
        item: its entry.
        chain: the deployments.
        where: its place in the file.
        source: name of the file.

    Raises:
        LlmopsError: ``failover-invalid``, ``failover-unknown-provider``.
    """
    if positive(item.per_year, f"{where}.per_year", source) > _HOURLY:
        reason = "what fails more often than every hour is an error_rate of the deployment"
        raise invalid(reason, f"{where}.per_year", source)
    positive(item.median_minutes, f"{where}.median_minutes", source)
    if not item.median_minutes <= item.mean_minutes < math.inf:
        reason = "the mean of a heavy tail is not below its median"
        raise invalid(reason, f"{where}.mean_minutes", source)
    found = Outage(
        per_year=item.per_year,
        median_s=60 * item.median_minutes,
        mean_s=60 * item.mean_minutes,
        source=item.source,
        **_happening(item, chain, where, source),
    )
    if not found.unavailable < 1:
        raise invalid("it is down for more than all of the time", where, source)
    return found


def incidents_of(
    items: list[IncidentEntry],
    chain: tuple[Deployment, ...],
    log: tuple[pd.Timestamp, float],
    source: str,
) -> tuple[Incident, ...]:
    """Incidents on the log itself, in the order of their start.

    Args:
        items: their entries.
        chain: the deployments.
        log: its first moment, and its length in seconds.
        source: name of the file.

    Raises:
        LlmopsError: ``failover-invalid``, ``failover-unknown-provider``,
            ``failover-outside-log``, ``failover-overlap``.
    """
    found: list[Incident] = []
    for at, item in enumerate(items):
        where = f"incidents[{at}]"
        start = _start_s(item, log[0], where, source)
        length = 60 * positive(item.minutes, f"{where}.minutes", source)
        if start >= log[1] or start + length <= 0:
            raise LlmopsError(
                "failover-outside-log",
                f"it is over before the log begins, or begins after the log of "
                f"{log[1] / 3600:.3g} hours is over",
                file=source,
                field=where,
            )
        own = _happening(item, chain, where, source)
        found.append(Incident(start_s=start, duration_s=length, deployment=item.deployment, **own))
    _apart(found, chain, source)
    return tuple(sorted(found, key=lambda item: item.start_s))


def _start_s(item: IncidentEntry, began: pd.Timestamp, where: str, source: str) -> float:
    if item.start_hours is not None and item.start is None:
        if not math.isfinite(item.start_hours):
            raise invalid("it is no number of hours", f"{where}.start_hours", source)
        return 3600 * item.start_hours
    if item.start is None or item.start_hours is not None:
        raise invalid("it needs either start or start_hours", where, source)
    moment = pd.Timestamp(item.start)
    moment = moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")
    return (moment - began) / pd.Timedelta(seconds=1)


def _apart(found: list[Incident], chain: tuple[Deployment, ...], source: str) -> None:
    for deployment in chain:
        own = sorted(
            (item for item in found if meets(item, deployment)), key=lambda item: item.start_s
        )
        for first, second in pairwise(own):
            if second.start_s < first.end_s:
                raise LlmopsError(
                    "failover-overlap",
                    f"two incidents of '{deployment.name}' overlap",
                    hint="make one of them, or end the first where the second begins",
                    file=source,
                    field="incidents",
                )
