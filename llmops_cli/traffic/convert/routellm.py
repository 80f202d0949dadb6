"""RouteLLM's GSM8K outcomes (lm-sys/RouteLLM, Apache-2.0) become a decisions file.

The data hold no verdicts, so a stated stand-in judges: it sees the question only and accepts
the weak model where the question is short. It is there to be evaluated, not to be used.
"""

import csv
import io
import json
from pathlib import Path

from llmops_cli.errors import LlmopsError

__all__ = ["SHORT_WORDS", "convert_gsm8k"]

WEAK, STRONG = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"
SHORT_WORDS = 45
"""The stand-in judge accepts questions of at most so many words."""

_OUTCOMES = "gsm8k_responses.csv"
_CONTAMINATED = "gsm8k_contaminated_prompts.jsonl"
_HEADER = ("id", "judge", "gold", "weak_correct", "strong_correct")


def convert_gsm8k(source: Path) -> str:
    """The decisions as CSV, without the prompts that RouteLLM counts as contaminated.

    Args:
        source: the folder that holds ``gsm8k_responses.csv`` and
            ``gsm8k_contaminated_prompts.jsonl``.

    Raises:
        LlmopsError: ``convert-not-found``, ``convert-unexpected``.
    """
    folder = source if source.is_dir() else source.parent
    left_out = _contaminated(folder / _CONTAMINATED)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    path = folder / _OUTCOMES
    with _opened(path) as file:
        for number, row in enumerate(csv.DictReader(file), 1):
            try:
                prompt, weak, strong = row["prompt"], row[WEAK], row[STRONG]
                outcomes = [{"True": 1, "False": 0}[value] for value in (weak, strong)]
            except KeyError as error:
                raise _unexpected(path, number, str(error.args[0])) from error
            if prompt not in left_out:
                verdict = int(len(prompt.split()) <= SHORT_WORDS)
                writer.writerow((f"gsm8k-{number}", verdict, outcomes[0], *outcomes))
    return text.getvalue()


def _contaminated(path: Path) -> set[str]:
    with _opened(path) as file:
        try:
            return {str(json.loads(line)["eval_prompt"]) for line in file if line.strip()}
        except (ValueError, KeyError, TypeError) as error:
            raise _unexpected(path, 1, "eval_prompt") from error


def _opened(path: Path) -> io.TextIOWrapper:
    try:
        return path.open(encoding="utf-8", newline="")
    except OSError as error:
        raise LlmopsError(
            "convert-not-found",
            "no such file",
            hint="give the folder of RouteLLM's GSM8K evaluation",
            file=str(path),
        ) from error


def _unexpected(path: Path, number: int, field: str) -> LlmopsError:
    return LlmopsError(
        "convert-unexpected",
        "the file is not as RouteLLM publishes it",
        hint="take it from lm-sys/RouteLLM, routellm/evals/gsm8k",
        file=str(path),
        line=number,
        field=field,
    )
