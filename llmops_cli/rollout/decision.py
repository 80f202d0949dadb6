"""PROMOTE, HOLD or ROLLBACK at every look of a stage: shared by rehearsal and real looks.

Pure functions of evidence: harm is tested at every look against a boundary that holds over all
of them; promotion needs every guardrail shown better than its margin at a look that may promote.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.boundaries import promotion_limits
from llmops_cli.rollout.evidence import Arms
from llmops_cli.rollout.harm import rule_evidence
from llmops_cli.rollout.model import Guardrail
from llmops_cli.rollout.rule import Rule

__all__ = [
    "Decisions",
    "Verdicts",
    "combined",
    "confirmed",
    "decide",
    "in_a_row",
]

Floats = npt.NDArray[np.float64]


class Verdicts(IntEnum):
    """What a look says."""

    HOLD = 0
    PROMOTE = 1
    ROLLBACK = 2


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """Per run and look.

    Attributes:
        verdict: ``(..., T)`` of :class:`Verdicts`.
        guardrail: ``(..., T)`` index of the one that decided or is furthest from deciding.
        evidence: ``(G, ..., T)`` harm over its limit: 1 or more rolls back.
        room: ``(G, ..., T)`` standard errors below the margin less those needed: 0 or more goes on.
    """

    verdict: npt.NDArray[np.int8]
    guardrail: npt.NDArray[np.int8]
    evidence: Floats
    room: Floats


def decide(
    seen: Sequence[Arms], guardrails: Sequence[Guardrail], expected: Sequence[Floats], rule: Rule
) -> Decisions:
    """Decide at every look of one stage.

    Args:
        seen: per guardrail what had been seen at each look of this stage, ``(..., T)``.
        guardrails: what must not get worse, in the same order.
        expected: per guardrail ``(T,)`` information expected at the looks.
        rule: boundaries and risks.
    """
    harms, rooms = list[Floats](), list[Floats]()
    for place, (arms, guardrail) in enumerate(zip(seen, guardrails, strict=True)):
        room, planned = arms.room(guardrail), expected[place]
        if place == rule.goal:
            room = np.minimum(room, -arms.evidence_of_harm(guardrail))
        harms.append(rule_evidence(arms, guardrail, planned, rule))
        rooms.append(_short_of(room, planned, rule))
    tested = rule.promote_alpha is not None
    return combined(np.stack(harms), np.stack(rooms), tested=tested, consecutive=rule.consecutive)


def combined(harm: Floats, room: Floats, *, tested: bool = True, consecutive: int = 1) -> Decisions:
    """One verdict of many guardrails.

    Args:
        harm: ``(G, ..., T)`` evidence of harm; 1 or more goes back.
        room: ``(G, ..., T)`` what is left of the margin; 0 or more goes on.
        tested: whether going on was tested at all.
        consecutive: looks in a row that must find harm in the same guardrail.
    """
    back = harm >= 1
    if tested:
        # Worse, but by less than the user minds, is no reason to go back.
        back &= room < 0
    back = in_a_row(back, consecutive)
    verdict = np.where(
        back.any(axis=0),
        Verdicts.ROLLBACK,
        np.where((room >= 0).all(axis=0), Verdicts.PROMOTE, Verdicts.HOLD),
    ).astype(np.int8)
    deciding = np.where(
        back.any(axis=0), np.where(back, harm, -1).argmax(axis=0), room.argmin(axis=0)
    )
    return Decisions(verdict, deciding.astype(np.int8), harm, room)


def confirmed(
    harm: Floats, room: Floats, active: npt.NDArray[np.bool_], consecutive: int
) -> Decisions:
    """As :func:`combined`, for ``(G, T)``: a look that brought nothing new confirms no harm."""
    every = combined(harm, room)
    if consecutive == 1:
        return every
    looks = np.flatnonzero(active)
    some = combined(harm[:, looks], room[:, looks], consecutive=consecutive)
    # Going on needs no confirmation; harm that is not confirmed yet holds.
    verdict = np.where(every.verdict == Verdicts.ROLLBACK, Verdicts.HOLD, every.verdict)
    verdict[looks] = some.verdict
    deciding = every.guardrail.copy()
    deciding[looks] = some.guardrail
    return Decisions(verdict.astype(np.int8), deciding, harm, room)


def in_a_row(found: npt.NDArray[np.bool_], consecutive: int) -> npt.NDArray[np.bool_]:
    """Looks, ``(..., T)``, at which something was found for so many looks in a row."""
    kept = found.copy()
    for shift in range(1, min(consecutive, found.shape[-1] + 1)):
        kept[..., shift:] &= found[..., :-shift] if shift < found.shape[-1] else False
        kept[..., :shift] = False
    return kept


def _short_of(room: Floats, expected: Floats, rule: Rule) -> Floats:
    if rule.promote_alpha is None:
        last = np.full(room.shape[-1], -np.inf)
        last[-1] = 0.0
        return np.broadcast_to(last, room.shape)
    looks, kind = rule.promotion_looks, rule.benefit
    return room - promotion_limits(expected, rule.promote_alpha, looks, kind)
