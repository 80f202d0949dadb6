"""The words the guard knows, read once from ``semantic_words.yaml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from llmops_cli.yaml_text import shipped_yaml

__all__ = ["Words", "load_words"]


@dataclass(frozen=True, slots=True)
class Words:
    """Words by what they do.

    Attributes:
        things: numbers, units, months and days in any spelling, to one name each.
        negations: words that turn a sentence into its opposite.
        poles: words that have an opposite.
        negative_prefixes: beginnings that negate the word behind them.
        leads: first words of an answer that settle it.
        languages: the commonest words, each with the languages it is one of.
    """

    things: Mapping[str, str]
    negations: frozenset[str]
    poles: frozenset[str]
    negative_prefixes: tuple[str, ...]
    leads: frozenset[str]
    languages: Mapping[str, tuple[str, ...]]


@cache
def load_words() -> Words:
    """The words of this version."""
    given = shipped_yaml("cache", "semantic_words.yaml")
    common: dict[str, list[str]] = {
        name: words.split() for name, words in given["languages"].items()
    }
    return Words(
        things={word: name for name, words in given["things"].items() for word in words.split()},
        negations=frozenset(given["negations"].split()),
        poles=frozenset(given["poles"].split()),
        negative_prefixes=tuple(given["negative_prefixes"].split()),
        leads=frozenset(given["leads"].split()),
        languages={
            word: tuple(name for name, words in common.items() if word in words)
            for word in sorted(set().union(*common.values()))
        },
    )
