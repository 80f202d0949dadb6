"""What replay says of prompts that not everybody, or nobody, in the chain can take."""

from collections import Counter
from typing import TYPE_CHECKING

from llmops_cli.report import Explanation, Finding

if TYPE_CHECKING:
    from llmops_cli.cli.replay_chain import Chain
    from llmops_cli.live import Prompts

__all__ = ["problems", "who_can", "why_none"]

_TOO_LONG = "a prompt that with its answer is longer than the context window"


def problems(prompts: "Prompts") -> tuple[Finding, ...]:
    """A finding for each problem: of prompts that are not sent, and of those that a part gets."""
    return (
        *_told(prompts.refused, "", "the prompt is not sent"),
        *_told(
            prompts.shortened,
            "-for-some",
            "the prompt is sent only to those of the chain that can take it",
        ),
    )


def who_can(chain: "Chain") -> Explanation:
    """Whom a prompt is sent to."""
    windows = (
        (f"context window of {item.provider}/{item.model}", item.context_window_tokens)
        for item in chain.deployments
    )
    return Explanation(
        of="who can take a prompt",
        formula="its content moves to the API, and input tokens + most output tokens "
        "<= context window",
        numbers=tuple(windows),
        assumptions=(
            "input tokens are as logged, or bytes / 4; another model may count more or less",
            "a model whose window nobody knows takes any length",
        ),
        source="the log; --context-window, the plan, or the installed genai-prices",
    )


def why_none(prompts: "Prompts") -> str:
    """The most frequent problems, where no prompt can be sent."""
    return ", ".join(_words(slug) for slug, _ in prompts.refused.most_common(2))


def _told(counts: "Counter[str]", ending: str, follows: str) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            slug=f"replay-{slug}{ending}",
            severity="warning",
            message=_said(slug, follows),
            hint=_hint(slug),
            count=count,
        )
        for slug, count in sorted(counts.items())
    )


def _said(slug: str, follows: str) -> str:
    from llmops_cli.live import CONTEXT_WINDOW

    if slug == CONTEXT_WINDOW:
        return f"{_TOO_LONG}; {follows}"
    return f"{_words(slug)} does not move to the other API; {follows}"


def _words(slug: str) -> str:
    from llmops_cli.failover.portability import WORDS
    from llmops_cli.live import CONTEXT_WINDOW

    return _TOO_LONG if slug == CONTEXT_WINDOW else WORDS[slug]


def _hint(slug: str) -> str:
    from llmops_cli.live import CONTEXT_WINDOW

    if slug != CONTEXT_WINDOW:
        return ""
    return "--context-window MODEL=TOKENS says it otherwise; fewer --max-output-tokens leave room"
