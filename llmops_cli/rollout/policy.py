"""What a plan does where the evidence does not decide, or where a change has been found worse."""

import math
from dataclasses import dataclass
from typing import Literal

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["AS_EVER", "AtMaximum", "NoData", "OnHarm", "Policy"]

AtMaximum = Literal["hold", "extend", "abort"]
NoData = Literal["hold", "rollback"]
OnHarm = Literal["rollback", "pause"]

_MOST_LOOKS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The plan's own answers; the defaults are those of plans that name none.

    Attributes:
        at_maximum: when a stage has lasted as long as it may and is not decided: ``hold`` for a
            person; ``extend`` it, once, by as long again, then hold; ``abort`` and go back. Its
            requests are judged as they are then, if it was not full before.
        no_data: when the new version is silent: ``hold``, or go back.
        no_data_after_s: how long it must be silent for that.
        consecutive_looks: looks in a row that must find harm; one alone is a blip.
        on_harm: go back by itself, or ``pause`` for a person.
        watch_s: after everybody has the new version and it was shown good, harm is looked for
            so much longer.
    """

    at_maximum: AtMaximum = "hold"
    no_data: NoData = "hold"
    no_data_after_s: float = 86_400.0
    consecutive_looks: int = 1
    on_harm: OnHarm = "rollback"
    watch_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what nobody can obey."""
        for field, known in (
            ("at_maximum", ("hold", "extend", "abort")),
            ("no_data", ("hold", "rollback")),
            ("on_harm", ("rollback", "pause")),
        ):
            if getattr(self, field) not in known:
                raise _usage(field, f"is one of {', '.join(known)}")
        if not 1 <= self.consecutive_looks <= _MOST_LOOKS:
            raise _usage("consecutive_looks", f"lies between 1 and {_MOST_LOOKS}")
        if not 0 < self.no_data_after_s < math.inf:
            raise _usage("no_data_hours", "is a number of hours above 0")
        if not 0 <= self.watch_s < math.inf:
            raise _usage("watch_days", "is a number of days, 0 or more")


def _usage(field: str, rule: str) -> LlmopsError:
    option = field.replace("_", "-")
    return LlmopsError(f"rollout-bad-{option}", f"--{option} {rule}", exit_code=ExitCode.USAGE)


AS_EVER = Policy()
"""That of plans that name none."""
