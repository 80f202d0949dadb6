"""A plan rehearsed on a log: every change played many times, and judged by other rules as well."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from llmops_cli.calls import CallsTable, require
from llmops_cli.errors import LlmopsError
from llmops_cli.rollout.baseline import who_calls
from llmops_cli.rollout.changes import Change
from llmops_cli.rollout.cost import costs_usd
from llmops_cli.rollout.exposure import users_exposed
from llmops_cli.rollout.habits import controller_habits, follow, single_tests
from llmops_cli.rollout.model import COST, ERRORS, LATENCY, QUALITY, Plan
from llmops_cli.rollout.rehearsal import OWN, RULES, Judge, Outcomes, rehearse
from llmops_cli.rollout.replay import Replay
from llmops_cli.rollout.sample_ratio import ratio_alarms
from llmops_cli.rollout.scenario import RehearsalParameters, scenarios
from llmops_cli.rollout.schedule import Schedule, make_schedule

__all__ = ["AT_ONCE", "Played", "Simulation", "simulate"]

AT_ONCE = "all at once"

_FIELDS = {QUALITY: "evaluation_score", LATENCY: "duration_s", COST: "input_tokens"}
_IN = {QUALITY: "'evaluation_score'", LATENCY: "'duration_s'", COST: "a model and tokens"}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """One change, played.

    Attributes:
        change: what got worse.
        outcomes: by name of the rule.
        users: by name of the rule, users exposed by each look; empty where nobody is named.
    """

    change: Change
    outcomes: dict[str, Outcomes]
    users: dict[str, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """All of it.

    Attributes:
        plan: what was rehearsed.
        schedule: its looks on the clock of the log.
        played: no change first.
        calls: in the log.
        groups: of users that arms are drawn from.
        unit: the column that names users, or empty.
        ratio_alarms: runs with a sound assignment in which the sample ratio raised an alarm.
    """

    plan: Plan
    schedule: Schedule
    played: tuple[Played, ...]
    calls: int
    groups: int
    unit: str
    ratio_alarms: int


def simulate(calls: CallsTable, plan: Plan, given: RehearsalParameters) -> Simulation:
    """Rehearse a plan.

    Raises:
        LlmopsError: ``calls-missing-column``; ``rollout-no-traffic`` for a log without times;
            ``rollout-not-in-log`` for a guardrail that the log does not carry; those of
            :mod:`llmops_cli.rollout.scenario`, :mod:`llmops_cli.rollout.changes` and
            :mod:`llmops_cli.rollout.schedule`.
    """
    require(calls, "start_time")
    _check_carried(calls, plan)
    unit, codes = who_calls(calls)
    replays = [
        Replay.of(calls, codes, plan.guardrails, given.look_s, change, seed=given.seed)
        for change in scenarios(plan, given)
    ]
    first = replays[0]
    schedule = make_schedule(plan, first.arrivals, given.look_s)
    played = tuple(_play(replay, plan, schedule, given) for replay in replays)
    alarms = ratio_alarms(schedule, first.unit, first.look, given.runs, given.seed)
    return Simulation(plan, schedule, played, len(first.look), first.groups, unit, alarms)


def _play(replay: Replay, plan: Plan, schedule: Schedule, given: RehearsalParameters) -> Played:
    judges = RULES | _habits(plan, replay.arrivals, every=given.every_rule)
    found = rehearse(replay, plan, schedule, tuple(judges.values()), given.runs, given.seed)
    outcomes = dict(zip(judges, found, strict=True))
    once = _at_once(plan)
    switched = make_schedule(once, replay.arrivals, given.look_s)
    outcomes[AT_ONCE] = rehearse(replay, once, switched, [RULES[OWN]], given.runs, given.seed)[0]
    staged = users_exposed(schedule, replay.unit, replay.look)
    users = dict.fromkeys(judges, staged)
    users[AT_ONCE] = users_exposed(switched, replay.unit, replay.look)
    return Played(replay.change, outcomes, users)


def _habits(plan: Plan, arrivals: Floats, *, every: bool) -> dict[str, Judge]:
    errors = next((item for item in plan.guardrails if item.name == ERRORS), None)
    habits = () if errors is None else controller_habits(errors)
    if errors is not None and every:
        # Tightest after the requests of one look: who looks often wants to see a harm early.
        habits += single_tests(errors, plan.alpha, float(arrivals.mean()))
    return {habit.name: partial(follow, habit=habit) for habit in habits}


def _at_once(plan: Plan) -> Plan:
    """Everybody from the start, held against the log for as long as the plan takes."""
    last = plan.stages[-1]
    requests = sum(stage.requests for stage in plan.stages)
    whole = replace(last, requests=requests, canary_requests=requests, goal=None)
    return replace(plan, stages=(whole,), shadow=None, alpha_per_stage=plan.alpha)


def _check_carried(calls: CallsTable, plan: Plan) -> None:
    if not calls["start_time"].notna().any():
        raise LlmopsError(
            "rollout-no-traffic",
            "no call has a start time, so there is no traffic to rehearse on",
            hint="give a log of at least a day",
            field="start_time",
        )
    for guardrail in plan.guardrails:
        values = _carried(calls, guardrail.name)
        if values is None or np.isfinite(values).any():
            continue
        missing = _IN[guardrail.name]
        raise LlmopsError(
            "rollout-not-in-log",
            f"the plan guards {guardrail.name}, and no call that succeeded has {missing}",
            hint="rehearse on the log the plan was made from",
            field=_FIELDS[guardrail.name],
        )


def _carried(calls: CallsTable, name: str) -> Floats | None:
    """What a guardrail reads of the calls; None where every call has it."""
    if name == ERRORS:
        return None
    if name == COST:
        return costs_usd(calls)
    served = calls[calls["error_type"].isna()]
    return served[_FIELDS[name]].to_numpy(np.float64, na_value=np.nan)
