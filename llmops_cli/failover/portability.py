"""Which logged requests can move to the other API, and what keeps the rest."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from llmops_cli.calls import CallsTable
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.failover.anthropic_to_openai import anthropic_to_openai
from llmops_cli.failover.openai_to_anthropic import openai_to_anthropic
from llmops_cli.failover.translation import (
    ANTHROPIC,
    FLAGGED,
    OPENAI,
    REFUSED,
    Logged,
    Moved,
    Problem,
)
from llmops_cli.failover.wording import logged_of

__all__ = ["WORDS", "Portability", "api_of", "moved", "portability"]

_OTHER = {ANTHROPIC: OPENAI, OPENAI: ANTHROPIC}
_TRANSLATORS: Mapping[str, Callable[[Logged], Moved]] = {
    ANTHROPIC: anthropic_to_openai,
    OPENAI: openai_to_anthropic,
}
_BEDROCK = "aws.bedrock"
_CALLED = {"tool_calls", "tool_use", "function_call"}
UNREADABLE = Problem("content-unreadable", REFUSED)
NOT_LOGGED = Problem("tools-not-logged", FLAGGED)

WORDS: Mapping[str, str] = {
    "arguments-not-json": "a tool call whose arguments are no JSON object",
    "content-unknown": "content that the other API has no form for",
    "content-unreadable": "content that is not what its API takes",
    "document": "a document",
    "file-of-provider": "a file that only its provider can read",
    "name-dropped": "a participant's name, dropped",
    "prefill": "an answer begun for the model",
    "role-unknown": "a role that the other API does not know",
    "server-tool": "a tool that the provider runs itself",
    "state-of-provider": "a part that only its provider has kept",
    "strict-not-enforced": "a strict schema, not enforced there",
    "system-hoisted": "a system message amid the conversation, moved to its head",
    "text-expected": "a system prompt or tool result that is not text only",
    "thinking-dropped": "thinking signed for its own provider, dropped",
    "tool-call-without-result": "a tool call without its result, or a result without its call",
    "tool-error-flag": "the mark of a failed tool call, dropped",
    "tools-not-logged": "tools whose definitions are not in the log",
    "user-not-first": "a conversation that the user does not begin",
}
"""Each problem in words."""


@dataclass(frozen=True, slots=True)
class Portability:
    """Of the requests of one API.

    Attributes:
        api: they were sent to.
        requests: with a prompt that was kept.
        unchanged: they move as they are.
        flagged: they move, changed.
        refused: they do not.
        reasons: requests by problem, the most frequent first.
        missing: further requests whose prompt is not in the log: nobody knows of them.
        guessed: of those with a prompt, how many name neither provider nor a model that tells.
    """

    api: str
    requests: int
    unchanged: int
    flagged: int
    refused: int
    reasons: tuple[tuple[Problem, int], ...]
    missing: int = 0
    guessed: int = 0

    @property
    def target(self) -> str:
        """The other API."""
        return _OTHER[self.api]


def api_of(provider: str, model: str = "") -> str:
    """Whose API a request was sent to: Anthropic's, or OpenAI's as almost all others are.

    Bedrock has a form of its own, which has Anthropic's parts.

    Args:
        provider: as OpenTelemetry names it; empty where the log does not say.
        model: that was asked for; tells where another provider serves Anthropic's models.
    """
    first = provider.partition(".")[0]
    known = first == ANTHROPIC or provider == _BEDROCK
    served = first in {"", "aws", "gcp"} and _claude(model)
    return ANTHROPIC if known or served else OPENAI


def _claude(model: str) -> bool:
    return "claude" in model or f"{ANTHROPIC}." in model


def moved(logged: Logged, api: str) -> Moved:
    """A prompt for the other API.

    Args:
        logged: the prompt.
        api: whose words it is in.
    """
    if not logged.messages:
        return Moved({}, logged.problems or (UNREADABLE,))
    try:
        there = _TRANSLATORS[api](logged)
    except (AttributeError, TypeError, KeyError, ValueError):
        # Whoever logged it wrote what no API takes.
        return Moved({}, (UNREADABLE,))
    every = {item.slug: item for item in (*there.problems, *logged.problems)}
    return Moved(there.body, tuple(every.values()))


def portability(calls: CallsTable) -> tuple[Portability, ...]:
    """Audit every prompt of a log.

    Args:
        calls: with the column ``content``, and the provider of each call.

    Raises:
        LlmopsError: ``failover-no-content`` where no prompt was kept.
    """
    content = calls.get("content")
    kept = None if content is None else content.dropna()
    if kept is None or kept.empty:
        raise LlmopsError(
            "failover-no-content",
            "no prompt is in the log, so nobody can say which could move",
            hint="give the raw logs, or keep prompts with llmops ingest --keep-content; "
            "transcripts of Claude Code and spans without content hold none",
            exit_code=ExitCode.BAD_INPUT,
            field="content",
        )
    providers, models = (_texts(calls, name) for name in ("provider_name", "request_model"))
    named = [api_of(*pair) for pair in zip(providers, models, strict=True)]
    apis = pd.Series(named, index=calls.index, dtype=object)
    silent = (providers == "") & ~models.map(_claude)
    return tuple(
        _of(api, calls[apis == api], silent[apis == api]) for api in _OTHER if (apis == api).any()
    )


def _texts(calls: CallsTable, name: str) -> "pd.Series[str]":
    column = calls.get(name)
    if column is None:
        return pd.Series("", index=calls.index)
    return column.astype(object).where(column.notna(), "").astype(str)


def _of(api: str, calls: CallsTable, silent: "pd.Series[bool]") -> Portability:
    told = calls["content"].notna()
    contents, ended = calls.loc[told, "content"], _texts(calls[told], "finish_reason")
    reasons: Counter[Problem] = Counter()
    refused = flagged = 0
    for content, reason in zip(contents, ended, strict=True):
        problems = _problems(content, api, reason)
        reasons.update(problems)
        stuck = any(item.weight == REFUSED for item in problems)
        refused += stuck
        flagged += bool(problems) and not stuck
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0].slug))
    n = len(contents)
    return Portability(
        api,
        n,
        n - refused - flagged,
        flagged,
        refused,
        tuple(ordered),
        missing=len(calls) - n,
        guessed=int((told & silent).sum()),
    )


def _problems(content: str, api: str, finish_reason: str) -> tuple[Problem, ...]:
    logged = logged_of(content, api)
    if logged is None:
        return (UNREADABLE,)
    found = moved(logged, api).problems
    # Whoever was answered with a call had tools, whether the log has them or not.
    had = finish_reason in _CALLED and not logged.tools
    known = any(item.slug == NOT_LOGGED.slug for item in found)
    return (*found, NOT_LOGGED) if had and not known else found
