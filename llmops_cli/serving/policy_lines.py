"""``name=kv router=kv batching=chunked chunk=512``: a policy in a line, and lines for a sweep."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["DEFAULT_LINES", "KEYS", "Line", "parse_line", "parse_sweep", "swept"]

KEYS: dict[str, str] = {
    "name": "what the report calls it",
    "router": "round-robin, random, least-outstanding, power-of-two, session, hash, prefix-tree, "
    "kv, scored, clairvoyant",
    "batching": "static, continuous, chunked",
    "chunk": "most tokens of an iteration",
    "batch": "most sequences of an iteration",
    "replicas": "copies of the model",
    "blocks": "KV blocks of a replica",
    "block": "tokens of a block, where the trace has none",
    "cache": "on, off: whether prefixes are kept",
    "eviction": "lru, lfu, length-aware, clairvoyant",
    "tier2": "blocks of a second, slower tier",
    "tier2-gbps": "its bandwidth, GB/s",
    "delay": "seconds by which the router's index is late",
    "weight": "kv: what a block still to prefill counts",
    "threshold": "prefix-tree: share of the prompt that must match",
    "imbalance": "prefix-tree: outstanding requests by which replicas may differ",
    "imbalance-ratio": "prefix-tree: and the factor",
    "load-factor": "hash: load of a replica over the mean, above 1",
    "prefix-weight": "scored: of the matching prefix",
    "queue-weight": "scored: of a short queue",
    "memory-weight": "scored: of free memory",
    "decode": "of the replicas, how many only decode",
    "link-gbps": "bandwidth from prefill to decode, GB/s",
    "link-latency": "seconds added to each transfer",
    "think": "seconds from an answer to the session's next turn; closes the loop",
    "model": "another model",
    "gpu": "another GPU",
    "tp": "GPUs of a replica",
}
"""What a line may say."""

_MOST = 64


@dataclass(frozen=True, slots=True)
class Line:
    """One policy as it was written.

    Attributes:
        name: what the report calls it.
        values: text by key, the name not among them.
    """

    name: str
    values: tuple[tuple[str, str], ...]

    def with_values(self, more: Iterable[tuple[str, str]]) -> "Line":
        """The same policy with other values, which its name says."""
        changed = tuple(more)
        said = " ".join(f"{key}={value}" for key, value in changed)
        return Line(f"{self.name} {said}", tuple((dict(self.values) | dict(changed)).items()))


DEFAULT_LINES = (
    Line("round robin", (("router", "round-robin"),)),
    Line("kv-aware", (("router", "kv"),)),
)
"""What is compared where nobody asks for anything: blind and cache-aware routing."""


def parse_line(text: str) -> Line:
    """A policy line; values with spaces stand in quotes.

    Raises:
        LlmopsError: ``serving-bad-policy``, ``serving-unknown-key``.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        raise _bad_policy(text, "a quote is never closed") from None
    pairs = [word.partition("=")[::2] for word in words]
    if not pairs or not all(key and value for key, value in pairs):
        raise _bad_policy(text, "it is no list of KEY=VALUE")
    keys = [_key(key) for key, _ in pairs]
    twice = next((key for key in keys if keys.count(key) > 1), "")
    if twice:
        raise _bad_policy(text, f"'{twice}' is said twice")
    values = dict(zip(keys, (value for _, value in pairs), strict=True))
    name = values.pop("name", " ".join(f"{key}={value}" for key, value in values.items()))
    return Line(name, tuple(values.items()))


def parse_sweep(text: str) -> tuple[str, tuple[str, ...]]:
    """``chunk=256,512,1024`` as the key and its values.

    Raises:
        LlmopsError: ``serving-bad-sweep``, ``serving-unknown-key``.
    """
    key, mark, values = text.partition("=")
    several = tuple(value.strip() for value in values.split(",") if value.strip())
    if not mark or not several or len(set(several)) < len(several):
        raise LlmopsError(
            "serving-bad-sweep",
            f"'{text}' is no KEY=VALUE,VALUE,…",
            hint="--sweep chunk=256,512,1024",
            exit_code=ExitCode.USAGE,
        )
    return _key(key), several


def swept(lines: Sequence[Line], sweeps: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[Line, ...]:
    """Every line with every combination of swept values.

    Raises:
        LlmopsError: ``serving-too-many`` for more policies than a report can hold,
            ``serving-same-name`` where two are called the same.
    """
    choices = [[(key, value) for value in values] for key, values in sweeps]
    found = tuple(
        line.with_values(chosen) if chosen else line
        for line in lines
        for chosen in product(*choices)
    )
    if len(found) > _MOST:
        raise LlmopsError(
            "serving-too-many",
            f"{len(found):,} policies are more than the {_MOST} of a comparison",
            hint="sweep fewer values at a time",
            exit_code=ExitCode.USAGE,
        )
    names = [line.name for line in found]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise LlmopsError(
            "serving-same-name",
            f"two policies are called '{twice}'",
            hint="give each a name of its own: name=…",
            exit_code=ExitCode.USAGE,
        )
    return found


def _key(text: str) -> str:
    key = text.strip().lower().replace("_", "-")
    if key in KEYS:
        return key
    near = get_close_matches(key, KEYS, n=1)
    raise LlmopsError(
        "serving-unknown-key",
        f"a policy has no '{text}'",
        hint=f"did you mean '{near[0]}'?" if near else f"one of {', '.join(KEYS)}",
        exit_code=ExitCode.USAGE,
    )


def _bad_policy(text: str, reason: str) -> LlmopsError:
    return LlmopsError(
        "serving-bad-policy",
        f"'{text}' is no policy: {reason}",
        hint='--policy "name=kv router=kv batching=chunked chunk=512"',
        exit_code=ExitCode.USAGE,
    )
