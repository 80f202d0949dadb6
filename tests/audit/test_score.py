"""The score: 100 exactly without a fault, never better for one more, never past its caps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.audit.kernel import Tally
from llmops_cli.audit.model import AuditParameters, loss, score, weight
from llmops_cli.audit.rules import Rule, rules
from llmops_cli.errors import ExitCode, LlmopsError

RULES = rules()


def tally(rule: Rule, applies: int, broken: int) -> Tally:
    return Tally(rule, np.array([applies]), np.array([broken]))


@st.composite
def tallies(draw: st.DrawFn) -> list[Tally]:
    picked = draw(st.lists(st.sampled_from(RULES), min_size=1, unique_by=lambda rule: rule.id))
    found = []
    for rule in picked:
        applies = draw(st.integers(1, 10**6))
        found.append(tally(rule, applies, draw(st.integers(0, applies))))
    return found


def value(found: list[Tally]) -> float:
    result = score(found, [0])
    assert result is not None
    return result


@given(tallies())
def test_it_is_100_exactly_where_nothing_that_weighs_is_broken(found: list[Tally]) -> None:
    faulty = any(item.count and weight(item.rule) for item in found)
    assert (value(found) == 100) == (not faulty)
    assert 0 <= value(found) <= 100


@given(tallies(), st.data())
def test_one_more_fault_never_helps(found: list[Tally], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(found) - 1))
    worse = list(found)
    worse[at] = tally(found[at].rule, found[at].total, min(found[at].total, found[at].count + 1))
    assert value(worse) <= value(found)


@given(tallies())
def test_a_cap_holds_in_proportion_to_the_share_that_breaks_the_rule(found: list[Tally]) -> None:
    for item in found:
        if item.rule.cap is not None:
            limit = 100 - (100 - item.rule.cap) * item.count / item.total
            assert value(found) <= limit + 1e-9


@given(tallies())
def test_no_rule_costs_more_than_the_score_lost_with_it_alone(found: list[Tally]) -> None:
    for item in found:
        alone = [item if one is item else tally(one.rule, one.total, 0) for one in found]
        # Rounding down loses up to a tenth more, as does the 99.9 of a tiny fault.
        assert 100 - value(alone) - 0.2 <= loss(item, found) <= 100 - value(alone) + 1e-6


def test_by_hand() -> None:
    by_id = {rule.id: rule for rule in RULES}
    found = [
        tally(by_id["operation-name-absent"], 10, 5),  # required: weight 5, half kept
        tally(by_id["response-id-absent"], 10, 0),  # recommended: weight 2
        tally(by_id["conversation-id-absent"], 4, 1),  # conditionally required: weight 3
        tally(by_id["user-id-absent"], 10, 10),  # information: weight 0
    ]
    assert value(found) == pytest.approx(67.5)  # 100 (5 * 0.5 + 2 + 3 * 0.75) / 10
    found.append(tally(by_id["input-tokens-absent"], 10, 10))  # capped at 40
    assert value(found) == 40


def test_without_a_rule_that_applies_there_is_no_score() -> None:
    assert score([tally(RULES[0], 0, 0)], [0]) is None


@pytest.mark.parametrize(
    ("given_", "slug", "hint"),
    [
        ({"min_score": 101.0}, "audit-bad-score", ""),
        ({"min_score": float("nan")}, "audit-bad-score", ""),
        ({"conventions": "1.99"}, "audit-bad-conventions", "1.26 to 1.41"),
        ({"conventions": "newest"}, "audit-bad-conventions", ""),
        ({"conventions": "1"}, "audit-bad-conventions", ""),
        ({"forbid": ("secrets-in-log",)}, "audit-unknown-rule", "secret-in-log"),
        ({"forbid": ("zzz",)}, "audit-unknown-rule", "one of operation-name-absent"),
    ],
)
def test_what_cannot_be_asked_is_refused(given_: dict, slug: str, hint: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        AuditParameters(**given_)
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)
    assert hint in caught.value.hint


def test_a_rule_is_forbidden_by_its_id_weavers_name_or_severity() -> None:
    given_ = AuditParameters()
    assert [rule.id for rule in given_.forbidden("wrong-type")] == ["wrong-type"]
    assert {rule.id for rule in given_.forbidden("deprecated")} == {
        "deprecated-attribute",
        "deprecated-event",
        "deprecated-provider",
    }
    assert all(rule.severity == "violation" for rule in given_.forbidden("violation"))
