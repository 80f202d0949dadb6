"""What the reader of an estimate must know about the log before believing it."""

from llmops_cli.cache.estimate import Estimate
from llmops_cli.cache.model import AS_LOGGED
from llmops_cli.report import Finding

__all__ = ["own_findings"]

_FAR = 0.05

_FIELDS = {
    "cache-duplicate-calls": "call_id",
    "cache-no-time": "start_time",
    "cache-no-model": "request_model",
    "cache-too-many-breakpoints": "block_markers",
    "cache-lifetime-order": "block_markers",
    "cache-automatic-conflict": "automatic_cache",
    "cache-marker-on-thinking": "block_markers",
}
# The column that shows why a call is left out.


def own_findings(figures: Estimate) -> tuple[Finding, ...]:
    """Exclusions first, then what was assumed where the log is silent."""
    left_out = tuple(
        Finding(
            slug=item.slug,
            severity="note" if item.slug == "cache-failed-calls" else "warning",
            message=f"calls that {item.message} are not replayed",
            file=item.file,
            line=item.line,
            field=_FIELDS.get(item.slug, ""),
            count=item.count,
        )
        for item in figures.exclusions
    )
    return (*left_out, *_assumed(figures), *_disagreement(figures))


def _assumed(figures: Estimate) -> list[Finding]:
    facts, given = figures.facts, figures.given
    said: list[tuple[str, int, str, str]] = [
        (
            "cache-tokens-estimated",
            facts["estimated"],
            "calls carry no usage: their tokens come from a rule of thumb, and so do the USD",
            "log the response's usage to get exact figures",
        ),
        (
            "cache-no-conversation",
            facts["unnamed"],
            "calls name no conversation: those with the same opening count as one",
            "log conversation_id for a sharper interval",
        ),
        (
            "cache-no-response-time",
            facts["untimed"],
            (
                "calls log no response time: their entries are readable "
                f"{given.visible_after_s:g} s after the start"
            ),
            "log ttft_s or duration_s",
        ),
        (
            "cache-batch",
            facts["batch"],
            "calls ran in batches, where hits are best effort (R19): the replay is optimistic",
            "Anthropic reports hit rates of 30 % to 98 % in batches",
        ),
        (
            "cache-untiered",
            figures.prices.untiered,
            "calls ran in a service tier without a published price: priced as standard",
            "",
        ),
    ]
    findings = [
        Finding(slug=slug, severity="warning", message=message, hint=hint, count=count)
        for slug, count, message, hint in said
        if count
    ]
    if given.baseline_policy not in {"", figures.target}:
        findings.append(
            Finding(
                slug="cache-other-policy",
                severity="warning",
                message=f"the baseline is the saving of '{given.baseline_policy}', this one of "
                f"'{figures.target}': the regression is partly that of the policy",
                hint=f"judge the same one: --policy {given.baseline_policy}",
            )
        )
    if given.price_as:
        findings.append(
            Finding(
                slug="cache-priced-as",
                severity="note",
                message=f"every call is replayed and priced as {given.price_as}; token counts "
                "stay those of the model that served it",
            )
        )
    return findings


def _disagreement(figures: Estimate) -> list[Finding]:
    billed, logged = figures.billed, figures.outcomes[AS_LOGGED]
    if billed is None or not billed.input_tokens:
        return []
    reads = int(billed.tokens[:, 1].sum())
    expected = int(logged.tokens[:, 1].sum())
    share = (expected - reads) / billed.input_tokens
    if abs(share) <= _FAR:
        return []
    return [
        Finding(
            slug="cache-replay-differs",
            severity="warning",
            message=f"the log billed {reads:,} cache-read tokens; the rules give {expected:,} for "
            f"the same markers, {100 * share:+.1f} % of all input",
            hint="evicted entries, unlogged traffic in the same workspace, or a log that is cut: "
            "compare savings between replays, not with the bill",
        )
    ]
