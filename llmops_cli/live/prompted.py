"""Which logged prompts are asked again, in the words of whom they are sent to."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from llmops_cli.calls import CallsTable
from llmops_cli.errors import LlmopsError
from llmops_cli.failover.portability import api_of, moved
from llmops_cli.failover.translation import REFUSED, as_logged, logged_of

__all__ = ["Prompted", "prompts_of", "sampled"]


@dataclass(frozen=True, slots=True)
class Prompted:
    """One logged prompt.

    Attributes:
        call_id: of the logged call; replayed once.
        conversation: it belongs to.
        task: class of it.
        bodies: what is sent, by the API of the target, without model and limits.
    """

    call_id: str
    conversation: str
    task: str
    bodies: Mapping[str, Mapping[str, Any]]


def prompts_of(
    calls: CallsTable, apis: Sequence[str], system: str | None
) -> tuple[list[Prompted], Counter[str], int]:
    """Every prompt of a log for each of some APIs.

    Args:
        calls: with the column ``content``.
        apis: that answers are asked of.
        system: instead of the logged one; None to keep it.

    Returns:
        The prompts that move; how many others do not, by problem; how many there are in all.

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
    refused: Counter[str] = Counter()
    names = ["call_id", "conversation_id", "task", "provider_name", "content"]
    for row in kept[names].astype(object).where(kept[names].notna(), "").to_numpy():
        call_id, conversation, task, provider, text = map(str, row)
        bodies, reasons = _bodies(text, api_of(provider), set(apis), system)
        refused.update(reasons)
        if not reasons:
            found.append(Prompted(call_id, conversation or call_id, task, bodies))
    return found, refused, len(kept)


def _bodies(
    text: str, api: str, wanted: set[str], system: str | None
) -> tuple[Mapping[str, Mapping[str, Any]], set[str]]:
    logged = logged_of(text)
    if logged is None:
        return {}, {"content-unreadable"}
    bodies: dict[str, Mapping[str, Any]] = {}
    reasons: set[str] = set()
    for target in sorted(wanted):
        if target == api:
            body = as_logged(logged, system_apart=api == "anthropic")
        else:
            there = moved(logged, api)
            body = there.body
            reasons |= {item.slug for item in there.problems if item.weight == REFUSED}
        bodies[target] = body if system is None else _with_system(body, system, target)
    return bodies, reasons


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
