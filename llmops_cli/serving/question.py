"""What is asked of a comparison: the SLO, the warm-up, the search, the gates."""

from dataclasses import dataclass
from math import isfinite
from typing import Literal

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["Search", "ServingParameters", "Slo", "parse_slo"]

Search = Literal["", "rate", "replicas"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """What a request may take.

    Attributes:
        ttft_s: to the first token.
        tpot_s: per token after it.
        e2e_s: in all.
        share: of the requests that must stay within; what a search holds.
    """

    ttft_s: float | None = None
    tpot_s: float | None = None
    e2e_s: float | None = None
    share: float = 0.9

    def __str__(self) -> str:
        """As it is given on the command line."""
        limits = (("ttft", self.ttft_s), ("tpot", self.tpot_s), ("e2e", self.e2e_s))
        return ",".join(f"{name}={value:g}" for name, value in limits if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingParameters:
    """The question.

    Attributes:
        slo: None where goodput is not asked for.
        find: ``rate`` searches the most traffic each policy holds its SLO under, ``replicas``
            the fewest replicas.
        warm_up_s: arrivals before this are not counted; None for the rule of
            :mod:`~llmops_cli.serving.warm_up`.
        gpu_usd_per_hour: None leaves cost in GPU hours.
        min_goodput: gate on the share of requests within the SLO.
        max_ttft_p99_s: gate on the 99th percentile of the time to first token.
        min_hit_rate: gate on the share of prompt tokens found in cache.
        seed: of routing, ties and resamples.
        jobs: worker processes.
    """

    slo: Slo | None = None
    find: Search = ""
    warm_up_s: float | None = None
    gpu_usd_per_hour: float | None = None
    min_goodput: float | None = None
    max_ttft_p99_s: float | None = None
    min_hit_rate: float | None = None
    seed: int = 0
    jobs: int = 1

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what cannot be asked."""
        if self.find not in {"", "rate", "replicas"}:
            raise _usage("search", f"--find-capacity is rate or replicas, not '{self.find}'")
        if self.slo is None and (self.find or self.min_goodput is not None):
            what = "--find-capacity" if self.find else "--min-goodput"
            raise LlmopsError(
                "serving-no-slo",
                f"{what} asks about requests within an SLO, and none is given",
                hint="--slo ttft=2,tpot=0.05",
                exit_code=ExitCode.USAGE,
            )
        for name in ("min_goodput", "min_hit_rate"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise _usage("gate", f"--{name.replace('_', '-')} is a share between 0 and 1")
        for option, value in (
            ("max-ttft-p99", self.max_ttft_p99_s),
            ("warm-up", self.warm_up_s),
            ("gpu-usd-per-hour", self.gpu_usd_per_hour),
        ):
            if value is not None and not (isfinite(value) and value >= 0):
                raise _usage("amount", f"--{option} is a number from 0")


def parse_slo(text: str) -> Slo:
    """``ttft=2,tpot=0.05`` in seconds, with ``e2e`` and ``share`` where they are wanted.

    Raises:
        LlmopsError: ``serving-bad-slo``.
    """
    fields = {"ttft": "ttft_s", "tpot": "tpot_s", "e2e": "e2e_s", "share": "share"}
    try:
        pairs = [part.partition("=") for part in text.split(",")]
        values = {fields[name.strip()]: float(value) for name, _, value in pairs}
    except (KeyError, ValueError):
        values = {}
    limits = [value for name, value in values.items() if name != "share"]
    if not limits or not all(0 < value < float("inf") for value in limits):
        raise _bad_slo(text)
    if not 0 < values.get("share", 1.0) <= 1:
        raise _bad_slo(text)
    return Slo(**values)


def _bad_slo(text: str) -> LlmopsError:
    return LlmopsError(
        "serving-bad-slo",
        f"'{text}' is no SLO: ttft, tpot and e2e take seconds, share a part of the requests",
        hint="--slo ttft=2,tpot=0.05,share=0.9",
        exit_code=ExitCode.USAGE,
    )


def _usage(what: str, message: str) -> LlmopsError:
    return LlmopsError(f"serving-bad-{what}", message, exit_code=ExitCode.USAGE)
