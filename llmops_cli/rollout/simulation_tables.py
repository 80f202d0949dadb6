"""The tables of a rehearsal: endings by change, the plan beside other rules, and by stage."""

import numpy as np

from llmops_cli.report import Column, Scalar, Table
from llmops_cli.rollout.rehearsal import DONE, HELD, OWN, WENT_BACK
from llmops_cli.rollout.simulation import AT_ONCE, Played, Simulation

__all__ = ["simulation_tables"]


def simulation_tables(found: Simulation) -> tuple[Table, ...]:
    """What the reader needs first comes first: two tables are shown without ``-v``."""
    return _endings(found), _rules(found), _stages(found), _deciding(found)


def _endings(found: Simulation) -> Table:
    return Table(
        name="changes",
        title="What becomes of each change",
        columns=(
            Column(name="change", label="change"),
            Column(name="went_back", label="goes back", unit="share"),
            Column(name="held", label="undecided", unit="share"),
            Column(name="done", label="reaches 100 %", unit="share"),
            Column(name="median_s", label="back after", unit="s"),
            Column(name="requests", label="requests exposed"),
            Column(name="users", label="users exposed"),
        ),
        rows=tuple(_ending(found, item, OWN) for item in found.played),
        note="back after: median of those that go back; exposed: mean on the new version until "
        "the rollout ends, goes back or stays undecided",
    )


def _ending(found: Simulation, item: Played, rule: str) -> tuple[Scalar, ...]:
    seen = item.outcomes[rule]
    back = seen.took[seen.ending == WENT_BACK]
    return (
        item.change.name,
        *(seen.count(ending) / seen.runs for ending in (WENT_BACK, HELD, DONE)),
        float(np.median(back)) * found.schedule.look_s if len(back) else None,
        round(float(seen.exposed.mean())),
        _users(found, item, rule),
    )


def _users(found: Simulation, item: Played, rule: str) -> int | None:
    if not found.unit:
        return None
    return round(float(item.users[rule][item.outcomes[rule].look].mean()))


def _rules(found: Simulation) -> Table:
    harmful = found.played[1:]
    return Table(
        name="rules",
        title="The same traffic judged otherwise",
        columns=(
            Column(name="rule", label="rule"),
            Column(name="false_rollback", label="harmless goes back", unit="share"),
            *(
                Column(name=f"went_back_{place + 1}", label=f"{item.change.name}", unit="share")
                for place, item in enumerate(harmful)
            ),
            Column(name="exposed", label="requests exposed"),
            Column(name="users", label="users exposed"),
            Column(name="back_after_s", label="back after", unit="s"),
        ),
        rows=tuple(_rule(found, rule) for rule in _ordered(found)),
        note="share that goes back; exposed and back after: means over the harmful changes. One "
        f"look per stage is a plan of fixed horizons; '{AT_ONCE}' holds the new version against "
        "the log for as long as the plan takes; naive peeking tests at alpha at every look; Argo's "
        "and Flagger's usual analyses see errors only",
    )


def _ordered(found: Simulation) -> list[str]:
    """The plan and what is done without one first."""
    first = [OWN, "one look per stage", "naive peeking", AT_ONCE]
    return first + [rule for rule in found.played[0].outcomes if rule not in first]


def _rule(found: Simulation, rule: str) -> tuple[Scalar, ...]:
    shares = [
        item.outcomes[rule].count(WENT_BACK) / item.outcomes[rule].runs for item in found.played
    ]
    harmful = [float(item.outcomes[rule].exposed.mean()) for item in found.played[1:]]
    if not harmful:
        return (rule, *shares, None, None, None)
    users = [_users(found, item, rule) for item in found.played[1:]]
    met = [count for count in users if count is not None]
    return (
        rule,
        *shares,
        round(sum(harmful) / len(harmful)),
        round(sum(met) / len(met)) if met else None,
        _back_after(found, rule),
    )


def _back_after(found: Simulation, rule: str) -> float | None:
    """Mean time to go back, of harmful rollouts that do."""
    took = np.concatenate([
        item.outcomes[rule].took[item.outcomes[rule].ending == WENT_BACK]
        for item in found.played[1:]
    ])  # fmt: skip
    return float(took.mean()) * found.schedule.look_s if len(took) else None


def _stages(found: Simulation) -> Table:
    return Table(
        name="stages",
        title="Share of rollouts that go back in each stage",
        columns=(
            Column(name="percent", label="stage, %"),
            *(
                Column(name=f"went_back_{place}", label=item.change.name, unit="share")
                for place, item in enumerate(found.played)
            ),
        ),
        rows=tuple(
            (
                "shadow" if stage.shadow else 100 * stage.share,
                *(
                    item.outcomes[OWN].count(WENT_BACK, index) / item.outcomes[OWN].runs
                    for item in found.played
                ),
            )
            for index, stage in enumerate(found.schedule.stages)
        ),
    )


def _deciding(found: Simulation) -> Table:
    names = [guardrail.name for guardrail in found.plan.guardrails]
    rows = list[tuple[Scalar, ...]]()
    for item in found.played:
        seen = item.outcomes[OWN]
        by = np.bincount(seen.guardrail[seen.ending == WENT_BACK], minlength=len(names))
        rows.append((item.change.name, *(int(count) / seen.runs for count in by)))
    return Table(
        name="deciding",
        title="Share of rollouts that each guardrail sends back",
        columns=(
            Column(name="change", label="change"),
            *(Column(name=name, label=name, unit="share") for name in names),
        ),
        rows=tuple(rows),
    )
