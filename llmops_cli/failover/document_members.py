"""Deployments and policies of a failover file."""

import re
from collections.abc import Mapping
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
from llmops_cli.failover.policy import Backoff, Breaker, Deployment, FailoverPolicy
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
    ratio = 1.0 if item.latency_ratio is None else item.latency_ratio
    positive(ratio, f"{where}.latency_ratio", source)
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
            latency_ratio=ratio,
            latency_s=latency,
            error_rate=item.error_rate,
            error=item.error,
            responds_s=item.responds_s,
        ),
        quality=table,
        price_as=item.price_as,
        own_latency=item.latency_ratio is not None or latency is not None,
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
    share = _hedge_share(given, where, source)
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
    _known_names(given, where, source)
    with converted(slug="failover-invalid", source=source, within=where):
        policy = msgspec.convert(given, FailoverPolicy)
    _bounded(policy, where, source)
    _known_hedges(policy, names, where, source)
    return Line(policy, tuple(places), share)


def _known_names(given: dict[str, Any], where: str, source: str) -> None:
    """A misspelt field would be the default in silence."""
    parts: tuple[tuple[str, str, type, Any], ...] = (
        ("a policy", where, FailoverPolicy, given),
        ("a backoff", f"{where}.backoff", Backoff, given.get("backoff")),
        ("a breaker", f"{where}.breaker", Breaker, given.get("breaker")),
    )
    for words, place, kind, said in parts:
        known = [field.name for field in fields(kind)]
        known += ["hedge_after"] if kind is FailoverPolicy else []
        for name in said if isinstance(said, dict) else ():
            if name not in known:
                near = get_close_matches(str(name), known, n=1)
                hint = f", did you mean '{near[0]}'?" if near else ""
                raise invalid(f"{words} has no '{name}'{hint}", place, source)


_QUANTILE = re.compile(r"p(\d{2}(?:\.\d{1,3})?)")
_HUNDRED = 100.0


def _hedge_share(given: dict[str, Any], where: str, source: str) -> float | None:
    """Take the quantile out of a policy: p95 is 0.95."""
    said = given.pop("hedge_after", None)
    if said is None:
        return None
    found = _QUANTILE.fullmatch(said) if isinstance(said, str) else None
    percent = float(found[1]) if found else 0.0
    if not percent:
        raise invalid(
            f"'{said}' is no quantile from p01 to p99.999, as p95; seconds are hedge_after_s",
            f"{where}.hedge_after",
            source,
        )
    if given.get("hedge_after_s") is not None:
        reason = "hedge_after and hedge_after_s are two rules for one wait"
        raise invalid(reason, f"{where}.hedge_after", source)
    return percent / _HUNDRED


def _known_hedges(policy: FailoverPolicy, names: list[str], where: str, source: str) -> None:
    after = policy.hedge_after_s
    for name in after if isinstance(after, Mapping) else ():
        if name not in names:
            raise LlmopsError(
                "failover-unknown-deployment",
                f"'{name}' is no deployment",
                hint=f"of: {', '.join(names)}",
                file=source,
                field=f"{where}.hedge_after_s",
            )


def _bounded(policy: FailoverPolicy, where: str, source: str) -> None:
    """Waits of days keep a client busy with an outage for ever; nobody means them."""
    parts = {where: policy, f"{where}.backoff": policy.backoff, f"{where}.breaker": policy.breaker}
    for place, part in parts.items():
        for field in fields(part) if part is not None else ():
            value = getattr(part, field.name)
            if field.name.endswith("_s") and value is not None:
                for each in value.values() if isinstance(value, Mapping) else (value,):
                    seconds(each, f"{place}.{field.name}", source)
    if policy.backoff.attempts > _MOST_ATTEMPTS:
        reason = f"more than {_MOST_ATTEMPTS} attempts at one deployment are not meant"
        raise invalid(reason, f"{where}.backoff.attempts", source)
