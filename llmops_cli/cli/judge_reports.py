"""What judge-collect says: what a run would cost, and what it came to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmops_cli.cli.otlp_option import not_exported
from llmops_cli.cli.show import counted
from llmops_cli.cli.spend_reports import interrupted, spend
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Check, Explanation, Finding, Measure, Report, Verdict
from llmops_cli.views.numbers import amount

if TYPE_CHECKING:
    from llmops_cli.live import Outcome, Row, Settings
    from llmops_cli.live.estimates import Price

__all__ = ["estimate", "no_price", "provider_failed", "summary"]

_TITLE = "Verdicts of a judge"


def estimate(
    rows: "Sequence[Row]", settings: "Settings", price: "Price | None", **common: Any
) -> Report:
    """The cost of asking these rows, before any is asked.

    Args:
        rows: without a verdict.
        settings: how they would be judged.
        price: of tokens.
        common: inputs, parameters and findings of the report.
    """
    from llmops_cli.live.estimates import BYTES_PER_TOKEN, EXPECTED_OUTPUT_TOKENS, expected_usage

    usages = [
        expected_usage(settings.request(row, order)) for row in rows for order in settings.orders
    ]
    tokens = sum(usage.input_tokens for usage in usages)
    usd = None if price is None else sum(map(price, usages))
    said = "at a price nobody knows" if usd is None else f"for about {amount(usd, 'usd')}"
    rule = f"input tokens = bytes / {BYTES_PER_TOKEN}; {EXPECTED_OUTPUT_TOKENS} output tokens each"
    return Report(
        command="judge-collect",
        title=_TITLE,
        headline=f"{counted(len(usages), 'call')} would judge {counted(len(rows), 'row')} {said}; "
        "nothing was sent.",
        measures=(
            Measure(name="rows", value=len(rows), unit="count"),
            Measure(name="calls", value=len(usages), unit="count", label="calls, both orders"),
            Measure(name="input_tokens", value=tokens, unit="tokens", method=rule),
            Measure(name="cost_usd", value=usd, unit="usd", label="estimated cost", method=rule),
        ),
        explanations=(
            Explanation(
                of="estimated cost",
                formula="sum over calls of bytes / 4 x input price + output tokens x output price",
                numbers=(("calls", len(usages)), ("input tokens", tokens)),
                assumptions=(rule, "no retries; a model that reasons writes more"),
                source="the installed price book",
            ),
        ),
        **common,
    )


def summary(outcome: "Outcome", cap_usd: float, *, priced: bool, **common: Any) -> Report:
    """What a run came to; inconclusive where the cap ended it with rows left."""
    findings: tuple[Finding, ...] = common.pop("findings", ())
    judged = outcome.rows - outcome.left
    measure = Measure(name="rows_judged", value=judged, unit="count", n=outcome.rows)
    spent = outcome.spent_usd if priced else None
    said = "" if spent is None else f" for {amount(spent, 'usd')}"
    return Report(
        command="judge-collect",
        title=_TITLE,
        headline=f"{judged:,} of {counted(outcome.rows, 'row')} have a verdict{said}.",
        measures=(
            measure,
            Measure(name="judged_before", value=outcome.before, unit="count"),
            Measure(name="unparsable", value=outcome.unparsable, unit="count",
                    label="answers without a verdict in them"),
            Measure(name="played", value=outcome.played, unit="count",
                    label="calls played from the cassette"),
            Measure(name="requests", value=outcome.requests, unit="count",
                    label="requests sent by this run"),
            Measure(name="spent_usd", value=spent, unit="usd", label="spent, all runs"),
        ),
        checks=(_all_judged(outcome, measure, cap_usd),),
        explanations=(spend(outcome, cap_usd),) if priced else (),
        findings=(*findings, *interrupted(outcome), *not_exported(outcome.exported)),
        **common,
    )  # fmt: skip


def _all_judged(outcome: "Outcome", measure: Measure, cap_usd: float) -> Check:
    if not outcome.left:
        return Check.at_least("all rows judged", measure, outcome.rows)
    return Check(
        name="all rows judged",
        measure=measure,
        on="value",
        op=">=",
        bound=outcome.rows,
        verdict=Verdict.INCONCLUSIVE,
        reason=f"{counted(outcome.left, 'row')} left: one more call might exceed "
        f"the cap of {amount(cap_usd, 'usd')}",
        needed=_needed(outcome),
    )


def _needed(outcome: "Outcome") -> str:
    judged = outcome.rows - outcome.left
    if not judged:
        return "a higher --max-usd, with --resume"
    total = outcome.spent_usd * outcome.rows / judged
    return f"about {amount(total, 'usd')} for all rows: a higher --max-usd, with --resume"


def provider_failed(outcome: "Outcome") -> LlmopsError:
    """Why a run ended with rows that nobody answered."""
    last = outcome.failure.words if outcome.failure is not None else "no answer"
    return LlmopsError(
        "provider-failed",
        f"{counted(outcome.failed, 'row')} got no answer, the last with {last}; "
        f"{outcome.rows - outcome.left:,} of {outcome.rows:,} have a verdict",
        hint=_HINTS.get(outcome.failure.status if outcome.failure else None, _AGAIN),
        exit_code=ExitCode.PROVIDER,
    )


_AGAIN = "--resume asks again for what is left; what was answered is kept"
_HINTS: dict[int | None, str] = {
    400: "the request is not understood: does this model take JSON schemas? try --no-structured",
    401: "the key is not accepted",
    403: "the key may not use this model",
    404: "is --judge-model spelled as the provider does, and --base-url right?",
}


def no_price(model: str) -> Finding:
    """That spend is not counted."""
    return Finding(
        slug="price-unknown",
        severity="warning",
        message=f"no price is known for '{model}': spend is not counted, and there is no cap",
        hint="--price-as MODEL counts it as another model",
    )
