"""``llmops cache-estimate --semantic``: its options, and what they do not go together with."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmops_cli.cli.options import GROUPS, Group
from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from llmops_cli.cache import SemanticParameters

__all__ = ["Semantic", "refuse_mixed", "semantic_parameters"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Semantic:
    """The options as given; ``asked`` is ``--semantic`` itself."""

    asked: bool = False
    max_false_hit: float | None = None
    ttl_s: float | None = None
    vectors: str = "tfidf"
    answer_similarity: float = 0.8
    penalty_usd: float = 0.0
    per_user: bool = False


_DEFAULT = Semantic()

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "semantic": (
        Annotated[
            bool,
            typer.Option(
                "--semantic",
                help="Ask about a cache of answers to repeated and similar questions instead. "
                "Prompts are read into memory and never written.",
            ),
        ],
        False,
    ),
    "max_false_hit": (
        Annotated[
            float | None,
            typer.Option(
                "--max-false-hit",
                metavar="SHARE",
                help="Share of hits that may be false; a gate where it is given.",
                show_default="0.01, no gate",
            ),
        ],
        None,
    ),
    "semantic_ttl": (
        Annotated[
            float | None,
            typer.Option(
                "--semantic-ttl",
                metavar="SECONDS",
                help="How long an answer is kept.",
                show_default="for ever",
            ),
        ],
        None,
    ),
    "vectors": (
        Annotated[
            str,
            typer.Option(
                "--vectors",
                metavar="tfidf|wordllama",
                help="What similar questions are told by; wordllama is an extra to install.",
            ),
        ],
        _DEFAULT.vectors,
    ),
    "answer_similarity": (
        Annotated[
            float,
            typer.Option(
                "--answer-similarity",
                metavar="COSINE",
                help="From which on two logged answers say the same.",
            ),
        ],
        _DEFAULT.answer_similarity,
    ),
    "false_hit_usd": (
        Annotated[
            float,
            typer.Option("--false-hit-usd", metavar="USD", help="What one wrong answer costs."),
        ],
        _DEFAULT.penalty_usd,
    ),
    "per_user": (
        Annotated[bool, typer.Option("--per-user", help="Share no answer between users.")],
        False,
    ),
}


def _parse(raw: dict[str, Any]) -> Semantic:
    return Semantic(
        asked=raw["semantic"],
        max_false_hit=raw["max_false_hit"],
        ttl_s=raw["semantic_ttl"],
        vectors=raw["vectors"],
        answer_similarity=raw["answer_similarity"],
        penalty_usd=raw["false_hit_usd"],
        per_user=raw["per_user"],
    )


GROUPS["semantic"] = Group(_OPTIONS, _parse)


def refuse_mixed(context: typer.Context, semantic: Semantic, replay: set[str]) -> None:
    """Refuse options of the other question: they would be passed over in silence.

    Those of a configuration file may stand there for the other question's sake.

    Args:
        context: of the command.
        semantic: the options of this question.
        replay: parameters of the prompt-cache replay alone.

    Raises:
        LlmopsError: ``cache-other-question``.
    """
    for name in sorted(replay) if semantic.asked else _OPTIONS:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise _mixed("--" + name.replace("_", "-"), asked=semantic.asked)


def _mixed(option: str, *, asked: bool) -> LlmopsError:
    said = "does not go with --semantic" if asked else "is of --semantic, which is not given"
    return LlmopsError(
        "cache-other-question",
        f"{option} {said}",
        hint="ask about the prompt cache and about a semantic cache in two runs"
        if asked
        else f"llmops cache-estimate LOG --semantic {option} …",
        exit_code=ExitCode.USAGE,
    )


def semantic_parameters(
    semantic: Semantic, *, price_as: str, on: date | None, seed: int
) -> "SemanticParameters":
    """The question, checked before any log is read.

    Raises:
        LlmopsError: what :class:`SemanticParameters` refuses.
    """
    from llmops_cli.cache import SemanticParameters

    # A bound that is asked for is a gate; the default one only chooses the rule.
    bound = SemanticParameters().max_false_hit
    return SemanticParameters(
        max_false_hit=bound if semantic.max_false_hit is None else semantic.max_false_hit,
        gate=semantic.max_false_hit is not None,
        ttl_s=semantic.ttl_s,
        vectors=semantic.vectors,
        answer_similarity=semantic.answer_similarity,
        penalty_usd=semantic.penalty_usd,
        per_user=semantic.per_user,
        price_as=price_as,
        on=on,
        seed=seed,
    )
