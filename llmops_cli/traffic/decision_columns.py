"""Which column of a file holds what: named by the user, or one of the documented names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from llmops_cli.errors import LlmopsError

__all__ = [
    "LABEL_COLUMNS",
    "NAMES",
    "OUTCOME_COLUMNS",
    "TEXT_COLUMNS",
    "Places",
    "places",
    "tier_places",
]

LABEL_COLUMNS = ("judge", "gold", "judge_swapped")
OUTCOME_COLUMNS = ("weak_correct", "strong_correct")
TEXT_COLUMNS = ("id", "cluster", "task", "labeller", "judge_model")
AMOUNT_COLUMNS = (
    "weak_cost_usd", "strong_cost_usd", "judge_cost_usd",
    "weak_latency_s", "strong_latency_s", "judge_latency_s",
    "length", "length_a", "length_b",
)  # fmt: skip

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "request_id", "decision_id"),
    "cluster": ("cluster", "cluster_id", "conversation_id"),
    "task": ("task", "task_class"),
    "labeller": ("labeller", "annotator"),
    "judge_model": ("judge_model",),
    "judge": ("judge", "verdict"),
    "gold": ("gold", "ground_truth", "human"),
    "judge_swapped": ("judge_swapped",),
    "weak_correct": ("weak_correct",),
    "strong_correct": ("strong_correct",),
    "confidence": ("confidence", "judge_confidence"),
    "score": ("score", "judge_score"),
    "timestamp": ("timestamp", "created_at"),
    "propensity": ("propensity",),
    **{name: (name,) for name in AMOUNT_COLUMNS},
}
"""What a column may be called where nobody names it; the first is the documented name."""

_REPEAT = re.compile(r"judge_(\d+)")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the columns of one file are.

    Attributes:
        at: position by our name, repeats of the verdict (``judge_2`` …) among them.
        others: names and positions of the columns we do not know.
    """

    at: dict[str, int]
    others: dict[str, int]


def places(header: Sequence[str], names: Mapping[str, str], file: str) -> Places:
    """Find every column of ours in a header.

    Args:
        header: the file's own names.
        names: the file's own names of our columns, where the user gives them.
        file: for the errors.

    Raises:
        LlmopsError: ``decisions-missing-column``, ``decisions-repeated-column`` and
            ``decisions-ambiguous-column`` (two columns that could be meant).
    """
    at: dict[str, int] = {}
    for ours, known in NAMES.items():
        theirs = _named(ours, names[ours], header, file) if ours in names else ""
        found = [theirs] if theirs else [name for name in known if name in header]
        if len(found) > 1:
            raise _ambiguous(ours, found, file)
        if found:
            at[ours] = _only(ours, found[0], header, file)
    used = {header[place] for place in at.values()}
    repeats = sorted((int(match[1]), name) for name in header if (match := _REPEAT.fullmatch(name)))
    at |= {name: _only(name, name, header, file) for _, name in repeats if name not in used}
    at |= _priced(at, header)
    taken = set(at.values())
    others = {name: place for place, name in enumerate(header) if place not in taken}
    _enough(at, others, header, file)
    return Places(at, others)


def tier_places(others: Mapping[str, int], tiers: Sequence[str]) -> dict[str, int]:
    """Columns of what each tier's model got right and cost; none unless all tiers have theirs.

    A tier's outcome is ``small_correct`` or ``small``, its cost ``small_cost_usd`` or, as
    RouterBench writes it, ``small|total_cost``. Ours are ``tier_0_correct`` and
    ``tier_0_cost_usd``, by code.

    Args:
        others: names and positions of the columns that are nothing else.
        tiers: names of the tiers by code.
    """
    found: dict[str, int] = {}
    for part, spellings in _OF_TIER.items():
        named = [
            next(
                (
                    place
                    for name in spellings
                    if (place := others.get(name.format(tier))) is not None
                ),
                None,
            )
            for tier in tiers
        ]
        if None not in named:
            found |= {
                f"tier_{code}_{part}": place
                for code, place in enumerate(named)
                if place is not None
            }
    # Costs alone compare nothing.
    return found if any(name.endswith("_correct") for name in found) else {}


_OF_TIER: Mapping[str, tuple[str, ...]] = {
    "correct": ("{}_correct", "{}"),
    "cost_usd": ("{}_cost_usd", "{}|total_cost"),
}


def _priced(at: Mapping[str, int], header: Sequence[str]) -> dict[str, int]:
    """Cost columns of the two models in a wide table of outcomes, as RouterBench writes it."""
    found: dict[str, int] = {}
    for side in ("weak", "strong"):
        cost, outcome = f"{side}_cost_usd", at.get(f"{side}_correct")
        if cost not in at and outcome is not None and f"{header[outcome]}|total_cost" in header:
            found[cost] = header.index(f"{header[outcome]}|total_cost")
    return found


def _named(ours: str, theirs: str, header: Sequence[str], file: str) -> str:
    if theirs in header:
        return theirs
    near = get_close_matches(theirs, header, n=1)
    raise LlmopsError(
        "decisions-missing-column",
        f"'{theirs}' is not among its columns",
        hint=f"did you mean '{near[0]}'?" if near else f"it has {_listed(header)}",
        file=file,
        line=1,
        field=ours,
    )


def _ambiguous(ours: str, found: Sequence[str], file: str) -> LlmopsError:
    option = f"--{_OPTIONS.get(ours, ours)} {found[0]}"
    return LlmopsError(
        "decisions-ambiguous-column",
        f"'{ours}' could be {' or '.join(found)}",
        hint=f"say which: {option}" if ours in _OPTIONS else "rename the one that is not meant",
        file=file,
        line=1,
        field=ours,
    )


_OPTIONS = {
    "judge": "judge", "gold": "gold", "cluster": "cluster", "task": "task",
    "confidence": "confidence", "score": "score", "propensity": "propensity",
    "weak_correct": "weak", "strong_correct": "strong",
}  # fmt: skip


def _only(ours: str, theirs: str, header: Sequence[str], file: str) -> int:
    if header.count(theirs) > 1:
        raise LlmopsError(
            "decisions-repeated-column",
            f"two of its columns are called '{theirs}'",
            hint="rename the one that is not meant",
            file=file,
            line=1,
            field=ours,
        )
    return header.index(theirs)


def _enough(
    at: Mapping[str, int], others: Mapping[str, int], header: Sequence[str], file: str
) -> None:
    said = "judge" in at or "score" in at
    paired = {"weak_correct", "strong_correct"} <= at.keys()
    outcomes = sum(name.endswith(("_correct", "|total_cost")) for name in others)
    if paired or (said and ("gold" in at or "weak_correct" in at or outcomes > 1)):
        return
    absent = "gold" if said else "judge"
    raise LlmopsError(
        "decisions-missing-column",
        f"'{absent}' is not among its columns",
        hint=_where_is(absent, header, others),
        file=file,
        line=1,
        field=absent,
    )


def _where_is(absent: str, header: Sequence[str], others: Mapping[str, int]) -> str:
    near = get_close_matches(absent, list(others), n=1, cutoff=0.5)
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        return "its fields are not separated by commas; write it as CSV"
    if near:
        return f"name it: --{absent} {near[0]}"
    return (
        f"name the column that holds it with --{absent}, or the outcomes of two models with "
        f"--weak and --strong, or of tiers with --tiers; it has {_listed(header)}"
    )


def _listed(header: Sequence[str], most: int = 12) -> str:
    more = len(header) - most
    return ", ".join(header[:most]) + (f" and {more} more" if more > 0 else "")
