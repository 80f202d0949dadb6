"""The simulation as one function: a trace and a policy in, an outcome out."""

from typing import TYPE_CHECKING

from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.model import Events, Outcome, Policy
from llmops_cli.serving.validate import check_policy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmops_cli.serving.state import Fleet

__all__ = ["simulate"]

EVENTS_PER_REQUEST = 64
"""Room for events at the first try; a second try has exactly the room it needs."""


def simulate(
    trace: RequestTrace,
    policy: Policy,
    *,
    seed: int = 0,
    record: bool = False,
    stepped: bool = False,
) -> Outcome:
    """Replay a trace through the fleet of a policy.

    Args:
        trace: the requests.
        policy: the fleet.
        seed: of random routing and of ties; the same seed gives the same outcome.
        record: also return every event.
        stepped: reckon every iteration on its own instead of many decode steps in closed form;
            slower, and the same but for rounding.

    Returns:
        When each request was scheduled, answered and finished, and what each replica did.

    Raises:
        LlmopsError: the policy contradicts itself or the trace, see ``validate.py``.
    """
    from llmops_cli.serving import state  # noqa: PLC0415 - the loop loads numba: only when asked
    from llmops_cli.serving.build import Run, build  # noqa: PLC0415 - as above
    from llmops_cli.serving.events import replay  # noqa: PLC0415 - as above

    check_policy(trace, policy)
    room = EVENTS_PER_REQUEST * len(trace) if record else 0
    while True:
        fleet, opening = build(trace, policy, Run(seed=seed, stepped=stepped, events=room))
        replay(fleet, opening)
        happened = int(fleet.counters[state.EVENTS])
        if happened <= room:
            break
        room = happened
    return _outcome(policy, fleet, happened if record else None)


def _outcome(policy: Policy, fleet: "Fleet", happened: int | None) -> Outcome:
    from llmops_cli.serving import state as s  # noqa: PLC0415 - as in simulate

    def whole(column: int) -> "NDArray[np.int64]":
        return fleet.requests[:, column].copy()

    def real(column: int) -> "NDArray[np.float64]":
        return fleet.times[:, column].copy()

    return Outcome(
        policy=policy,
        arrival_s=real(s.ARRIVAL),
        scheduled_s=real(s.SCHEDULED),
        first_token_s=real(s.FIRST),
        finish_s=real(s.FINISH),
        longest_gap_s=real(s.GAP),
        replica=whole(s.REPLICA),
        decode_replica=whole(s.DECODE_REPLICA),
        hit_tokens=whole(s.HIT),
        second_tier_tokens=whole(s.TIER_HIT),
        preemptions=whole(s.PREEMPTIONS),
        busy_s=fleet.clocks[:, s.BUSY].copy(),
        iterations=fleet.replicas[:, s.ITERATIONS].copy(),
        computed_tokens=fleet.replicas[:, s.PREFILLED].copy(),
        peak_blocks=fleet.replicas[:, s.PEAK].copy(),
        events=None if happened is None else _events(fleet, happened),
    )


def _events(fleet: "Fleet", happened: int) -> Events:
    from llmops_cli.serving import state as s  # noqa: PLC0415 - as in simulate

    rows, times = fleet.events[:happened], fleet.event_times[:happened]
    return Events(
        time_s=times[:, s.TIME].copy(),
        kind=rows[:, s.KIND].copy(),
        replica=rows[:, s.EVENT_REPLICA].copy(),
        request=rows[:, s.EVENT_REQUEST].copy(),
        value=rows[:, s.VALUE].copy(),
        duration_s=times[:, s.DURATION].copy(),
        prefill_tokens=rows[:, s.PREFILL].copy(),
        decoding=rows[:, s.DECODE].copy(),
        blocks=rows[:, s.BLOCKS].copy(),
    )
