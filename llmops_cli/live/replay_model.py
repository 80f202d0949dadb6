"""What a replay is given, and what it comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from llmops_cli.failover.policy import Deployment, FailoverPolicy
from llmops_cli.live.completions import Client, Failure, Usage
from llmops_cli.live.episodes import digest_of
from llmops_cli.live.estimates import Price
from llmops_cli.live.otlp_export import Exported
from llmops_cli.live.prompted import Prompted
from llmops_cli.live.shadow_spans import Shadowed

__all__ = [
    "ReplayOutcome",
    "ReplaySettings",
    "Target",
    "body_of",
    "most_usage",
    "request_of",
    "shadow_of",
]

_AROUND_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Target:
    """Where prompts are sent.

    Attributes:
        deployment: in the chain.
        api: whose words its server understands: anthropic or openai.
        client: of that server.
        price: of tokens there; None where nobody knows it.
    """

    deployment: Deployment
    api: str
    client: Client
    price: Price | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """How prompts are replayed.

    Attributes:
        policy: what is done about failures.
        max_output_tokens: of one answer.
        concurrency: prompts in flight.
        give_up_after: prompts that fail one after another before the run ends.
        keep_content: whether prompts and answers go into the spans.
    """

    policy: FailoverPolicy
    max_output_tokens: int = 1024
    concurrency: int = 4
    give_up_after: int = 20
    keep_content: bool = False


@dataclass(slots=True)
class ReplayOutcome:
    """What a run came to.

    Attributes:
        prompts: all given.
        before: of them answered by earlier runs.
        answered: by this run.
        played: of those, from a cassette.
        moved: of those, not by the first of the chain.
        failed: prompts of this run that got no answer.
        requests: sent by this run.
        spent_usd: by all runs into this file; 0 where a cassette is played and nothing is sent.
        played_usd: what the played answers cost when they were recorded; not in ``spent_usd``.
        interrupted: calls that were in flight when one of them died.
        interrupted_usd: the most that these can have cost; in ``spent_usd``.
        out_of_money: whether the cap ended it.
        gave_up: whether failures ended it.
        failure: the last one.
        exported: what came of the spans at an OTLP endpoint; None where none was asked for.
    """

    prompts: int
    before: int = 0
    answered: int = 0
    played: int = 0
    moved: int = 0
    failed: int = 0
    requests: int = 0
    spent_usd: float = 0.0
    played_usd: float = 0.0
    interrupted: int = 0
    interrupted_usd: float = 0.0
    out_of_money: bool = False
    gave_up: bool = False
    failure: Failure | None = None
    exported: Exported | None = None

    @property
    def left(self) -> int:
        """Prompts without an answer."""
        return self.prompts - self.before - self.answered


def body_of(prompt: Prompted, target: Target, settings: ReplaySettings) -> dict[str, Any]:
    """What is sent there."""
    limit = "max_tokens" if target.api == "anthropic" else "max_completion_tokens"
    about = {"model": target.deployment.model, limit: settings.max_output_tokens}
    return {**about, **prompt.bodies[target.api]}


def request_of(prompt: Prompted, targets: Sequence[Target], settings: ReplaySettings) -> str:
    """Digest of all that may be sent for a prompt, down the whole chain."""
    able = [target for target in targets if target.api in prompt.bodies]
    return digest_of([[target.api, body_of(prompt, target, settings)] for target in able])


def shadow_of(prompt: Prompted, settings: ReplaySettings) -> Shadowed:
    """What the spans say of a prompt, before it is asked."""
    kept = next(iter(prompt.bodies.values())) if settings.keep_content else None
    about = prompt.call_id, prompt.conversation, prompt.task
    return Shadowed(*about, settings.max_output_tokens, (), kept)


def most_usage(body: Mapping[str, Any], max_output_tokens: int) -> Usage:
    """More than it can be: tokenisers work on bytes, so none makes more tokens than bytes."""
    return Usage(len(msgspec.json.encode(body)) + _AROUND_TOKENS, max_output_tokens)
