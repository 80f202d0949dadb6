"""No order of calls and answers exceeds the cap, and none stops early while there is room."""

import asyncio
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.live.budget import Budget
from llmops_cli.live.completions import Request, Usage
from llmops_cli.live.estimates import expected_usage, largest_usage


def price(usage: Usage) -> float:
    return usage.input_tokens * 1e-6 + usage.output_tokens * 4e-6


def test_a_call_that_does_not_fit_is_refused_when_nothing_can_make_room() -> None:
    async def run() -> None:
        budget = Budget(1.0, price, spent_usd=0.5)
        assert await budget.reserve(0.5)
        await budget.settle(0.5, 0.25)
        assert not await budget.reserve(0.26)
        assert await budget.reserve(0.25)

    asyncio.run(run())


def test_a_call_waits_for_one_in_flight_that_turns_out_cheaper() -> None:
    async def run() -> None:
        budget = Budget(1.0, price)
        assert await budget.reserve(0.9)
        second = asyncio.create_task(budget.reserve(0.9))
        await asyncio.sleep(0)
        assert not second.done()
        await budget.settle(0.9, 0.1)
        assert await second

    asyncio.run(run())


@pytest.mark.parametrize("cap", [None, 1.0])
def test_without_cap_or_price_everything_fits(cap: float | None) -> None:
    async def run() -> None:
        budget = Budget(cap, None if cap else price)
        assert all([await budget.reserve(1e9) for _ in range(3)])
        assert (budget.usd(Usage(1, 1)) == 0) == (cap is not None)

    asyncio.run(run())


@given(st.lists(st.tuples(st.floats(0.001, 0.3), st.floats(0, 1)), max_size=40), st.integers(1, 8))
def test_the_cap_holds_whatever_calls_cost_up_to_their_reservation(
    calls: list[tuple[float, float]], workers: int
) -> None:
    pauses, most_seen = cycle((0, 2, 1)), 0.0

    async def run() -> None:
        budget, todo = Budget(1.0, price), iter(calls)

        async def work() -> None:
            nonlocal most_seen
            for most, share in todo:
                if not await budget.reserve(most):
                    assert budget.spent_usd + most > 1.0
                    return
                for _ in range(next(pauses)):
                    await asyncio.sleep(0)
                await budget.settle(most, most * share)
                most_seen = max(most_seen, budget.spent_usd)

        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())

    asyncio.run(run())
    assert most_seen <= 1.0 + 1e-6


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 5000))
def test_a_reservation_covers_every_tokeniser_that_works_on_bytes(text: str, most: int) -> None:
    request = Request("m", text, {"type": "object"}, most)
    largest, expected = largest_usage(request), expected_usage(request)
    assert largest.input_tokens >= len(text.encode()) + 1024
    assert largest.output_tokens == most
    assert expected.input_tokens <= largest.input_tokens
    assert expected.output_tokens <= largest.output_tokens
