"""What replay says: what a run would cost, and what it came to."""

from typing import TYPE_CHECKING, Any

from llmops_cli.cli.otlp_option import not_exported
from llmops_cli.cli.replay_prompts import who_can
from llmops_cli.cli.show import counted
from llmops_cli.cli.spend_reports import interrupted, spend
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Check, Explanation, Finding, Measure, Report, Verdict
from llmops_cli.views.numbers import amount

if TYPE_CHECKING:
    from llmops_cli.cli.replay_run import Plan
    from llmops_cli.live import Prompted, ReplayOutcome

__all__ = ["estimate", "provider_failed", "summary"]

_TITLE = "Logged prompts asked again"


def estimate(plan: "Plan", prompts: "list[Prompted]", **common: Any) -> Report:
    """The cost of asking, before anything is asked; each at the first that can take it.

    Args:
        plan: targets and prices.
        prompts: that would be sent.
        common: inputs, parameters and findings of the report.
    """
    import msgspec

    from llmops_cli.live import Usage
    from llmops_cli.live.estimates import BYTES_PER_TOKEN

    chain, most = plan.chain, plan.settings.max_output_tokens
    usages: list[Usage] = []
    usd: float | None = 0.0
    for item in prompts:
        first = item.places[0]
        size = len(msgspec.json.encode(item.bodies[chain.deployments[first].provider]))
        usages.append(Usage(-(-size // BYTES_PER_TOKEN), most))
        price = chain.prices[first]
        usd = None if usd is None or price is None else usd + price(usages[-1])
    said = "at a price nobody knows" if usd is None else f"for at most about {amount(usd, 'usd')}"
    rule = f"input tokens = bytes / {BYTES_PER_TOKEN}; {most} output tokens each"
    return Report(
        command="replay",
        title=_TITLE,
        headline=f"{counted(len(usages), 'prompt')} would be asked {said}; nothing was sent.",
        measures=(
            Measure(name="prompts", value=len(usages), unit="count"),
            _shortened(plan),
            Measure(name="input_tokens", value=sum(u.input_tokens for u in usages), unit="tokens",
                    method=rule),
            Measure(name="cost_usd", value=usd, unit="usd", label="estimated cost", method=rule),
        ),
        explanations=(
            Explanation(
                of="estimated cost",
                formula="sum over prompts of bytes / 4 x input price + most output x output price",
                numbers=(("prompts", len(usages)), ("most output tokens", most)),
                assumptions=(rule, "nothing fails, and nothing is read from a cache"),
                source="the installed price book",
            ),
            who_can(chain),
        ),
        **common,
    )  # fmt: skip


def summary(outcome: "ReplayOutcome", plan: "Plan", **common: Any) -> Report:
    """What a run came to; inconclusive where the cap ended it with prompts left."""
    findings: tuple[Finding, ...] = common.pop("findings", ())
    done = outcome.prompts - outcome.left
    measure = Measure(name="answered", value=done, unit="count", n=outcome.prompts)
    return Report(
        command="replay",
        title=_TITLE,
        headline=f"{done:,} of {counted(outcome.prompts, 'prompt')} have an answer"
        f"{_how(outcome)}.",
        measures=(
            measure,
            Measure(name="answered_before", value=outcome.before, unit="count"),
            Measure(name="played", value=outcome.played, unit="count",
                    label="played from the cassette"),
            Measure(name="moved", value=outcome.moved, unit="count",
                    label="answered by a fallback"),
            _shortened(plan),
            Measure(name="failed", value=outcome.failed, unit="count"),
            Measure(name="requests", value=outcome.requests, unit="count",
                    label="requests sent by this run"),
            Measure(name="spent_usd", value=outcome.spent_usd, unit="usd",
                    label="spent by all runs into this file"),
        ),
        checks=(_all_answered(outcome, measure, plan.cap_usd),),
        explanations=(spend(outcome, plan.cap_usd), *_playing(outcome), who_can(plan.chain)),
        findings=(*findings, *interrupted(outcome), *not_exported(outcome.exported)),
        **common,
    )  # fmt: skip


def _shortened(plan: "Plan") -> Measure:
    label = "prompts for a part of the chain only"
    return Measure(name="shortened", value=plan.shortened, unit="count", label=label)


def _how(outcome: "ReplayOutcome") -> str:
    if not outcome.played:
        return f" for {amount(outcome.spent_usd, 'usd')}"
    if not outcome.requests and not outcome.spent_usd:
        return ", played from the cassette; nothing was sent and nothing spent"
    spent = amount(outcome.spent_usd, "usd")
    return f" for {spent}, {outcome.played:,} of them played from the cassette for nothing"


def _playing(outcome: "ReplayOutcome") -> tuple[Explanation, ...]:
    if not outcome.played:
        return ()
    return (
        Explanation(
            of="answers played from the cassette",
            formula="the recorded attempts of each prompt, in the order they were recorded in",
            numbers=(
                ("played", outcome.played),
                ("usd they cost when they were recorded", outcome.played_usd),
            ),
            assumptions=(
                "a prompt is played where its call id and all that would be sent are the same",
                "times, ids and charges in the spans are those of the recording",
            ),
            source="the cassette",
        ),
    )


def _all_answered(outcome: "ReplayOutcome", measure: Measure, cap_usd: float) -> Check:
    name = "every prompt is answered"
    if not outcome.left:
        return Check.at_least(name, measure, outcome.prompts)
    return Check(
        name=name,
        measure=measure,
        on="value",
        op=">=",
        bound=outcome.prompts,
        verdict=Verdict.INCONCLUSIVE,
        reason=f"the cap of {amount(cap_usd, 'usd')} leaves some of them unasked",
        needed="--resume with a larger --max-usd asks the others",
    )


def provider_failed(outcome: "ReplayOutcome") -> LlmopsError:
    """Why a run ended with prompts that nobody answered."""
    why = "no reason" if outcome.failure is None else outcome.failure.words
    return LlmopsError(
        "provider-failed",
        f"{counted(outcome.failed, 'prompt')} got no answer, the last with {why}; "
        f"{outcome.prompts - outcome.left:,} of {outcome.prompts:,} are answered",
        hint="--resume asks again for what is left; what was answered is kept"
        if outcome.requests
        else "nobody had answered when the cassette was recorded: --record-mode new_episodes",
        exit_code=ExitCode.PROVIDER,
    )
