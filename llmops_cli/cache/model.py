"""What a cache estimate is asked: policies and parameters, checked before any work."""

from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["AS_LOGGED", "AUTOMATIC_1H", "AUTOMATIC_5M", "NONE", "POLICIES", "CacheParameters"]

NONE = "none"
AS_LOGGED = "as-logged"
AUTOMATIC_5M = "automatic-5m"
AUTOMATIC_1H = "automatic-1h"

POLICIES: tuple[str, ...] = (NONE, AS_LOGGED, AUTOMATIC_5M, AUTOMATIC_1H)
"""Where breakpoints go: nowhere, where the client put them, or on the last cacheable block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheParameters:
    """The question.

    Attributes:
        policy: the policy to judge; empty for the cheapest that needs no
            markers of one's own: automatic for 5 minutes or 1 hour, or no caching.
        min_saving: gate on the share of input spend that the policy saves against the
            logged markers; None for no gate.
        price_as: price and replay every call as this model; empty for the log's own models.
        on: price every call at the rates of this day; None for the day of the call.
        minimum_tokens: overrides the shortest prompt that a model caches (R10).
        refresh: what a read renews: the entry it ``hit``, or every ``marked`` entry on the
            way to it as well (undocumented; the first saves less).
        visible_after_s: when the response to a call begins if the log does not say, in s (R9).
        level: two-sided confidence of the interval; 0.90 makes its ends one-sided 95 % bounds.
        seed: seed of the bootstrap.
    """

    policy: str = ""
    min_saving: float | None = None
    price_as: str = ""
    on: date | None = None
    minimum_tokens: int | None = None
    refresh: str = "hit"
    visible_after_s: float = 1.0
    level: float = 0.90
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what no replay can answer."""
        if self.policy not in {"", *POLICIES}:
            near = get_close_matches(self.policy, POLICIES, n=1, cutoff=0.4)
            raise _usage(
                "cache-unknown-policy",
                f"'{self.policy}' is not a caching policy",
                f"did you mean '{near[0]}'?" if near else f"one of {', '.join(POLICIES)}",
            )
        if self.refresh not in {"hit", "marked"}:
            raise _usage(
                "cache-unknown-refresh",
                f"'{self.refresh}' is not a way to refresh",
                "a read renews the entry it 'hit' or every 'marked' one on its way",
            )
        if self.min_saving is not None and not -1 <= self.min_saving <= 1:
            raise _usage(
                "cache-bad-gate",
                f"--min-saving {self.min_saving:g} is not a share",
                "a saving of 20 % is 0.2",
            )
        if self.minimum_tokens is not None and self.minimum_tokens < 1:
            raise _usage(
                "cache-bad-minimum",
                f"--minimum-tokens {self.minimum_tokens} is not a number of tokens",
                "models cache prompts from 512 to 4096 tokens on",
            )


def _usage(slug: str, message: str, hint: str) -> LlmopsError:
    return LlmopsError(slug, message, hint=hint, exit_code=ExitCode.USAGE)
