"""The semantic-cache replay on logs with planted repeats, neighbours and traps."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.cache.semantic import SemanticEstimate, semantic_replay
from llmops_cli.cache.semantic_findings import semantic_findings
from llmops_cli.cache.semantic_guard import learn, normal_form, slots
from llmops_cli.cache.semantic_model import LADDER, NORMALISED, Rung, SemanticParameters
from llmops_cli.cache.semantic_report import (
    semantic_checks,
    semantic_explanations,
    semantic_headline,
    semantic_measures,
)
from llmops_cli.cache.semantic_tables import semantic_tables
from llmops_cli.cache.semantic_threshold import Status
from llmops_cli.calls import CallsTable, arrow_schema, from_arrow
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Measure, Report, Scalar, Table, Verdict

START = datetime(2026, 9, 1, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Planted:
    """Shares of what follows on a question; the rest are new questions.

    Made-up words in small letters: the guard sees nothing in them, so that a trap (one word
    of eight changed, another answer) is a matter of similarity and answers alone.
    """

    exact: float = 0.0
    varied: float = 0.0
    near: float = 0.0
    trap: float = 0.0
    stale: float = 0.0
    scopes: int = 1
    users: int = 50
    answers: bool = True


def word(source: random.Random) -> str:
    syllables = source.randint(2, 3)
    body = "".join(
        source.choice("bcfghjklmprstvz") + source.choice("aeiou") for _ in range(syllables)
    )
    return body + source.choice("lmnrst")


def sentence(source: random.Random) -> str:
    return " ".join(word(source) for _ in range(8))


def follow(source: random.Random, kind: str, text: str, told: str) -> tuple[str, str]:
    if kind == "varied":
        return f"  {text.upper().replace(' ', '  ')} ?!", told
    if kind == "near":
        return source.choice(["please ", "hello ", "so "]) + text, told
    if kind == "trap":
        words = text.split()
        words[source.randrange(8)] = word(source)
        return " ".join(words), sentence(source)
    return text, sentence(source) if kind == "stale" else told


def planted_log(n: int, given_: Planted, seed: int = 0) -> tuple[CallsTable, list[str]]:
    source = random.Random(seed)  # noqa: S311 - a log, not a secret
    rows, kinds = list[dict[str, Any]](), list[str]()
    shares = {name: getattr(given_, name) for name in ("exact", "varied", "near", "trap", "stale")}
    weights = [*shares.values(), 1 - sum(shares.values())]
    known: list[list[tuple[str, str]]] = [[] for _ in range(given_.scopes)]
    for number in range(n):
        scope = source.randrange(given_.scopes)
        (kind,) = source.choices([*shares, "new"], weights)
        if not known[scope]:
            kind = "new"
        if kind == "new":
            text, told = sentence(source), sentence(source)
            known[scope].append((text, told))
        else:
            text, told = follow(source, kind, *source.choice(known[scope]))
        kinds.append(kind)
        content = {"system": [f"scope {scope}"], "messages": [{"role": "user", "content": text}]}
        rows.append(
            {
                "call_id": str(number),
                "start_time": START + timedelta(seconds=number),
                "user_id": f"user {source.randrange(given_.users)}",
                "request_model": "m",
                "source_file": "log.jsonl",
                "source_line": number + 1,
                "content": json.dumps(content | ({"answer": told} if given_.answers else {})),
            }
        )
    return as_calls(rows), kinds


def as_calls(rows: list[dict[str, Any]]) -> CallsTable:
    schema = arrow_schema().append(pa.field("content", pa.string()))
    return from_arrow(pa.Table.from_pylist(rows, schema=schema))


def conversation(*pairs: tuple[str, str]) -> CallsTable:
    """Questions and answers in the order of time, a minute apart."""
    rows = [
        {
            "call_id": str(number),
            "start_time": START + timedelta(minutes=number),
            "request_model": "m",
            "source_file": "log.jsonl",
            "source_line": number + 1,
            "content": json.dumps(
                {"messages": [{"role": "user", "content": text}], "answer": told}
            ),
        }
        for number, (text, told) in enumerate(pairs)
    ]
    return as_calls(rows)


WIDE = SemanticParameters(max_false_hit=0.05)


@pytest.fixture(scope="module")
def trapped() -> tuple[SemanticEstimate, list[str]]:
    calls, kinds = planted_log(3000, Planted(exact=0.3, varied=0.1, near=0.15, trap=0.1))
    return semantic_replay(calls, WIDE, np.full(len(calls), 0.01)), kinds


def of(figures: SemanticEstimate, kind: str, threshold: float | None = None) -> Any:  # noqa: ANN401
    (found,) = [item for item in figures.outcomes if item.rung == Rung(kind, threshold)]
    return found


def test_each_planted_repeat_is_a_hit_of_its_rule(
    trapped: tuple[SemanticEstimate, list[str]],
) -> None:
    figures, kinds = trapped
    kind = np.array(kinds)
    exact, normalised = of(figures, "exact").hits, of(figures, "normalised").hits
    assert normalised[(kind == "exact") | (kind == "varied")].all()
    assert exact[kind == "exact"].all()
    assert not exact[(kind == "new") | (kind == "trap")].any()
    assert not normalised[(kind == "new") | (kind == "trap")].any()
    similar = of(figures, "similar", 0.6).hits
    assert similar[kind != "new"].mean() > 0.99
    assert not similar[kind == "new"].any()


def test_exactly_the_planted_traps_are_false_hits(
    trapped: tuple[SemanticEstimate, list[str]],
) -> None:
    figures, kinds = trapped
    loosest = of(figures, "similar", 0.6)
    false = loosest.hits & np.isin(loosest.labels, (3, 4))
    followers = Counter(np.array(kinds)[false])
    # A neighbour of a trap may be served the trapped answer, or the other way round.
    assert followers["trap"] > 0.9 * Counter(kinds)["trap"]
    assert followers["trap"] >= 0.9 * false.sum()


def test_the_chosen_rule_stops_before_the_traps(
    trapped: tuple[SemanticEstimate, list[str]],
) -> None:
    figures, kinds = trapped
    assert figures.chosen is not None
    assert figures.shown.rung.kind == "similar"
    assert figures.shown.judged.interval.high <= 0.05
    statuses = [item.status for item in figures.outcomes]
    failed = statuses.index(Status.FAILED)
    assert set(statuses[failed + 1 :]) == {Status.AFTER}
    assert figures.outcomes[-1].near.share > 0.2
    near = np.array(kinds) == "near"
    assert figures.shown.hits[near].mean() > 0.9


def test_true_repeats_do_not_make_room_for_false_neighbours() -> None:
    """Overall 1.5 % of the hits are false, under the bound of 5 %; of the neighbours a third."""
    calls, _ = planted_log(4000, Planted(exact=0.6, near=0.07, trap=0.035), seed=3)
    figures = semantic_replay(calls, WIDE)
    loosest = figures.outcomes[-1]
    assert loosest.judged.interval.high <= 0.06
    assert loosest.status in {Status.FAILED, Status.AFTER}


def test_repeats_that_get_another_answer_fail_every_rule() -> None:
    calls, _ = planted_log(1500, Planted(exact=0.2, stale=0.2, near=0.1))
    figures = semantic_replay(calls, WIDE)
    assert figures.chosen is None
    assert [item.status for item in figures.outcomes[:2]] == [Status.FAILED, Status.AFTER]
    assert figures.shown.rung.kind == NORMALISED
    (check,) = semantic_checks(figures)
    assert check.verdict is Verdict.FAIL
    assert "semantic-answers-vary" in {item.slug for item in semantic_findings(figures)}
    assert "No matching rule" in semantic_headline(figures)


def test_too_short_a_log_chooses_nothing_and_says_how_much_is_needed() -> None:
    calls, _ = planted_log(200, Planted(exact=0.5))
    figures = semantic_replay(calls)
    assert figures.chosen is None
    assert {item.status for item in figures.outcomes} == {Status.FEW}
    (check,) = semantic_checks(figures)
    assert check.verdict is Verdict.INCONCLUSIVE
    assert "299" in check.needed
    assert "semantic-few-hits" in {item.slug for item in semantic_findings(figures)}


def test_without_answers_no_rule_is_chosen_and_the_hit_rate_is_an_upper_bound() -> None:
    calls, _ = planted_log(400, Planted(exact=0.4, near=0.2, answers=False))
    figures = semantic_replay(calls, SemanticParameters(max_false_hit=0.3))
    assert not figures.has_answers
    assert figures.chosen is None
    assert figures.judging.all()
    assert figures.shown.rung.kind == NORMALISED
    assert {item.status for item in figures.outcomes} <= {Status.BLIND, Status.FEW}
    hit_rate, false = semantic_measures(figures)[:2]
    assert hit_rate.label.endswith("at most")
    assert (false.value, false.low, false.high) == (None, None, None)
    (check,) = semantic_checks(figures)
    assert check.verdict is Verdict.INCONCLUSIVE
    assert "semantic-no-answers" in {item.slug for item in semantic_findings(figures)}
    assert "at most" in semantic_headline(figures)
    assert "no threshold" in by_name(figures, "semantic_rules").note


@pytest.mark.slow
def test_no_hit_crosses_a_scope_or_comes_from_the_future_or_passes_the_guard_wrongly() -> None:
    calls, _ = planted_log(600, Planted(exact=0.2, varied=0.2, near=0.2, trap=0.2, scopes=4))
    figures = semantic_replay(calls)
    prompts, lexicon = figures.prompts, learn(figures.prompts.texts)
    crossed = 0
    for outcome in figures.outcomes:
        for call in np.flatnonzero(outcome.hits).tolist():
            entry = int(outcome.served[call])
            assert prompts.scope[call] == prompts.scope[entry]
            assert prompts.answered_us[entry] < prompts.start_us[call]
            one, other = (normal_form(prompts.texts[at]) for at in (call, entry))
            assert slots(one, lexicon)[:3] == slots(other, lexicon)[:3]
            crossed += one != other
    assert crossed > 100


def test_one_scope_s_questions_never_answer_another_s() -> None:
    same = conversation(("where is it", "here"), ("where is it", "here"))
    domains = same.assign(isolation_domain=["a", "b"])
    assert semantic_replay(same).outcomes[0].hits.tolist() == [False, True]
    assert semantic_replay(domains).outcomes[-1].hits.tolist() == [False, False]


TRAPS = [
    ("order number", "Where is order 48213?", "Where is order 48231?", "guard"),
    ("safe and unsafe", "is it safe to mix these", "is it unsafe to mix these", "guard"),
    ("names in capitals", "Cancel my Netflix contract", "Cancel my gym contract", "guard"),
    ("two names", "the capital city of France please", "the capital city of Spain please", "guard"),
    (
        "small letters",
        "how do i cancel my monthly netflix contract",
        "how do i cancel my monthly gym contract",
        "answers",
    ),
    ("common nouns", "how do i rent a car there", "how do i rent a cart there", "answers"),
]


@pytest.mark.parametrize(
    ("name", "one", "other", "caught"), TRAPS, ids=[name for name, *_ in TRAPS]
)
def test_a_trap_is_caught_by_the_guard_or_by_the_answers(
    name: str, one: str, other: str, caught: str
) -> None:
    calls = conversation((one, "the first of the answers"), (other, "something else entirely"))
    outcome = semantic_replay(calls).outcomes[-1]
    if caught == "guard":
        assert not outcome.hits.any(), name
    else:
        assert outcome.hits.tolist() == [False, True], name
        assert outcome.labels[1] in (3, 4)


def test_entries_expire_when_told_to() -> None:
    calls = conversation(*[("where is it", "here")] * 3)
    hits = semantic_replay(calls, SemanticParameters(ttl_s=60)).outcomes[0].served
    assert hits.tolist() == [-1, 0, -1]
    assert semantic_replay(calls).outcomes[0].served.tolist() == [-1, 0, 0]


def test_questions_too_long_to_compare_hit_as_repeats_only() -> None:
    text = "tell me about this " * 150
    calls = conversation((text, "a"), (text.upper(), "a"), (f"please {text}", "a"))
    figures = semantic_replay(calls)
    assert figures.too_long == 2
    assert figures.outcomes[-1].served.tolist() == [-1, 0, -1]
    assert "semantic-too-long" in {item.slug for item in semantic_findings(figures)}


@pytest.mark.parametrize("texts", [["one"], ["?"], ["?", "!"], ["a", "b"]])
def test_small_logs_have_figures(texts: list[str]) -> None:
    figures = semantic_replay(conversation(*[(text, "") for text in texts]), WIDE)
    assert not figures.shown.hits.any()
    assert report(figures).verdict is Verdict.INCONCLUSIVE


questions = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "reset my password",
                "Reset  my password!",
                "please reset my password",
                "where is order 7",
                "where is order 8",
                "where is the order",
                "Where is the order?",
                "so where is the order",
            ]
        ),
        st.sampled_from(["yes", "no", "it is there", ""]),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=40)
@given(questions)
def test_what_hits_exactly_hits_normalised_and_what_hits_normalised_hits_similar(
    pairs: list[tuple[str, str]],
) -> None:
    figures = semantic_replay(conversation(*pairs))
    exact, normalised, *similar = [item.hits for item in figures.outcomes]
    assert (normalised | ~exact).all()
    for hits in similar:
        assert (hits | ~normalised).all()


@settings(max_examples=20)
@given(questions, st.randoms(use_true_random=False))
def test_the_result_does_not_depend_on_the_order_of_the_rows_or_the_run(
    pairs: list[tuple[str, str]], shuffle: random.Random
) -> None:
    calls = conversation(*pairs)
    order = list(range(len(calls)))
    shuffle.shuffle(order)
    one, other = semantic_replay(calls), semantic_replay(calls.iloc[order])
    for first, second in zip(one.outcomes, other.outcomes, strict=True):
        assert first.served.tolist() == second.served.tolist()
        assert first.labels.tolist() == second.labels.tolist()
        assert first.tested == second.tested


@pytest.mark.slow
def test_the_choice_is_made_without_the_calls_that_judge() -> None:
    """Other answers in the second half change what is reported, never what is chosen."""
    calls, _ = planted_log(3000, Planted(exact=0.3, near=0.2))
    half, source = len(calls) // 2, random.Random(1)  # noqa: S311 - words, not secrets
    spoiled = calls.assign(
        content=[
            json.dumps(json.loads(text) | {"answer": sentence(source)}) if number >= half else text
            for number, text in enumerate(calls["content"])
        ]
    )
    before, after = semantic_replay(calls, WIDE), semantic_replay(spoiled, WIDE)
    assert before.chosen is not None
    assert before.chosen == after.chosen
    assert [item.tested for item in before.outcomes] == [item.tested for item in after.outcomes]
    assert before.shown.judged.false == 0
    assert after.shown.judged.share == pytest.approx(1.0)
    assert semantic_checks(before)[0].verdict is Verdict.PASS
    assert semantic_checks(after)[0].verdict is Verdict.FAIL


def measure(figures: SemanticEstimate, name: str) -> Measure:
    (found,) = [item for item in semantic_measures(figures) if item.name == name]
    return found


def by_name(figures: SemanticEstimate, name: str) -> Table:
    (found,) = [item for item in semantic_tables(figures) if item.name == name]
    return found


def report(figures: SemanticEstimate) -> Report:
    return Report(
        command="cache-estimate",
        title="",
        headline=semantic_headline(figures),
        measures=semantic_measures(figures),
        checks=semantic_checks(figures),
        tables=semantic_tables(figures),
        findings=semantic_findings(figures),
        explanations=semantic_explanations(figures),
    )


def test_the_figures_are_of_the_calls_that_judge(
    trapped: tuple[SemanticEstimate, list[str]],
) -> None:
    figures, _ = trapped
    hits = figures.shown.hits[figures.judging]
    hit_rate, false = (
        measure(figures, "semantic_hit_rate"),
        measure(figures, "semantic_false_hit_rate"),
    )
    assert len(hits) == 1500
    assert hit_rate.value == pytest.approx(hits.mean())
    assert (hit_rate.low or 0) < (hit_rate.value or 0) < (hit_rate.high or 1)
    assert (hit_rate.n, hit_rate.method) == (50, "cluster bootstrap over users")
    assert (false.value, false.n) == (figures.shown.judged.share, figures.shown.judged.labelled)
    assert (measure(figures, "semantic_ceiling").value or 0) >= (hit_rate.value or 0)
    assert "similar" in semantic_headline(figures)


def test_savings_are_the_cost_of_the_calls_less_the_price_of_false_hits(
    trapped: tuple[SemanticEstimate, list[str]],
) -> None:
    figures, _ = trapped
    priced = replace(figures, given=replace(WIDE, penalty_usd=2.0))
    hits = int(figures.shown.hits[figures.judging].sum())
    assert measure(priced, "semantic_saved_usd").value == pytest.approx(0.01 * hits)
    net, judged = measure(priced, "semantic_net_usd"), figures.shown.judged
    assert net.value == pytest.approx(0.01 * hits - 2.0 * hits * (judged.share or 0.0))
    assert net.low == pytest.approx(0.01 * hits - 2.0 * hits * judged.interval.high)
    assert not [
        item for item in semantic_measures(replace(figures, usd=None)) if item.unit == "usd"
    ]


def test_calls_without_a_price_are_left_out_of_the_savings() -> None:
    calls = conversation(*[("where is it", "")] * 3)
    figures = semantic_replay(calls, None, np.array([1.0, np.nan, 4.0]))
    saved = measure(figures, "semantic_saved_usd")
    assert (saved.value, saved.n) == (4.0, 2)
    assert measure(figures, "semantic_net_usd").value is None


def cells(table: Table, column: str) -> list[Scalar]:
    (at,) = [number for number, item in enumerate(table.columns) if item.name == column]
    return [row[at] for row in table.rows]


def test_the_tables_say_what_was_tested_chosen_and_served(
    trapped: tuple[SemanticEstimate, list[str]],
) -> None:
    figures, _ = trapped
    rules = by_name(figures, "semantic_rules")
    assert len(rules.rows) == len(LADDER)
    assert [rule for rule in cells(rules, "rule") if str(rule).endswith("(chosen)")] == [
        f"{figures.shown.rung.label} (chosen)"
    ]
    answers = by_name(figures, "semantic_answers")
    assert sum(cells(answers, "hits")) == figures.shown.judged.hits  # type: ignore[arg-type]
    published = by_name(figures, "semantic_published")
    assert cells(published, "share")[1] == 0.31
    assert "2403.02694" in str(cells(published, "source")[1])


def test_pairs_to_look_at_are_named_by_their_place_and_never_quoted(
    trapped: tuple[SemanticEstimate, list[str]],
) -> None:
    figures, kinds = trapped
    review = by_name(figures, "semantic_review")
    lines = [int(str(place).removeprefix("log.jsonl:")) for place in cells(review, "call")]
    assert 0 < len(lines) <= 20
    assert sum(kinds[line - 1] == "trap" for line in lines) >= 0.8 * len(lines)
    everything = repr(report(figures))
    assert not [text for text in figures.prompts.texts if text.strip() in everything]
    assert not [text for text in figures.prompts.answers if text in everything]


@pytest.mark.parametrize(
    ("columns", "method"),
    [
        ({"user_id": [None] * 4}, "Wilson; calls taken as independent"),
        ({"user_id": ["a", "a", "b", None]}, "cluster bootstrap over users"),
        ({"user_id": ["a", "a", "b", "b"]}, "a single user: nothing to resample"),
    ],
)
def test_intervals_say_who_the_witnesses_are(
    columns: dict[str, Sequence[Any]], method: str
) -> None:
    calls = conversation(*[("where is it", "here")] * 3, ("who", "me")).assign(**columns)
    figures = semantic_replay(calls)
    assert measure(figures, "semantic_hit_rate").method == method
    slugs = {item.slug for item in semantic_findings(figures)}
    assert ("semantic-nobody-named" in slugs) == method.startswith("Wilson")


def test_hits_that_are_all_alike_are_no_certainty() -> None:
    users = ["a", "b", "c"] * 4
    for texts in (["where is it"] * 12, [f"word{'x' * n} and no other" for n in range(12)]):
        calls = conversation(*[(text, "here") for text in texts]).assign(user_id=users)
        rate = measure(semantic_replay(calls), "semantic_hit_rate")
        assert rate.value in {0.0, 1.0}
        assert (rate.high or 0.0) - (rate.low or 0.0) > 0.3
        assert (rate.n, rate.method) == (3, "Wilson; users as witnesses")


def test_hits_without_both_answers_are_counted_and_left_out() -> None:
    calls, _ = planted_log(400, Planted(exact=0.5))
    bare = [
        json.dumps(json.loads(text) | {"answer": ""}) if number % 2 else text
        for number, text in enumerate(calls["content"])
    ]
    figures = semantic_replay(calls.assign(content=bare), WIDE)
    judged = figures.shown.judged
    assert 0 < judged.labelled < judged.hits
    (found,) = [x for x in semantic_findings(figures) if x.slug == "semantic-unlabelled"]
    assert found.count == judged.hits - judged.labelled


@pytest.mark.parametrize(
    ("given_", "slug"),
    [
        ({"max_false_hit": 0.0}, "semantic-bad-gate"),
        ({"max_false_hit": 1.0}, "semantic-bad-gate"),
        ({"max_false_hit": float("nan")}, "semantic-bad-gate"),
        ({"ttl_s": 0.0}, "semantic-bad-lifetime"),
        ({"ttl_s": float("nan")}, "semantic-bad-lifetime"),
        ({"vectors": "word2vec"}, "semantic-unknown-vectors"),
        ({"answer_similarity": 0.0}, "semantic-bad-similarity"),
        ({"penalty_usd": -1.0}, "semantic-bad-penalty"),
        ({"penalty_usd": float("inf")}, "semantic-bad-penalty"),
    ],
)
def test_parameters_that_no_replay_can_answer_are_usage_errors(
    given_: dict[str, Any], slug: str
) -> None:
    with pytest.raises(LlmopsError) as caught:
        SemanticParameters(**given_)
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)


@pytest.mark.slow
def test_the_rule_chosen_on_a_log_keeps_its_bound_on_the_traffic_behind_it() -> None:
    """On 60 logs with traps the chosen rule's share of false hits in the next log, unseen."""
    over = chosen = 0
    for seed in range(60):
        calls, _ = planted_log(2400, Planted(exact=0.15, near=0.25, trap=0.05), seed)
        figures = semantic_replay(calls, WIDE)
        if figures.chosen is not None and figures.shown.rung.kind == "similar":
            chosen += 1
            over += (figures.shown.near.share or 0.0) > 0.05
    assert chosen >= 40
    # 5 % may be over the bound; a chance of one in a hundred that more than 8 of 60 are.
    assert over <= 8
