"""How the rehearsal works, with the reader's own numbers."""

from collections.abc import Iterator

from llmops_cli.report import Explanation
from llmops_cli.rollout.harm import EARLY, LEAST_EVENTS
from llmops_cli.rollout.model import Plan
from llmops_cli.rollout.sample_ratio import RATIO_ALPHA
from llmops_cli.rollout.scenario import RehearsalParameters
from llmops_cli.rollout.simulation import Simulation

__all__ = ["explanations"]


def explanations(found: Simulation, given: RehearsalParameters) -> tuple[Explanation, ...]:
    """The replay, the boundary of harm, and going on."""
    return _replay(found, given), _harm(found), _going_on(found), _ratio(found)


def _replay(found: Simulation, given: RehearsalParameters) -> Explanation:
    return Explanation(
        of="runs",
        formula="arm = share x groups of users, drawn from the log with replacement, anew for "
        "each stage and each pass of the log",
        numbers=(
            ("runs", given.runs),
            ("calls in the log", found.calls),
            ("groups of users", found.groups),
            ("looks in one pass of the log", len(found.schedule.arrivals)),
            ("looks of the whole plan", found.schedule.looks),
            ("seconds between looks", found.schedule.look_s),
        ),
        assumptions=(
            "traffic repeats the log from its start, hours of the day and bursts included",
            "a user stays in one arm as long as a pass of the log lasts",
            "every stage begins at its planned hour",
            "a change makes exactly as many requests of the log worse as it says",
            "hours of the log differ by what chance does not explain, and no more",
            *(
                ("in the shadow stage some users' requests are served by both versions",)
                if found.plan.shadow
                else ()
            ),
        ),
        source="bootstrap of whole clusters: Davison and Hinkley 1997, section 3.8",
    )


def _harm(found: Simulation) -> Explanation:
    plan = found.plan
    share = plan.harm_alpha
    return Explanation(
        of="going back",
        formula="z = harm / sqrt(V x design effect / n); back when "
        "z >= sqrt(2 (n r + 1) / (n r) ln(1 + sqrt(n r + 1) / (2 a))), "
        "n = 1 / (1/n_new + 1/n_old)",
        numbers=(
            ("alpha", plan.alpha),
            ("stages", len(plan.stages)),
            ("guardrails", len(plan.guardrails)),
            ("a = 0.8 alpha / stages / guardrails", (1 - EARLY) * share),
            ("least bad requests expected, times the design effect", LEAST_EVENTS),
        ),
        assumptions=(
            "holds however often one looks; r makes it tightest at the end of the stage",
            "each stage starts anew: a harm that begins later is not thinned by what was before",
            "V is that of both versions together, and not below the plan's",
            "where few bad requests are expected: exact binomial laws, for the rest of the risk",
            *_policy(plan),
        ),
        source="Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021; Waudby-Smith et al. 2024",
    )


def _policy(plan: Plan) -> Iterator[str]:
    """What the plan's policy changes in this."""
    policy, chosen = plan.policy, plan.boundaries
    if chosen.harm != "mixture":
        yield (
            f"instead of it four fifths of the risk by a {chosen.harm.capitalize()} boundary over "
            f"{chosen.harm_looks} looks"
        )
    if policy.consecutive_looks > 1:
        yield f"harm must be found at {policy.consecutive_looks} looks in a row"
    if policy.on_harm == "pause":
        yield "the plan pauses on harm: that counts as going back, a person takes it from there"
    if policy.at_maximum == "abort" and any(s.maximum_s is not None for s in plan.stages):
        yield "a stage that is undecided at its end goes back"


def _going_on(found: Simulation) -> Explanation:
    return Explanation(
        of="going on",
        formula="margin - harm >= z_a sqrt(design effect (V1 / n_new + V0 / n_old)) for every "
        "guardrail at the end of the stage",
        numbers=(("a = alpha / stages", found.plan.alpha_per_stage),),
        assumptions=(
            "one look decides to go on; what is neither shown harmless nor harmful is held",
            "every guardrail must be shown, so its alpha is not shared among them",
            *_chances(found.plan),
        ),
        source="non-inferiority; intersection-union test: Berger 1982",
    )


def _chances(plan: Plan) -> Iterator[str]:
    """Where a stage may end early."""
    if plan.boundaries.chances > 1:
        kind = plan.boundaries.benefit
        yield f"not one look but {plan.boundaries.chances} decide, by the boundary of {kind}"


def _ratio(found: Simulation) -> Explanation:
    staged = sum(stage.share < 1 for stage in found.schedule.stages)
    return Explanation(
        of="false alarm of the split",
        formula="|users on the new version - share x users| / sqrt(users share (1 - share)) over "
        "the two-sided mixture boundary",
        numbers=(("risk over the rollout", RATIO_ALPHA), ("stages with a control", staged)),
        assumptions=("each user is assigned once, when the stage first sees them",),
        source="sample ratio mismatch: Fabijan et al. 2019; boundary: Robbins 1970",
    )
