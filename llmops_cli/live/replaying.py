"""Logged prompts asked again of somebody else: within a cap, resumable, down a whole chain."""

from collections.abc import Callable, Iterator, Sequence

from llmops_cli.live.attempts import Attempts
from llmops_cli.live.completions import Completion, Failure, Patience, Usage
from llmops_cli.live.failing_over import Answered, FailingOver, Made
from llmops_cli.live.ledger import Ledger
from llmops_cli.live.playing import play
from llmops_cli.live.prompted import Prompted
from llmops_cli.live.replay_model import (
    ReplayOutcome,
    ReplaySettings,
    Target,
    body_of,
    most_usage,
    request_of,
    shadow_of,
)
from llmops_cli.live.side_by_side import side_by_side

__all__ = ["replay_prompts"]

_OVER_CAP = "over_cap"
_ALL_LEFT_ALONE = "all_deployments_left_alone"


async def replay_prompts(
    prompts: Sequence[Prompted],
    targets: Sequence[Target],
    settings: ReplaySettings,
    ledger: Ledger,
    advance: Callable[[ReplayOutcome], None] = lambda _: None,
) -> ReplayOutcome:
    """Ask for every answer that is not there yet.

    Args:
        prompts: with call ids of their own.
        targets: the chain, in the order of preference.
        settings: how.
        ledger: what was answered and spent before, and where the rest is written.
        advance: told after each prompt.

    Raises:
        LlmopsError: ``output-unwritable``, ``cassette-without-request``.
    """
    file, cassette = ledger.file, ledger.cassette
    outcome = ReplayOutcome(len(prompts), before=sum(p.call_id in file.done for p in prompts))
    outcome.spent_usd = ledger.budget.spent_usd
    outcome.interrupted, outcome.interrupted_usd = file.interrupted, file.interrupted_usd
    left = [item for item in prompts if item.call_id not in file.done]
    if cassette is not None:
        left = play(left, targets, settings, (cassette, file), (outcome, advance))
        if not cassette.records:
            outcome.spent_usd = 0.0
            return outcome
    run = _Run(targets, settings, ledger, outcome, advance)
    todo = iter(left)
    await side_by_side(settings.concurrency, lambda: run.work(todo))
    return outcome


class _Run:
    """The state that prompts in flight share."""

    def __init__(
        self,
        targets: Sequence[Target],
        settings: ReplaySettings,
        ledger: Ledger,
        outcome: ReplayOutcome,
        advance: Callable[[ReplayOutcome], None],
    ) -> None:
        self._targets, self._settings = targets, settings
        self._ledger, self._budget = ledger, ledger.budget
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
        attempts = Attempts(shadow_of(prompt, self._settings), self._ledger.file)

        async def send(place: int, number: int) -> Completion:
            return await self._sent(prompt, self._targets[place], number, attempts)

        most = prompt.tokens + self._settings.max_output_tokens
        found = await self._chain.complete(send, tokens=most, places=prompt.places)
        shadow = attempts.finished(found.made)
        if shadow is not None:
            self._outcome.requests += len(shadow.attempts)
            self._ledger.add(shadow, None if _over_cap(found) else self._request(prompt))
        self._count(found)

    async def _sent(
        self, prompt: Prompted, target: Target, number: int, attempts: Attempts
    ) -> Completion:
        body = body_of(prompt, target, self._settings)
        most = self._usd(target, most_usage(body, self._settings.max_output_tokens))
        if self._outcome.out_of_money or not await self._budget.reserve(most):
            self._outcome.out_of_money = True
            raise Failure(_OVER_CAP, fatal=True)
        spent = most  # if this is cancelled, nobody knows whether it was billed
        attempts.begin(number, target, most)
        policy = self._settings.policy
        try:
            patience = Patience(policy.first_token_s, policy.stall_s)
            answer = await target.client.converse(body, patience)
        except Failure as failure:
            spent = most if failure.perhaps_billed else 0.0
            attempts.ended(number, failure, spent)
            raise
        else:
            spent = self._usd(target, answer.usage)
            attempts.ended(number, answer, spent)
            return answer
        finally:
            await self._budget.settle(most, spent)

    def _request(self, prompt: Prompted) -> str:
        return request_of(prompt, self._targets, self._settings)

    def _usd(self, target: Target, usage: Usage) -> float:
        return 0.0 if target.price is None else target.price(usage)

    def _count(self, found: Answered) -> None:
        outcome = self._outcome
        if found.completion is not None:
            self._failed_in_a_row = 0
            outcome.answered += 1
            outcome.moved += found.place != found.first
            return
        if _over_cap(found):
            return
        outcome.failed += 1
        outcome.failure = found.failure or Failure(_ALL_LEFT_ALONE)
        self._failed_in_a_row += 1
        hopeless = {item.place for item in found.made if _fatal(item)}
        if (
            len(hopeless) == len(self._targets)
            or self._failed_in_a_row >= self._settings.give_up_after
        ):
            outcome.gave_up = True


def _over_cap(found: Answered) -> bool:
    return found.failure is not None and found.failure.kind == _OVER_CAP


def _fatal(made: Made) -> bool:
    return isinstance(made.outcome, Failure) and made.outcome.fatal
