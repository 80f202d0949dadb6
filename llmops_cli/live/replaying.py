"""Logged prompts asked again of somebody else: within a cap, resumable, down a whole chain."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from llmops_cli.failover.policy import Deployment, FailoverPolicy
from llmops_cli.live.budget import Budget
from llmops_cli.live.completions import Client, Completion, Failure, Patience, Usage
from llmops_cli.live.estimates import Price
from llmops_cli.live.failing_over import Answered, FailingOver, Made
from llmops_cli.live.prompted import Prompted
from llmops_cli.live.shadow_spans import Shadowed, ShadowFile, Tried
from llmops_cli.live.side_by_side import side_by_side

__all__ = ["ReplayOutcome", "ReplaySettings", "Target", "most_usage", "replay_prompts"]

_AROUND_TOKENS = 1024
_OVER_CAP = "over_cap"


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
        moved: of those, not by the first of the chain.
        failed: prompts of this run that got no answer.
        requests: sent by this run.
        spent_usd: by all runs into this file.
        out_of_money: whether the cap ended it.
        gave_up: whether failures ended it.
        failure: the last one.
    """

    prompts: int
    before: int = 0
    answered: int = 0
    moved: int = 0
    failed: int = 0
    requests: int = 0
    spent_usd: float = 0.0
    out_of_money: bool = False
    gave_up: bool = False
    failure: Failure | None = None

    @property
    def left(self) -> int:
        """Prompts without an answer."""
        return self.prompts - self.before - self.answered


def most_usage(body: Mapping[str, Any], max_output_tokens: int) -> Usage:
    """More than it can be: tokenisers work on bytes, so none makes more tokens than bytes."""
    return Usage(len(msgspec.json.encode(body)) + _AROUND_TOKENS, max_output_tokens)


async def replay_prompts(
    prompts: Sequence[Prompted],
    targets: Sequence[Target],
    settings: ReplaySettings,
    budget: Budget,
    file: ShadowFile,
    advance: Callable[[ReplayOutcome], None] = lambda _: None,
) -> ReplayOutcome:
    """Ask for every answer that is not there yet.

    Args:
        prompts: with call ids of their own.
        targets: the chain, in the order of preference.
        settings: how.
        budget: never exceeded, by all runs into this file together.
        file: what was answered before, and where the rest is written.
        advance: told after each prompt.

    Raises:
        LlmopsError: ``output-unwritable``.
    """
    outcome = ReplayOutcome(len(prompts), before=sum(p.call_id in file.done for p in prompts))
    outcome.spent_usd = budget.spent_usd
    run = _Run(targets, settings, budget, file, outcome, advance)
    todo = iter([item for item in prompts if item.call_id not in file.done])
    await side_by_side(settings.concurrency, lambda: run.work(todo))
    return outcome


class _Run:
    """The state that prompts in flight share."""

    def __init__(
        self,
        targets: Sequence[Target],
        settings: ReplaySettings,
        budget: Budget,
        file: ShadowFile,
        outcome: ReplayOutcome,
        advance: Callable[[ReplayOutcome], None],
    ) -> None:
        self._targets, self._settings = targets, settings
        self._budget, self._file = budget, file
        self._outcome, self._advance = outcome, advance
        self._chain = FailingOver(settings.policy, [item.deployment for item in targets])
        self._failed_in_a_row = 0

    async def work(self, todo: Iterator[Prompted]) -> None:
        """Ask until there are none left or the run ends."""
        outcome = self._outcome
        while not (outcome.out_of_money or outcome.gave_up):
            prompt = next(todo, None)
            if prompt is None:
                return
            await self._ask(prompt)
            outcome.spent_usd = self._budget.spent_usd
            self._advance(outcome)

    async def _ask(self, prompt: Prompted) -> None:
        charged: dict[int, float] = {}
        clock = time.time_ns() - time.monotonic_ns()

        async def send(place: int, number: int) -> Completion:
            return await self._sent(prompt, self._targets[place], number, charged)

        found = await self._chain.complete(send)
        made = [item for item in found.made if not _unsent(item)]
        self._outcome.requests += len(made)
        if made:
            attempts = [self._tried(item, clock, charged) for item in made]
            self._file.add(self._shadow(prompt, attempts))
        self._count(found)

    async def _sent(
        self, prompt: Prompted, target: Target, number: int, charged: dict[int, float]
    ) -> Completion:
        body = self._body(prompt, target)
        most = self._usd(target, most_usage(body, self._settings.max_output_tokens))
        if self._outcome.out_of_money or not await self._budget.reserve(most):
            self._outcome.out_of_money = True
            raise Failure(_OVER_CAP, fatal=True)
        spent = most  # if this is cancelled, nobody knows whether it was billed
        policy = self._settings.policy
        try:
            patience = Patience(policy.first_token_s, policy.stall_s)
            answer = await target.client.converse(body, patience)
        except Failure as failure:
            spent = most if failure.perhaps_billed else 0.0
            raise
        else:
            spent = self._usd(target, answer.usage)
            return answer
        finally:
            charged[number] = spent
            await self._budget.settle(most, spent)

    def _usd(self, target: Target, usage: Usage) -> float:
        return 0.0 if target.price is None else target.price(usage)

    def _body(self, prompt: Prompted, target: Target) -> dict[str, Any]:
        limit = "max_tokens" if target.api == "anthropic" else "max_completion_tokens"
        most = self._settings.max_output_tokens
        return {"model": target.deployment.model, limit: most, **prompt.bodies[target.api]}

    def _tried(self, made: Made, clock: int, charged: dict[int, float]) -> Tried:
        target = self._targets[made.place]
        return Tried(
            provider=target.client.provider,
            model=target.deployment.model,
            server=target.client.server,
            started_ns=clock + round(1e9 * made.sent_s),
            ended_ns=clock + round(1e9 * made.ended_s),
            outcome=made.outcome,
            charged_usd=charged.get(made.number) if target.price is not None else None,
        )

    def _shadow(self, prompt: Prompted, attempts: Sequence[Tried]) -> Shadowed:
        kept = None
        if self._settings.keep_content:
            kept = next(iter(prompt.bodies.values()))
        return Shadowed(
            prompt.call_id,
            prompt.conversation,
            prompt.task,
            self._settings.max_output_tokens,
            attempts,
            kept,
        )

    def _count(self, found: Answered) -> None:
        outcome = self._outcome
        if found.completion is not None:
            self._failed_in_a_row = 0
            outcome.answered += 1
            outcome.moved += found.place != 0
            return
        if found.failure is None or found.failure.kind == _OVER_CAP:
            return
        outcome.failed += 1
        outcome.failure = found.failure
        self._failed_in_a_row += 1
        hopeless = {item.place for item in found.made if _fatal(item)}
        if (
            len(hopeless) == len(self._targets)
            or self._failed_in_a_row >= self._settings.give_up_after
        ):
            outcome.gave_up = True


def _fatal(made: Made) -> bool:
    return isinstance(made.outcome, Failure) and made.outcome.fatal


def _unsent(made: Made) -> bool:
    return isinstance(made.outcome, Failure) and made.outcome.kind == _OVER_CAP
