"""What replay says: what a run would cost, and what it came to."""

from typing import TYPE_CHECKING, Any

from llmops_cli.cli.show import counted
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Check, Explanation, Measure, Report, Verdict
from llmops_cli.views.numbers import amount

if TYPE_CHECKING:
    from llmops_cli.cli.replay_run import Plan
    from llmops_cli.live import ReplayOutcome

__all__ = ["estimate", "provider_failed", "summary"]

_TITLE = "Logged prompts asked again"


def estimate(plan: "Plan", **common: Any) -> Report:
    """The cost of asking, before anything is asked; at the first of the chain.

    Args:
        plan: prompts, targets and prices.
        common: inputs, parameters and findings of the report.
    """
    import msgspec

    from llmops_cli.live import Usage
    from llmops_cli.live.estimates import BYTES_PER_TOKEN

    api, price = plan.targets[0][0], plan.prices[0]
    sizes = [len(msgspec.json.encode(item.bodies[api])) for item in plan.prompts]
    most = plan.settings.max_output_tokens
    usages = [Usage(-(-size // BYTES_PER_TOKEN), most) for size in sizes]
    usd = None if price is None else sum(map(price, usages))
    said = "at a price nobody knows" if usd is None else f"for at most about {amount(usd, 'usd')}"
    rule = f"input tokens = bytes / {BYTES_PER_TOKEN}; {most} output tokens each"
    return Report(
        command="replay",
        title=_TITLE,
        headline=f"{counted(len(usages), 'prompt')} would be asked {said}; nothing was sent.",
        measures=(
            Measure(name="prompts", value=len(usages), unit="count"),
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
        ),
        **common,
    )  # fmt: skip


def summary(outcome: "ReplayOutcome", cap_usd: float, **common: Any) -> Report:
    """What a run came to; inconclusive where the cap ended it with prompts left."""
    done = outcome.prompts - outcome.left
    measure = Measure(name="answered", value=done, unit="count", n=outcome.prompts)
    return Report(
        command="replay",
        title=_TITLE,
        headline=f"{done:,} of {counted(outcome.prompts, 'prompt')} have an answer for "
        f"{amount(outcome.spent_usd, 'usd')}.",
        measures=(
            measure,
            Measure(name="answered_before", value=outcome.before, unit="count"),
            Measure(name="moved", value=outcome.moved, unit="count",
                    label="answered by a fallback"),
            Measure(name="failed", value=outcome.failed, unit="count"),
            Measure(name="requests", value=outcome.requests, unit="count",
                    label="requests sent by this run"),
            Measure(name="spent_usd", value=outcome.spent_usd, unit="usd",
                    label="spent by all runs into this file"),
        ),
        checks=(_all_answered(outcome, measure, cap_usd),),
        **common,
    )  # fmt: skip


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
        hint="--resume asks again for what is left; what was answered is kept",
        exit_code=ExitCode.PROVIDER,
    )
