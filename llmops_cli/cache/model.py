"""What a cache estimate is asked: policies and parameters, checked before any work."""

from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = [
    "AS_LOGGED",
    "AUTOMATIC_1H",
    "AUTOMATIC_5M",
    "LABELS",
    "NONE",
    "PLACED",
    "POLICIES",
    "CacheParameters",
    "lifetime_of",
    "placement_of",
]

NONE = "none"
AS_LOGGED = "as-logged"
AUTOMATIC_5M = "automatic-5m"
AUTOMATIC_1H = "automatic-1h"

PLACED: tuple[str, ...] = (
    AUTOMATIC_5M,
    AUTOMATIC_1H,
    "static-prefix-5m",
    "static-prefix-1h",
    "moving-tail-5m",
    "moving-tail-1h",
    "moving-tail-mixed",
    "best-4-5m",
    "best-4-1h",
    "best-4-mixed",
)
"""Placements and lifetimes. Automatic: the last cacheable block. Static prefix: the end of tools
and system prompt. Moving tail: both, and steps of one lookback between them. Best 4: at most four
branch points chosen with knowledge of the log. Mixed: an hour for the static part, 5 minutes after.
"""

POLICIES: tuple[str, ...] = (NONE, AS_LOGGED, *PLACED)
"""Where breakpoints go: nowhere, where the client put them, or by one of the placements."""


LABELS = {
    NONE: "no caching",
    AS_LOGGED: "logged markers",
    AUTOMATIC_5M: "automatic, 5 min",
    AUTOMATIC_1H: "automatic, 1 h",
    "static-prefix-5m": "static prefix, 5 min",
    "static-prefix-1h": "static prefix, 1 h",
    "moving-tail-5m": "moving tail, 5 min",
    "moving-tail-1h": "moving tail, 1 h",
    "moving-tail-mixed": "moving tail, mixed",
    "best-4-5m": "best 4, 5 min",
    "best-4-1h": "best 4, 1 h",
    "best-4-mixed": "best 4, mixed",
}
"""Each policy as a person reads it."""


def placement_of(policy: str) -> str:
    """``best-4`` of ``best-4-1h``."""
    return policy.rpartition("-")[0]


def lifetime_of(policy: str) -> str:
    """``5m``, ``1h`` or ``mixed``."""
    return policy.rpartition("-")[2]


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
        providers: replay the calls under these providers' rules too: ``all``, a name of
            ``rules.yaml``, or ``NAME=MODEL`` to price it as another model of its.
        assume: undocumented behaviours of these providers, ``KNOB=VALUE`` or
            ``PROVIDER.KNOB=VALUE`` with the knobs of ``rules.yaml``.
        kv_tokens: tokens that fit the memory of a server of one's own (vLLM, SGLang).
        min_hit_rate: gate on the share of input that the policy reads from the cache.
        max_unexplained_miss: gate on the share of promised reads that were not billed.
        baseline_saving: what an earlier report saved, for ``max_regression``.
        baseline_policy: which policy that was the saving of.
        max_regression: gate on the saving lost against it, as a share of input spend.
        invoice_usd: what was paid for the time of the log, to be held against its usage.
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
    providers: tuple[str, ...] = ()
    assume: tuple[str, ...] = ()
    kv_tokens: int = 500_000
    min_hit_rate: float | None = None
    max_unexplained_miss: float | None = None
    baseline_saving: float | None = None
    baseline_policy: str = ""
    max_regression: float | None = None
    invoice_usd: float | None = None
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
        for option, bound in (
            ("--min-hit-rate", self.min_hit_rate),
            ("--max-unexplained-miss", self.max_unexplained_miss),
            ("--max-regression", self.max_regression),
        ):
            if bound is not None and not 0 <= bound <= 1:
                raise _usage("cache-bad-gate", f"{option} {bound:g} is not a share", "10 % is 0.1")
        if self.invoice_usd is not None and self.price_as:
            raise _usage(
                "cache-bad-invoice",
                "an invoice is not of the model that --price-as asks about",
                "leave one of --invoice-usd and --price-as out",
            )
        if (self.max_regression is None) != (self.baseline_saving is None):
            raise _usage(
                "cache-bad-gate",
                "--baseline and --max-regression need each other",
                "--baseline previous.json --max-regression 0.05 allows five points less",
            )
        if self.minimum_tokens is not None and self.minimum_tokens < 1:
            raise _usage(
                "cache-bad-minimum",
                f"--minimum-tokens {self.minimum_tokens} is not a number of tokens",
                "models cache prompts from 512 to 4096 tokens on",
            )
        if self.kv_tokens < 1:
            raise _usage(
                "cache-bad-capacity",
                f"--kv-tokens {self.kv_tokens} holds nothing",
                "memory for keys and values, in tokens: vLLM prints it as its cache size",
            )


def _usage(slug: str, message: str, hint: str) -> LlmopsError:
    return LlmopsError(slug, message, hint=hint, exit_code=ExitCode.USAGE)
