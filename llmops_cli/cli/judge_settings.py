"""How rows are judged, from the options of judge-collect: the prompt, the labels, the price."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmops_cli.cli.text_file import text_of
from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from llmops_cli.live import Template
    from llmops_cli.live.estimates import Price
    from llmops_cli.traffic.sources import Source

__all__ = ["labels_of", "price_of", "template_of", "usage_error"]


def template_of(prompt: Path | None, sources: "tuple[Source, ...]") -> "Template":
    """The template the user gave, else the default one for the columns that are there.

    Raises:
        LlmopsError: ``prompt-unreadable``.
    """
    from llmops_cli.cli.judge_rows import pair_in
    from llmops_cli.live import PAIR, QUALITY, Template

    if prompt is None:
        return Template(PAIR if pair_in(sources) else QUALITY)
    said = text_of(prompt, "prompt-unreadable", "the prompt", exit_code=ExitCode.USAGE)
    return Template(said)


def labels_of(given: str, template: "Template", *, own_prompt: bool) -> tuple[str, ...]:
    """What the judge may say.

    Raises:
        LlmopsError: ``verdicts-bad``, ``verdicts-not-of-pairs``, ``verdicts-without-prompt``.
    """
    from llmops_cli.live import UNPARSABLE

    if not given:
        return ("A", "B", "tie") if template.pairwise else ("accept", "reject")
    labels = tuple(label.strip() for label in given.split(","))
    if not own_prompt:
        hint = "the default prompts name theirs: --prompt FILE"
        raise usage_error(
            "verdicts-without-prompt", "--verdicts needs a prompt that names them", hint
        )
    if template.pairwise and not {"A", "B"} <= set(labels) <= {"A", "B", "tie"}:
        hint = "--verdicts A,B or A,B,tie"
        raise usage_error("verdicts-not-of-pairs", "a pair is won by A or by B, or is a tie", hint)
    different = {label.lower() for label in labels} - {"", UNPARSABLE}
    if len(labels) < 2 or len(different) < len(labels):  # noqa: PLR2004 - one is no choice
        hint = "--verdicts small,medium,large"
        raise usage_error(
            "verdicts-bad", "--verdicts is no list of two or more different words", hint
        )
    return labels


def price_of(model: str, price_as: str, provider: str, *, needed: bool) -> "Price | None":
    """USD of an answer by the book; a cached token without a price of its own counts as fresh.

    Args:
        model: the judge.
        price_as: a model to price it as.
        provider: who sells it; empty for anybody.
        needed: whether a cap depends on it.

    Raises:
        LlmopsError: ``price-unknown-model`` where it is needed; else None stands for it.
    """
    import numpy as np

    from llmops_cli.prices import PriceBook

    day = datetime.now(tz=UTC).date()
    try:
        rates = PriceBook().rates(price_as or model, day, provider="" if price_as else provider)
    except LlmopsError:
        if needed or price_as:
            raise
        return None
    for name in ("input", "output"):
        if getattr(rates, name) is None:
            raise rates.without_price(name)

    def price(usage: Any) -> float:
        per_token = rates.per_token(np.array([usage.prompt_tokens]))[0]
        per_token = np.where(np.isnan(per_token), per_token[0], per_token)
        tokens = (
            usage.input_tokens,
            usage.cache_read_tokens,
            usage.cache_write_5m_tokens,
            usage.cache_write_1h_tokens,
            usage.output_tokens,
        )
        return float(per_token @ np.array(tokens, dtype=float))

    return price


def usage_error(slug: str, message: str, hint: str) -> LlmopsError:
    """An error of the command line."""
    return LlmopsError(slug, message, hint=hint, exit_code=ExitCode.USAGE)
