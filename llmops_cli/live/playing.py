"""A replay from a cassette: the spans of every prompt as they were recorded, and no connection.

Lines are played in the order in which they were recorded, with their times, ids and charges: the
file that comes of it is the one that the recording wrote, byte for byte.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from llmops_cli.live.cassette import Cassette
from llmops_cli.live.completions import Failure
from llmops_cli.live.episodes import Episode
from llmops_cli.live.prompted import Prompted
from llmops_cli.live.replay_model import (
    ReplayOutcome,
    ReplaySettings,
    Target,
    request_of,
    shadow_of,
)
from llmops_cli.live.shadow_file import ShadowFile
from llmops_cli.live.shadow_spans import Shadowed, Tried

__all__ = ["play", "unplayed"]


def unplayed(
    prompts: Sequence[Prompted],
    targets: Sequence[Target],
    settings: ReplaySettings,
    cassette: Cassette,
) -> list[Prompted]:
    """The prompts that a run would send: those without an answer on the cassette.

    Raises:
        LlmopsError: ``cassette-without-request`` where nothing may be sent.
    """
    asked = {(item.call_id, request_of(item, targets, settings)): item for item in prompts}
    cassette.require(asked)
    if not cassette.records:
        return []
    return [item for name, item in asked.items() if not cassette.answers(*name)]


def play(
    prompts: Sequence[Prompted],
    targets: Sequence[Target],
    settings: ReplaySettings,
    files: tuple[Cassette, ShadowFile],
    told: tuple[ReplayOutcome, Callable[[ReplayOutcome], None]],
) -> list[Prompted]:
    """Write what is on the cassette.

    Args:
        prompts: without an answer in the file.
        targets: the chain that was asked; their clients are not used.
        settings: as they were.
        files: what is played, and where the spans go; what is there already is passed over.
        told: counts what is played, and who hears of it after each prompt.

    Returns:
        The prompts that have no answer on it, in their order.

    Raises:
        LlmopsError: ``cassette-without-request`` before anything is written,
            ``cassette-unreadable``, ``output-unwritable``.
    """
    (cassette, file), (outcome, advance) = files, told
    asked = {(item.call_id, request_of(item, targets, settings)): item for item in prompts}
    cassette.require(asked)
    left = dict.fromkeys(asked)
    for episode in cassette.episodes():
        name = episode.id, episode.request
        if name not in asked:
            continue
        prompt = asked[name]
        if not file.holds(episode.trace_id):
            file.add(_played(episode, shadow_of(prompt, settings)), forced=False)
            outcome.played_usd += sum(item.charged_usd or 0.0 for item in episode.attempts)
        if episode.answer is not None and name in left:
            del left[name]
            _count(episode, _preferred(episode, prompt, targets), outcome)
            advance(outcome)
    if not cassette.records:
        _fail(cassette, left, outcome)
    return [asked[name] for name in left]


def _preferred(episode: Episode, prompt: Prompted, targets: Sequence[Target]) -> tuple[str, str]:
    """Provider and model that were to answer; by weight that is whom the first attempt went to."""
    if any(item.deployment.weight for item in targets):
        return episode.attempts[0].provider, episode.attempts[0].model
    first = targets[prompt.places[0]]
    return first.client.provider, first.deployment.model


def _count(episode: Episode, preferred: tuple[str, str], outcome: ReplayOutcome) -> None:
    outcome.played += 1
    outcome.answered += 1
    won = next(item for item in episode.attempts if item.answer is not None)
    outcome.moved += (won.provider, won.model) != preferred


def _fail(cassette: Cassette, left: dict[tuple[str, str], None], outcome: ReplayOutcome) -> None:
    """Nobody answered these when they were recorded."""
    for row, request in left:
        episode = cassette.find(row, request)
        last = episode.attempts[-1].outcome if episode is not None else None
        outcome.failed += 1
        outcome.failure = last if isinstance(last, Failure) else outcome.failure


def _played(episode: Episode, shadow: Shadowed) -> Shadowed:
    attempts = [
        Tried(
            provider=item.provider,
            model=item.model,
            server=item.server,
            started_ns=item.started_ns,
            ended_ns=item.ended_ns,
            outcome=item.outcome,
            charged_usd=item.charged_usd,
            span_id=item.span_id,
        )
        for item in episode.attempts
    ]
    return replace(shadow, attempts=attempts, trace_id=episode.trace_id, span_id=episode.span_id)
