"""Which logged requests can move to the other API, and what keeps the rest."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from llmops_cli.calls import CallsTable
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.failover.anthropic_to_openai import anthropic_to_openai
from llmops_cli.failover.openai_to_anthropic import openai_to_anthropic
from llmops_cli.failover.translation import REFUSED, Logged, Moved, Problem, logged_of

__all__ = ["WORDS", "Portability", "api_of", "moved", "portability"]

ANTHROPIC, OPENAI = "anthropic", "openai"

_OTHER = {ANTHROPIC: OPENAI, OPENAI: ANTHROPIC}
_TRANSLATORS: Mapping[str, Callable[[Logged], Moved]] = {
    ANTHROPIC: anthropic_to_openai,
    OPENAI: openai_to_anthropic,
}
UNREADABLE = Problem("content-unreadable", REFUSED)

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
    "strict-not-enforced": "a strict schema, not enforced there",
    "system-hoisted": "a system message amid the conversation, moved to its head",
    "text-expected": "a system prompt or tool result that is not text only",
    "thinking-dropped": "thinking signed for its own provider, dropped",
    "tool-call-without-result": "a tool call without its result, or a result without its call",
    "tool-error-flag": "the mark of a failed tool call, dropped",
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
    """

    api: str
    requests: int
    unchanged: int
    flagged: int
    refused: int
    reasons: tuple[tuple[Problem, int], ...]

    @property
    def target(self) -> str:
        """The other API."""
        return _OTHER[self.api]


def api_of(provider: str) -> str:
    """Whose API a provider speaks: Anthropic's, or OpenAI's as almost all others do."""
    return ANTHROPIC if provider.partition(".")[0] == ANTHROPIC else OPENAI


def moved(logged: Logged, api: str) -> Moved:
    """A prompt for the other API.

    Args:
        logged: the prompt.
        api: whose words it is in.
    """
    try:
        return _TRANSLATORS[api](logged)
    except (AttributeError, TypeError, KeyError, ValueError):
        # Whoever logged it wrote what no API takes.
        return Moved({}, (UNREADABLE,))


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
            hint="give the raw logs, or keep prompts with llmops ingest --keep-content",
            exit_code=ExitCode.BAD_INPUT,
            field="content",
        )
    providers = calls.loc[kept.index, "provider_name"].fillna("").astype(str)
    apis = providers.map(api_of)
    return tuple(_of(api, list(kept[apis == api])) for api in _OTHER if (apis == api).any())


def _of(api: str, contents: Sequence[str]) -> Portability:
    reasons: Counter[Problem] = Counter()
    refused = flagged = 0
    for content in contents:
        logged = logged_of(content)
        problems = (UNREADABLE,) if logged is None else moved(logged, api).problems
        reasons.update(problems)
        stuck = any(item.weight == REFUSED for item in problems)
        refused += stuck
        flagged += bool(problems) and not stuck
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0].slug))
    n = len(contents)
    return Portability(api, n, n - refused - flagged, flagged, refused, tuple(ordered))
