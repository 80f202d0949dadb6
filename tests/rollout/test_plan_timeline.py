"""The timeline of a plan: stages end to end, with what each can see."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest

from llmops_cli import plan_rollout
from llmops_cli.rollout import RolloutParameters, draw_plan
from llmops_cli.rollout.plan_timeline import timeline

Make = Callable[..., pd.DataFrame]


def test_stages_follow_one_another_for_as_long_as_the_plan(calls: Make) -> None:
    plan = draw_plan(calls())
    spans = timeline(plan).spans
    assert [span.label for span in spans] == ["5 %", "10 %", "25 %", "50 %", "100 %"]
    assert spans[0].start == 0
    assert all(a.end == b.start for a, b in pairwise(spans))
    assert spans[-1].end == pytest.approx(plan.duration_s)


def test_a_stage_names_its_sample_and_the_smallest_harm_it_sees(calls: Make) -> None:
    margins = RolloutParameters(error_margin=0.03, latency_margin=1.3, quality_margin=0.05)
    plan = draw_plan(calls(), margins)
    first, stage = timeline(plan).spans[0], plan.stages[0]
    assert first.words.startswith(f"{stage.canary_requests:,} requests on the new version; sees ")
    quality, latency, errors = (item.detects or 0 for item in stage.decisions)
    assert f"score -{quality:.2g}, " in first.words
    assert f"slow +{100 * latency:.2g} points, " in first.words
    assert f"errors +{100 * errors:.2g} points" in first.words


def test_a_guardrail_that_a_stage_cannot_see_is_named(calls: Make) -> None:
    plan = draw_plan(calls())
    blind = tuple(replace(item, detects=None) for item in plan.stages[0].decisions)
    plan = replace(plan, stages=(replace(plan.stages[0], decisions=blind), *plan.stages[1:]))
    assert "sees no score, no slow, no errors" in timeline(plan).spans[0].words


def test_the_report_carries_it(calls: Make) -> None:
    report = plan_rollout(calls())
    assert [item.name for item in report.timelines] == ["stages"]
