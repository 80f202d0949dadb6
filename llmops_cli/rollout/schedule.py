"""When a plan's looks fall on the clock of a log: the log's arrivals, repeated from its start."""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout.model import Plan

__all__ = [
    "MOST_LOOKS",
    "Schedule",
    "StageLooks",
    "clock",
    "make_schedule",
    "requests_within",
    "seconds_until",
]

MOST_LOOKS = 20_000
"""More looks than that are years of hours."""

DAY_S = 86_400.0

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StageLooks:
    """One stage: its share of traffic and its looks, counted from the start of the rollout.

    The last ``watch`` of them come after it was shown good, and look for harm only. A shadow
    stage serves copies of its share of requests; nobody meets the answers.
    """

    share: float
    first: int
    last: int
    watch: int = 0
    shadow: bool = False

    @property
    def beside(self) -> bool:
        """Whether the old version runs beside the new one."""
        return self.shadow or self.share < 1

    @property
    def looks(self) -> int:
        """How many."""
        return self.last - self.first

    @property
    def planned(self) -> int:
        """How many until it may go on."""
        return self.looks - self.watch


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """The stages on the clock.

    Attributes:
        look_s: seconds from look to look.
        arrivals: ``(H,)`` requests between looks, over one pass of the log.
        stages: in order, one after the other.
    """

    look_s: float
    arrivals: Floats
    stages: tuple[StageLooks, ...]

    @property
    def looks(self) -> int:
        """Of the whole rollout."""
        return self.stages[-1].last

    @property
    def planned(self) -> int:
        """Of the whole rollout, without the watch after it."""
        return self.looks - self.stages[-1].watch

    @property
    def exposing(self) -> tuple[StageLooks, ...]:
        """The stages in which users meet the new version."""
        return tuple(stage for stage in self.stages if not stage.shadow)

    def expected(self, stage: StageLooks) -> Floats:
        """``(T,)`` requests of all traffic expected since the stage began, at each of its looks."""
        places = np.arange(stage.first, stage.last) % len(self.arrivals)
        return np.cumsum(self.arrivals[places])


def clock(moments_us: Ints, look_s: float) -> tuple[Ints, int]:
    """The look that each request of a log falls before, and looks in one pass of the log.

    A log of nearly whole days repeats by days, so that the hour of the day stays what it is.
    """
    elapsed = (moments_us - moments_us.min()) / 1e6
    # What comes at the very end of the log belongs to its last look.
    last = max(0, math.ceil(float(elapsed.max()) / look_s - 1e-9) - 1)
    looks = np.minimum(elapsed // look_s, last).astype(np.int64)
    passes = last + 1
    days = (float(elapsed.max())) / DAY_S
    per_day = DAY_S / look_s
    whole = math.ceil(days - 1e-9)
    if whole and whole - days < 0.05 * whole and per_day == int(per_day):
        passes = max(passes, whole * int(per_day))
    return looks, passes


def make_schedule(plan: Plan, arrivals: Floats, look_s: float) -> Schedule:
    """Lay the stages on the clock: each lasts until its requests are expected to be in.

    Raises:
        LlmopsError: ``rollout-too-many-looks`` for years of them.
    """
    once = np.cumsum(arrivals)
    stages, at = list[StageLooks](), 0
    for stage in plan.steps:
        before = _expected_by(once, at)
        end = _look_of(once, before + stage.requests)
        if end > MOST_LOOKS:
            raise LlmopsError(
                "rollout-too-many-looks",
                f"the plan takes more than {MOST_LOOKS:,} looks",
                hint="look less often (--look-hours 24), or plan with larger margins",
                exit_code=ExitCode.USAGE,
            )
        end = max(end, at + 1)
        stages.append(StageLooks(stage.percent / 100, at, end, shadow=stage.shadow))
        at = stages[-1].last
    watch = round(plan.policy.watch_s / look_s)
    last = stages[-1]
    stages[-1] = replace(last, last=last.last + watch, watch=watch)
    return Schedule(look_s, arrivals, tuple(stages))


def _expected_by(once: Floats, look: int) -> float:
    passes, rest = divmod(look, len(once))
    return float(passes * once[-1] + (once[rest - 1] if rest else 0))


def _look_of(once: Floats, requests: float) -> int:
    """The first look by which so many requests are expected since the start."""
    passes = max(0, math.ceil(requests / float(once[-1]) - 1e-9) - 1)
    rest = requests - passes * float(once[-1])
    return passes * len(once) + int(np.searchsorted(once, rest * (1 - 1e-9))) + 1


def seconds_until(arrivals: Floats, start_s: float, requests: float, step_s: float) -> float:
    """How long it takes for so many requests to come, by the log's own hours.

    Args:
        arrivals: ``(H,)`` requests in each step of one pass of the log, which repeats.
        start_s: seconds from the start of the log, or of any repetition of it.
        requests: to wait for.
        step_s: length of a step; within it they come evenly.
    """
    once, ends = _once(arrivals, step_s)
    before = float(np.interp(start_s % ends[-1], ends, once))
    passes, rest = divmod(before + requests, float(once[-1]))
    # Of a quiet stretch after the last request the beginning counts.
    length = float(ends[-1])
    return passes * length + float(np.interp(rest, once, ends)) - start_s % length


def requests_within(arrivals: Floats, start_s: float, seconds: float, step_s: float) -> float:
    """How many requests come in so long a time: the other way round; arguments are the same."""
    once, ends = _once(arrivals, step_s)

    def by(moment: float) -> float:
        passes, rest = divmod(moment, float(ends[-1]))
        return passes * float(once[-1]) + float(np.interp(rest, ends, once))

    return by(start_s + seconds) - by(start_s)


def _once(arrivals: Floats, step_s: float) -> tuple[Floats, Floats]:
    """Requests of one pass of the log by the end of each step, and those ends in seconds."""
    once = np.concatenate([[0.0], np.cumsum(arrivals)])
    return once, step_s * np.arange(len(once), dtype=np.float64)
