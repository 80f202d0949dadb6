"""What may be asked of an assignment, and what may not."""

import pytest

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.tiers.model import DEFAULT_CLASS_FLOOR, TierParameters


@pytest.mark.parametrize(
    ("asked", "slug"),
    [
        ({"floor": 0.0}, "tiers-bad-floor"),
        ({"class_floor": float("nan")}, "tiers-bad-floor"),
        ({"class_floors": (("a", 3.0),)}, "tiers-bad-floor"),
        ({"budget_usd": float("nan")}, "tiers-bad-budget"),
        ({"budget_usd": -1.0}, "tiers-bad-budget"),
        ({"max_p95_s": 0.0}, "tiers-bad-p95"),
        ({"capacity": (("a", 1.5),)}, "tiers-bad-capacity"),
        ({"alpha": 0.0}, "tiers-bad-alpha"),
        ({"level": 0.5}, "tiers-bad-level"),
        ({"max_providers": 0}, "tiers-bad-providers"),
        ({"evidence": "faith"}, "tiers-bad-evidence"),
        ({"evidence": "paired", "floor": 0.9}, "tiers-paired-needs-class-floor"),
    ],
)
def test_refusals(asked: dict[str, object], slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        TierParameters(**asked)  # type: ignore[arg-type]
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)


def test_a_floor_of_every_class_is_the_default_and_goes_where_another_is_asked() -> None:
    assert TierParameters().every_class == DEFAULT_CLASS_FLOOR
    for asked in ({"floor": 0.9}, {"budget_usd": 1.0}):
        assert TierParameters(**asked).every_class is None  # type: ignore[arg-type]
    assert TierParameters(floor=0.9, class_floor=0.8).every_class == 0.8


def test_a_floor_of_one_class_takes_none_from_the_others() -> None:
    named = (("a", 0.9),)
    assert TierParameters(class_floors=named).every_class == DEFAULT_CLASS_FLOOR
    assert TierParameters(class_floors=named, floor=0.9).every_class is None
    assert TierParameters(class_floors=named, budget_usd=1.0).every_class is None


def test_a_budget_alone_asks_for_the_best_plan() -> None:
    assert TierParameters(budget_usd=2.0).best_quality
    assert not TierParameters(budget_usd=2.0, floor=0.9).best_quality
    assert not TierParameters().best_quality
