"""Deployments and policies of a failover file."""

from dataclasses import fields
from difflib import get_close_matches
from typing import Any

import msgspec

from llmops_cli.documents import converted
from llmops_cli.errors import LlmopsError
from llmops_cli.failover.document_entries import (
    DeploymentEntry,
    invalid,
    positive,
    seconds,
    within,
)
from llmops_cli.failover.model import Line, Member
from llmops_cli.failover.policy import Deployment, FailoverPolicy
from llmops_cli.failover.world import Manner

__all__ = ["line_of", "member_of"]

_MOST_ATTEMPTS = 100


def member_of(item: DeploymentEntry, at: int, source: str) -> Member:
    """A deployment of the file.

    Args:
        item: its entry.
        at: its place in the list.
        source: name of the file.

    Raises:
        LlmopsError: ``failover-invalid``.
    """
    where = f"deployments[{at}]"
    within(item.error_rate, f"{where}.error_rate", source)
    positive(item.latency_ratio, f"{where}.latency_ratio", source)
    seconds(item.responds_s, f"{where}.responds_s", source)
    if item.weight:
        positive(item.weight, f"{where}.weight", source)
    for name in ("requests_per_minute", "tokens_per_minute", "context_window_tokens"):
        limit = getattr(item, name)
        if limit is not None:
            positive(limit, f"{where}.{name}", source)
    latency = None
    if item.latency is not None:
        latency = (item.latency.median_s, item.latency.p99_s)
        if not 0 < latency[0] <= latency[1]:
            raise invalid(
                "p99_s is below median_s, or that is not above 0", f"{where}.latency", source
            )
        seconds(latency[1], f"{where}.latency.p99_s", source)
    quality = item.quality
    table = {} if quality is None else quality if isinstance(quality, dict) else {"": quality}
    for task, value in table.items():
        within(value, f"{where}.quality{f'.{task}' if task else ''}", source)
    own = {field.name for field in fields(Deployment)}
    return Member(
        deployment=Deployment(**{name: getattr(item, name) for name in own}),
        manner=Manner(
            latency_ratio=item.latency_ratio,
            latency_s=latency,
            error_rate=item.error_rate,
            error=item.error,
            responds_s=item.responds_s,
        ),
        quality=table,
        price_as=item.price_as,
    )


def line_of(item: dict[str, Any], names: list[str], where: str, source: str) -> Line:
    """A policy of the file, over all deployments or those it names.

    Args:
        item: its entry.
        names: of all deployments.
        where: its place in the file.
        source: name of the file.

    Raises:
        LlmopsError: ``failover-invalid``, ``failover-unknown-deployment``, ``failover-cycle``.
    """
    given = dict(item)
    wanted = given.pop("deployments", names)
    if not isinstance(wanted, list) or not wanted:
        raise invalid("it is not a list of names", f"{where}.deployments", source)
    places: list[int] = []
    for name in wanted:
        if name not in names:
            near = get_close_matches(str(name), names, n=1)
            raise LlmopsError(
                "failover-unknown-deployment",
                f"'{name}' is no deployment",
                hint=f"did you mean {near[0]}?" if near else f"of: {', '.join(names)}",
                file=source,
                field=f"{where}.deployments",
            )
        if names.index(name) in places:
            raise LlmopsError(
                "failover-cycle",
                f"the chain comes back to '{name}'",
                hint="a request goes down a chain once; retries are `backoff.attempts`",
                file=source,
                field=f"{where}.deployments",
            )
        places.append(names.index(name))
    known = {field.name for field in fields(FailoverPolicy)}
    for name in given:
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            hint = f", did you mean '{near[0]}'?" if near else ""
            raise invalid(f"a policy has no '{name}'{hint}", where, source)
    with converted(slug="failover-invalid", source=source, within=where):
        policy = msgspec.convert(given, FailoverPolicy)
    _bounded(policy, where, source)
    return Line(policy, tuple(places))


def _bounded(policy: FailoverPolicy, where: str, source: str) -> None:
    """Waits of days keep a client busy with an outage for ever; nobody means them."""
    parts = {where: policy, f"{where}.backoff": policy.backoff, f"{where}.breaker": policy.breaker}
    for place, part in parts.items():
        for field in fields(part) if part is not None else ():
            value = getattr(part, field.name)
            if field.name.endswith("_s") and value is not None:
                seconds(value, f"{place}.{field.name}", source)
    if policy.backoff.attempts > _MOST_ATTEMPTS:
        reason = f"more than {_MOST_ATTEMPTS} attempts at one deployment are not meant"
        raise invalid(reason, f"{where}.backoff.attempts", source)
