"""How is a change rolled out in stages, and when does it come back by itself?

Every stage gets the requests it needs to show that quality, latency, errors and cost are not worse
by a margin the user cares about, at the pace of the user's own traffic.

``plan_rollout`` plans it from a log or from numbers (``draw_plan`` is the plan itself),
``simulate_rollout`` rehearses the plan on a log, ``check_rollout`` judges its stages as they run.
"""

from llmops_cli.rollout.checking import check_rollout
from llmops_cli.rollout.model import Plan
from llmops_cli.rollout.numbers import Numbers
from llmops_cli.rollout.parameters import RolloutParameters
from llmops_cli.rollout.planning import draw_plan, plan_rollout
from llmops_cli.rollout.rehearsing import simulate_rollout
from llmops_cli.rollout.scenario import RehearsalParameters

__all__ = [
    "Numbers",
    "Plan",
    "RehearsalParameters",
    "RolloutParameters",
    "check_rollout",
    "draw_plan",
    "plan_rollout",
    "simulate_rollout",
]
