"""Whatever a recording wrote, playing it writes the same: faults, fallbacks, hedges and all."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.failover.policy import Backoff, Breaker, Deployment, FailoverPolicy
from llmops_cli.live import (
    Budget,
    Cassette,
    Ledger,
    Prompted,
    RecordMode,
    ReplayOutcome,
    ReplaySettings,
    ShadowFile,
    Target,
    closed_client,
    replay_prompts,
)
from llmops_cli.live.completions import Completion, Failure, Patience, Usage

KINDS = ("rate_limit_error", "overloaded_error", "cut_short", "invalid_request_error")


class Fickle:
    """A provider that answers, fails and dawdles by chance."""

    server = ("localhost", 80)

    def __init__(self, provider: str, luck: Random) -> None:
        self.provider, self.luck = provider, luck

    async def converse(self, body: Mapping[str, Any], patience: Patience) -> Completion:
        del patience
        await asyncio.sleep(self.luck.choice((0, 0, 0, 0.004)))
        if self.luck.random() < 0.4:
            kind = self.luck.choice(KINDS)
            raise Failure(kind, status=self.luck.choice((None, 429, 503)), retry_after_s=0.001)
        usage = Usage(self.luck.randrange(9), self.luck.randrange(9), reasoning_tokens=0)
        text = f"é{self.luck.random()}"
        return Completion(text, body["model"], text, "stop", usage, first_s=0.1, body={"a": [1]})

    async def close(self) -> None:
        """Nothing is open."""


def price(usage: Usage) -> float:
    return usage.input_tokens / 7e6 + usage.output_tokens / 3e6


def run(folder: Path, name: str, luck: Random | None, policy: FailoverPolicy) -> ReplayOutcome:
    """Record, where luck decides what happens, or play."""

    async def replayed() -> ReplayOutcome:
        targets = [
            Target(
                Deployment(name=api, provider=api, model=f"m-{api}"),
                api,
                closed_client(api) if luck is None else Fickle(api, luck),  # type: ignore[arg-type]
                price,
            )
            for api in ("openai", "anthropic")
        ]
        mode = RecordMode.NONE if luck is None else RecordMode.NEW_EPISODES
        cassette = Cassette(folder / "c.jsonl", mode)
        file = ShadowFile(folder / name, settings="same", resume=False)
        given_ = ReplaySettings(policy=policy, max_output_tokens=9, concurrency=3,
                                keep_content=True)  # fmt: skip
        try:
            return await replay_prompts(
                PROMPTS, targets, given_, Ledger(Budget(9, lambda _: 0.0), file, cassette)
            )
        finally:
            file.close()
            cassette.close()

    return asyncio.run(replayed())


def prompt(at: int) -> Prompted:
    body = {"messages": [{"role": "user", "content": f"question {at}"}]}
    apis = ("openai", "anthropic")[at % 3 == 0 :]
    places = (0, 1)[at % 3 == 0 :]
    return Prompted(f"c{at}", f"c{at}", "ab"[at % 2], dict.fromkeys(apis, body), places, 5)


PROMPTS = [prompt(at) for at in range(12)]


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32),
    policy=st.builds(
        FailoverPolicy,
        backoff=st.builds(Backoff, attempts=st.integers(1, 3), first_wait_s=st.just(0.0)),
        breaker=st.none() | st.just(Breaker(allowed_failures=1, cooldown_s=0.003)),
        hedge_after_s=st.none() | st.just(0.002),
        when_all_open=st.just("send"),
    ),
)
def test_what_is_played_is_what_was_recorded(seed: int, policy: FailoverPolicy) -> None:
    luck = Random(seed)  # noqa: S311 - faults, not secrets
    with TemporaryDirectory() as name:
        folder = Path(name)
        recorded = run(folder, "a.jsonl", luck, policy)
        # The policy is not asked again: another one plays the same.
        other = replace(policy, hedge_after_s=None, backoff=Backoff(attempts=1))
        played = run(folder, "b.jsonl", None, other)
        assert (folder / "a.jsonl").read_bytes() == (folder / "b.jsonl").read_bytes()
    found = [(one.answered, one.moved, one.failed, one.left) for one in (recorded, played)]
    assert found[0] == found[1]
    assert (played.requests, played.spent_usd) == (0, 0)
    assert abs(played.played_usd - recorded.spent_usd) < 1e-9
    assert played.played == played.answered
