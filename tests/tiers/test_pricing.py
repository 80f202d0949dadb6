"""Costs from tokens: every class at its own price, what is not known stays unknown."""

from datetime import date

import numpy as np
import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.pricing import idle_costs, priced, with_costs

DAY = date(2026, 9, 1)


def table(models: tuple[str, ...] = ("claude-haiku-4-5", "claude-sonnet-4-6")) -> Outcomes:
    n = 3
    return Outcomes(
        models, np.ones((n, 2)), np.full((n, 2), np.nan), None, np.zeros(n, np.int64), ("all",),
        np.arange(n),
    )  # fmt: skip


def test_reads_are_a_tenth_and_writes_a_quarter_or_once_more_than_input() -> None:
    # Fresh input, cache read, five-minute and one-hour writes, output.
    tokens = np.zeros((3, 2, 5))
    tokens[0, :] = [1_000, 0, 0, 0, 100]
    tokens[1, :] = [100, 9_000, 2_000, 4_000, 100]
    tokens[2, 0] = np.nan
    found = priced(table(), tokens, {}, DAY).cost_usd
    for model, (fresh, out) in enumerate(((1.0, 5.0), (3.0, 15.0))):
        assert found[0, model] == pytest.approx((1_000 * fresh + 100 * out) / 1e6)
        units = 100 + 9_000 * 0.1 + 2_000 * 1.25 + 4_000 * 2
        assert found[1, model] == pytest.approx((units * fresh + 100 * out) / 1e6)
    assert np.isnan(found[2, 0])
    assert found[2, 1] == 0


def test_a_model_of_another_name_is_priced_as_it_is_said() -> None:
    tokens = np.full((3, 2, 5), 1_000.0)
    own = priced(table(("mine", "claude-sonnet-4-6")), tokens, {"mine": "claude-haiku-4-5"}, DAY)
    np.testing.assert_array_equal(own.cost_usd, priced(table(), tokens, {}, DAY).cost_usd)
    with pytest.raises(LlmopsError) as caught:
        priced(table(("mine", "claude-sonnet-4-6")), tokens, {}, DAY)
    assert caught.value.slug == "price-unknown-model"


def test_a_model_that_the_book_lacks_keeps_the_cost_that_is_said() -> None:
    tokens = np.full((3, 2, 5), 1_000.0)
    given = table(("mine", "claude-sonnet-4-6"))
    known = priced(given, tokens, {}, DAY, {"mine"})
    found = with_costs(known, {"mine": 0.25}).cost_usd
    assert found[:, 0].tolist() == [0.25] * 3
    np.testing.assert_array_equal(found[:, 1], priced(table(), tokens, {}, DAY).cost_usd[:, 1])


def test_a_price_name_for_no_model_is_refused() -> None:
    with pytest.raises(LlmopsError) as caught:
        priced(table(), np.zeros((3, 2, 5)), {"claude": "claude-haiku-4-5"}, DAY)
    assert caught.value.slug == "tiers-unknown-model"


def test_a_cost_that_changes_nothing_is_noted() -> None:
    given = table()
    given.cost_usd[:, 0] = 0.5
    said = {"claude-haiku-4-5": 0.25, "claude-sonnet-4-6": 0.25}
    (note,) = idle_costs(given, said)
    assert (note.slug, note.field) == ("tiers-cost-known", "claude-haiku-4-5")


def test_without_tokens_there_is_nothing_to_price() -> None:
    with pytest.raises(LlmopsError) as caught:
        priced(table(), None, {}, DAY)
    assert caught.value.slug == "tiers-no-tokens"


def test_what_the_user_says_fills_gaps_and_nothing_else() -> None:
    given = table()
    given.cost_usd[0, 0] = 0.5
    found = with_costs(given, {"claude-haiku-4-5": 0.25}).cost_usd
    assert found[:, 0].tolist() == [0.5, 0.25, 0.25]
    assert np.isnan(found[:, 1]).all()


@pytest.mark.parametrize("usd", [-1.0, float("nan"), float("inf"), 1e13])
def test_what_is_no_amount_is_refused(usd: float) -> None:
    with pytest.raises(LlmopsError) as caught:
        with_costs(table(), {"claude-haiku-4-5": usd})
    assert caught.value.slug == "tiers-bad-cost"
