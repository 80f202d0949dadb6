"""Which logged prompts are asked again, in the words of whom they are sent to."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from llmops_cli.calls import CallsTable
from llmops_cli.errors import LlmopsError
from llmops_cli.failover.policy import Deployment
from llmops_cli.failover.portability import api_of, moved
from llmops_cli.failover.translation import REFUSED, as_logged
from llmops_cli.failover.wording import logged_of
from llmops_cli.live.estimates import BYTES_PER_TOKEN

__all__ = ["CONTEXT_WINDOW", "Prompted", "Prompts", "Wanted", "prompts_of", "sampled"]

CONTEXT_WINDOW = "context-window"
"""Why a prompt is not sent to a deployment: with its answer it is longer than the model takes."""

_COLUMNS = ("call_id", "conversation_id", "task", "provider_name", "request_model", "content")
_COUNTS = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")


@dataclass(frozen=True, slots=True)
class Prompted:
    """One logged prompt.

    Attributes:
        call_id: of the logged call; replayed once.
        conversation: it belongs to.
        task: class of it.
        bodies: what is sent, by the API of the target, without model and limits; of those APIs
            that can take it.
        places: of the deployments in the chain that can take it, in their order.
        tokens: of the prompt: as logged, else by the rule of four bytes each.
    """

    call_id: str
    conversation: str
    task: str
    bodies: Mapping[str, Mapping[str, Any]]
    places: tuple[int, ...]
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Prompts:
    """Those of a log.

    Attributes:
        found: that somebody in the chain can take.
        refused: how many nobody can, by problem; none of these is sent.
        shortened: how many only a part of the chain can, by problem; sent to that part.
        every: all prompts in the log.
    """

    found: list[Prompted]
    refused: Counter[str]
    shortened: Counter[str]
    every: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is asked, and how.

    Attributes:
        chain: the deployments; the provider of each is the name of its API.
        system: instead of the logged system prompt; None to keep it.
        max_output_tokens: of one answer.
    """

    chain: Sequence[Deployment]
    system: str | None
    max_output_tokens: int


def prompts_of(calls: CallsTable, wanted: Wanted) -> Prompts:
    """Every prompt of a log, for the deployments that can take it.

    Args:
        calls: with the column ``content``.
        wanted: who is asked, and how.

    Raises:
        LlmopsError: ``replay-no-content`` where no prompt was kept.
    """
    content = calls.get("content")
    kept = calls if content is None else calls[content.notna().to_numpy(dtype=bool)]
    if content is None or kept.empty:
        raise LlmopsError(
            "replay-no-content",
            "no prompt is in the log",
            hint="give the raw logs, or keep prompts with llmops ingest --keep-content",
            field="content",
        )
    found: list[Prompted] = []
    refused, shortened = Counter[str](), Counter[str]()
    names = list(_COLUMNS)
    rows = kept[names].astype(object).where(kept[names].notna(), "").to_numpy()
    for row, logged_tokens in zip(rows, _logged_tokens(kept), strict=True):
        call_id, conversation, task, provider, model, text = map(str, row)
        bodies, reasons, size = _bodies(text, api_of(provider, model), wanted)
        tokens = _tokens(logged_tokens, size, bodies)
        places = _places(bodies, tokens, wanted, reasons)
        if places:
            shortened.update(reasons)
            about = call_id, conversation or call_id, task
            found.append(Prompted(*about, bodies, places, tokens))
        else:
            refused.update(reasons)
    return Prompts(found, refused, shortened, len(kept))


def _logged_tokens(calls: CallsTable) -> Sequence[float]:
    """Of each prompt, cached or not; not a number where that was not logged."""
    known = [name for name in _COUNTS if name in calls]
    counts = calls[known].astype("float64").fillna(0.0).sum(axis=1)
    logged = calls[known[:1]].notna().any(axis=1) if known else counts.astype(bool)
    return counts.where(logged).tolist()


def _tokens(logged: float, size: int, bodies: Mapping[str, Mapping[str, Any]]) -> int:
    """Of a prompt as it is sent: the logged count, and four bytes each of what was changed.

    Args:
        logged: of the prompt as it was logged, or not a number.
        size: bytes of that prompt.
        bodies: as it is sent.
    """
    sent = len(msgspec.json.encode(next(iter(bodies.values())))) if bodies else size
    if logged != logged:  # noqa: PLR0124 - not a number
        return -(-sent // BYTES_PER_TOKEN)
    return max(int(logged) + (sent - size) // BYTES_PER_TOKEN, 0)


def _places(
    bodies: Mapping[str, Any], tokens: int, wanted: Wanted, reasons: set[str]
) -> tuple[int, ...]:
    """Who can take a prompt; adds to the reasons where it is too long for somebody."""
    places: list[int] = []
    for place, there in enumerate(wanted.chain):
        if there.provider not in bodies:
            continue
        window = there.context_window_tokens
        if window is not None and tokens + wanted.max_output_tokens > window:
            reasons.add(CONTEXT_WINDOW)
        else:
            places.append(place)
    return tuple(places)


def _bodies(
    text: str, api: str, wanted: Wanted
) -> tuple[Mapping[str, Mapping[str, Any]], set[str], int]:
    """By API the body, why others have none, and the bytes of the prompt as it was logged."""
    logged = logged_of(text, api)
    if logged is None:
        return {}, {"content-unreadable"}, len(text)
    bodies: dict[str, Mapping[str, Any]] = {}
    reasons = {item.slug for item in logged.problems if item.weight == REFUSED}
    own = as_logged(logged, system_apart=api == "anthropic")
    size = len(msgspec.json.encode(own))
    if reasons:
        return {}, reasons, size
    for target in sorted({item.provider for item in wanted.chain}):
        body = own
        if target != api:
            there = moved(logged, api)
            reasons |= {item.slug for item in there.problems if item.weight == REFUSED}
            body = there.body
            if there.refused:
                continue
        if wanted.system is not None:
            body = _with_system(body, wanted.system, target)
        bodies[target] = body
    return _own_first(bodies, api), reasons, size


def _own_first(
    bodies: Mapping[str, Mapping[str, Any]], api: str
) -> Mapping[str, Mapping[str, Any]]:
    """The words it was logged in come first: what is compared and kept is nearest to the log."""
    return dict(sorted(bodies.items(), key=lambda item: (item[0] != api, item[0])))


def _with_system(body: Mapping[str, Any], system: str, api: str) -> Mapping[str, Any]:
    if api == "anthropic":
        return {**body, "system": system}
    others = [m for m in body.get("messages", ()) if m.get("role") not in {"system", "developer"}]
    return {**body, "messages": [{"role": "system", "content": system}, *others]}


def sampled(prompts: list[Prompted], most: int | None, seed: int) -> list[Prompted]:
    """So many prompts, of each task class its share, in the order of the log."""
    if most is None or most >= len(prompts):
        return prompts
    classes: defaultdict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(prompts):
        classes[item.task].append(place)
    # Largest remainders: the shares add up to the sample.
    exact = {task: most * len(places) / len(prompts) for task, places in classes.items()}
    counts = {task: int(share) for task, share in exact.items()}
    rest = sorted(exact, key=lambda task: (counts[task] - exact[task], task))
    for task in rest[: most - sum(counts.values())]:
        counts[task] += 1
    draw = Random(seed)  # noqa: S311 - a sample, not a secret
    chosen = [p for task in sorted(classes) for p in draw.sample(classes[task], counts[task])]
    return [prompts[place] for place in sorted(chosen)]
