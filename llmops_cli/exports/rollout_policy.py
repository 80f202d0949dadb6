"""What a plan's policy asks of a target that decides by itself, and what of it that cannot do."""

from llmops_cli.rollout.model import Plan

__all__ = ["argo_policy", "flagger_policy", "no_copies"]


def no_copies(plan: Plan) -> list[str]:
    """What to say where a target serves no copies of requests, and the plan begins with them."""
    if plan.shadow is None:
        return []
    return [
        (
            f"The shadow stage is not in it: copy {plan.shadow.percent:g} % of requests to the new "
            "version in front of it, and begin with this file when `llmops check-rollout --stage "
            "shadow` says PROMOTE."
        )
    ]


def argo_policy(plan: Plan) -> list[str]:
    """What Argo Rollouts does otherwise than the policy says, a sentence each."""
    policy, said = plan.policy, list[str]()
    limited = any(stage.maximum_s is not None for stage in plan.stages)
    if limited and policy.at_maximum == "extend":
        said.append("A stage that ends undecided pauses for a person: Argo does not extend it.")
    if policy.no_data == "rollback":
        said.append(
            "A window without requests is forgiven: Argo cannot tell silence of "
            f"{policy.no_data_after_s / 3600:g} hours, after which the plan goes back, from a "
            "quiet hour."
        )
    if policy.consecutive_looks > 1:
        said.append(
            f"Harm must be found {policy.consecutive_looks} times in a row; failureLimit counts "
            "failed checks of a stage in all, with good ones between them."
        )
    if policy.on_harm == "pause":
        said.append(
            "The plan pauses on harm for a person to decide; a failed analysis of Argo goes back."
        )
    return [*no_copies(plan), *_boundaries(plan), *_gains(plan), *said, *_watch(plan)]


def flagger_policy(plan: Plan) -> list[str]:
    """The same of Flagger, whose own metrics are a net under the gates of check-rollout."""
    policy, said = plan.policy, list[str]()
    if policy.consecutive_looks > 1:
        said.append(
            f"Harm must be found {policy.consecutive_looks} times in a row; threshold counts "
            "failed checks of the whole rollout, with good ones between them."
        )
    if policy.on_harm == "pause":
        said.append("The plan pauses on harm for a person; Flagger's own metrics go back.")
    return [*no_copies(plan), *said, *_watch(plan)]


def _gains(plan: Plan) -> list[str]:
    return [
        f"The stage of {stage.percent:g} % goes on only with a gain of {stage.goal.guardrail} that "
        "is shown; here it goes on without: only `llmops check-rollout` asks for it."
        for stage in plan.stages
        if stage.goal is not None
    ]


def _boundaries(plan: Plan) -> list[str]:
    chosen, said = plan.boundaries, list[str]()
    if chosen.harm != "mixture":
        said.append(
            f"Harm is tested by a {chosen.harm.capitalize()} boundary over {chosen.harm_looks} "
            "looks by `llmops check-rollout` only."
        )
    if chosen.chances > 1:
        said.append(
            f"The plan may promote at {chosen.chances} looks of a stage; here only its end does."
        )
    return said


def _watch(plan: Plan) -> list[str]:
    if not plan.policy.watch_s:
        return []
    days = plan.policy.watch_s / 86_400
    return [
        (
            f"The watch of {days:g} days after 100 % is not in it: keep `llmops check-rollout "
            "--stage 100` running, and roll back by hand."
        )
    ]
