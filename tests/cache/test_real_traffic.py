"""Real conversations and a real serving trace, end to end: what must hold of any traffic holds."""

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from llmops_cli import cache_estimate, read_calls
from llmops_cli.cache import POLICIES, CacheParameters
from llmops_cli.cache.estimate import Estimate, estimate_calls
from llmops_cli.cache.model import lifetime_of
from llmops_cli.prices import PriceBook
from llmops_cli.traffic.convert import CONVERTERS

START = datetime(2026, 9, 1, 8, tzinfo=UTC)
MODEL = "claude-sonnet-4-6"


def conversations(data: Path) -> str:
    """The first tau-bench conversations: about a tenth of the set."""
    whole = CONVERTERS["tau-bench"](data / "tau-bench" / "gpt-4o-airline.json")
    return "\n".join(whole.splitlines()[:300]) + "\n"


def serving_trace(data: Path) -> str:
    """Mooncake's requests as prompts of blocks of 512 tokens: equal hash, equal text."""
    lines = list[str]()
    with (data / "mooncake" / "conversation_trace.jsonl").open(encoding="utf-8") as file:
        for number, row in enumerate(map(json.loads, islice(file, 2000))):
            usage = {"input_tokens": row["input_length"], "output_tokens": row["output_length"]}
            content = [{"type": "text", "text": f"block {name:08}"} for name in row["hash_ids"]]
            line = {
                "timestamp": (START + timedelta(milliseconds=row["timestamp"])).isoformat(),
                "request": {"model": MODEL, "messages": [{"role": "user", "content": content}]},
                "response": {"type": "message", "id": f"m{number}", "model": MODEL, "usage": usage},
            }
            lines.append(json.dumps(line))
    return "\n".join(lines) + "\n"


@pytest.fixture(
    scope="module", params=[conversations, serving_trace], ids=lambda made: made.__name__
)
def log(
    request: pytest.FixtureRequest, public_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("real") / "log.jsonl"
    path.write_text(request.param(public_data), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def figures(log: Path) -> Estimate:
    return estimate_calls(read_calls([log]).calls, CacheParameters(), PriceBook())


def test_no_call_is_lost_and_every_token_has_one_class(figures: Estimate) -> None:
    assert not figures.exclusions
    assert figures.trace.calls == figures.facts["calls"] > 0
    for name in POLICIES:
        tokens = figures.outcomes[name].tokens[:, :4]
        assert (tokens >= 0).all()
        assert (tokens.sum(axis=1) == figures.trace.prompt_tokens).all()


def test_no_policy_undercuts_its_bound(figures: Estimate) -> None:
    bounds, slack = figures.bounds, 1 + 1e-9
    assert bounds["LB0"] <= bounds["LB1"] * slack
    assert bounds["LB1"] <= bounds["LB3"] * slack
    for name in POLICIES:
        usd = figures.outcomes[name].input_usd * slack
        assert bounds["LB3"] <= usd, name
        if lifetime_of(name) in {"5m", "1h"}:
            assert bounds[f"LB2-{lifetime_of(name)}"] <= usd, name


def test_every_loss_is_traced_to_a_row_of_the_log(figures: Estimate, log: Path) -> None:
    lines = len(log.read_text("utf-8").splitlines())
    assert figures.leaks
    for leak in figures.leaks:
        word, _, number = figures.evidence.sources[leak.example].partition(" ")
        assert word == "line"
        assert 1 <= int(number) <= lines


def test_the_report_is_the_same_twice_and_with_every_provider(log: Path) -> None:
    calls = read_calls([log]).calls
    one, other = (cache_estimate(calls, CacheParameters(providers=("all",))) for _ in range(2))
    assert one == other
    rows = next(table for table in one.tables if table.name == "providers").rows
    assert len(rows) == 12
    assert {row[2] + row[3] + row[4] for row in rows} == {sum(rows[0][2:5])}  # type: ignore[operator,arg-type]
