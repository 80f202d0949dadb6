"""Ten thousand prompts through a provider that breaks in every way: its books against ours."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import Random
from runpy import run_path
from typing import Any

import pytest

from llmops_cli.failover.policy import Backoff, Deployment, FailoverPolicy
from llmops_cli.live import open_client
from llmops_cli.live.budget import Budget
from llmops_cli.live.completions import Usage
from llmops_cli.live.ledger import Ledger
from llmops_cli.live.prompted import Prompted
from llmops_cli.live.replay_model import ReplayOutcome, ReplaySettings, Target
from llmops_cli.live.replaying import replay_prompts
from llmops_cli.live.shadow_file import ShadowFile

SERVER = run_path(str(Path(__file__).with_name("busy_provider.py")))
busy, FAULTS, BREAKS = SERVER["busy"], SERVER["FAULTS"], SERVER["BREAKS"]

PROVIDERS = ("anthropic", "openai")
MOST_TOKENS = 50
BROKEN = 0.16
"""Share of requests that meet a fault; the faults take turns."""
CALL_ID, CHARGED = "llmops.replay.call_id", "llmops.replay.charged_usd"
SETTINGS = ReplaySettings(
    policy=FailoverPolicy(
        timeout_s=60.0,
        stall_s=0.5,
        backoff=Backoff(attempts=3, first_wait_s=0.01, longest_backoff_s=0.05),
    ),
    max_output_tokens=MOST_TOKENS,
    concurrency=48,
)


def price(usage: Usage) -> float:
    return (3 * usage.prompt_tokens + 15 * usage.output_tokens) / 1e6


def prompts(count: int) -> list[Prompted]:
    def body(at: int) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": f"question {at}"}]}

    return [Prompted(f"c{at}", f"c{at}", "", dict.fromkeys(PROVIDERS, body(at)), (0, 1))
            for at in range(count)]  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """One run into the file, and what the server has in its books of it."""

    outcome: ReplayOutcome
    billed: list[Any]

    @property
    def billed_usd(self) -> float:
        return sum(price(Usage(one.input_tokens, one.output_tokens)) for one in self.billed)


def run(path: Path, count: int, cap_usd: float, seed: int) -> Ran:
    luck = Random(seed)  # noqa: S311 - faults, not secrets
    faults = cycle((*FAULTS, *BREAKS))

    def script(_prompt: str, _number: int) -> str:
        return next(faults) if luck.random() < BROKEN else ""

    async def replayed() -> Ran:
        file = ShadowFile(path, settings="same", resume=True)
        async with busy(f"run{seed}", script, stall_s=1.5) as books:
            clients = [open_client(p, base_url=books.url(p), timeout_s=60.0) for p in PROVIDERS]
            targets = [
                Target(Deployment(name=p, provider=p, model=f"m-{p}", weight=1.0), p, client, price)
                for p, client in zip(PROVIDERS, clients, strict=True)
            ]
            budget = Budget(cap_usd, lambda _: 0.0, spent_usd=file.spent_usd)
            try:
                found = await replay_prompts(
                    prompts(count), targets, SETTINGS, Ledger(budget, file)
                )
            finally:
                file.close()
                for client in clients:
                    await client.close()
            return Ran(found, books.billed)

    return asyncio.run(replayed())


@dataclass(frozen=True)
class Span:
    """An attempt as the file has it."""

    call_id: str
    response_id: str | None
    tokens: tuple[int, int] | None
    charged_usd: float


def recorded(path: Path) -> Iterator[Span]:
    for line in path.read_text("utf-8").splitlines():
        (resource,) = json.loads(line)["resourceSpans"]
        for span in resource["scopeSpans"][0]["spans"]:
            if not span["parentSpanId"]:
                continue
            about = {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}
            known = "gen_ai.response.id" in about
            counts = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
            yield Span(
                about[CALL_ID],
                about.get("gen_ai.response.id"),
                (int(about[counts[0]]), int(about[counts[1]])) if known else None,
                about[CHARGED],
            )


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "sk-test-0123456789abcdef")


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_none_is_lost_none_recorded_twice_and_the_bill_stays_under_the_cap(
    count: int, tmp_path: Path
) -> None:
    path = tmp_path / "shadow.jsonl"
    # An answer costs $0.0007 on average, lost ones counted: the first cap ends the first run.
    caps = (1e-4 * count + 0.05, 1e-3 * count + 0.2, 1e-3 * count + 1.0)
    runs: list[Ran] = []
    for seed, cap in enumerate(caps):
        runs.append(run(path, count, cap, seed))
        # What the provider may have billed is never more than we hold against the cap.
        assert sum(item.billed_usd for item in runs) <= runs[-1].outcome.spent_usd <= cap
    assert runs[0].outcome.out_of_money
    assert runs[-1].outcome.left == 0
    billed = [one for item in runs for one in item.billed]
    spans = list(recorded(path))
    assert {one.fault for one in billed} == {"", *FAULTS, *BREAKS}
    # Each request that the server saw is one attempt in the file, and nothing else is.
    ours = Counter(span.call_id for span in spans)
    assert ours == Counter(one.prompt.replace("question ", "c") for one in billed)
    # Each prompt has one answer, with the usage that the server billed for it.
    answers = {span.call_id: span for span in spans if span.response_id}
    assert len(answers) == sum(span.response_id is not None for span in spans) == count
    known = {one.response_id: one for one in billed}
    assert len(known) == len(billed)
    for call_id, span in answers.items():
        theirs = known[span.response_id]
        assert (call_id, span.tokens) == (
            theirs.prompt.replace("question ", "c"),
            (theirs.input_tokens, theirs.output_tokens),
        )
    assert sum(item.outcome.requests for item in runs) == len(spans)
    assert runs[-1].outcome.spent_usd == pytest.approx(sum(s.charged_usd for s in spans))
