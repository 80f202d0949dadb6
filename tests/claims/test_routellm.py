"""Break-even reliability on RouteLLM's published outcomes (lm-sys/RouteLLM, Apache-2.0)."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from llmops_cli import judge_eval
from llmops_cli.report import Measure

WEAK, STRONG = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"


def contaminated(path: Path) -> set[str]:
    """Prompts that RouteLLM leaves out of its figures."""
    lines = path.read_text("utf-8").splitlines()
    return {json.loads(line)["eval_prompt"] for line in lines}


def outcomes(paths: list[Path], left_out: set[str]) -> pd.DataFrame:
    rows: list[tuple[bool, bool]] = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            rows += [
                (row[WEAK] == "True", row[STRONG] == "True")
                for row in csv.DictReader(file)
                if row["prompt"] not in left_out
            ]
    weak, strong = np.array(rows, dtype=np.int8).T
    return pd.DataFrame({"weak_correct": weak, "strong_correct": strong})


def break_even(frame: pd.DataFrame) -> tuple[int, int, Measure]:
    report = judge_eval(frame)
    explained = next(item for item in report.explanations if item.of.startswith("break-even"))
    (_, strong), (_, weak), _ = explained.numbers
    found = next(item for item in report.measures if item.name == "break_even_reliability")
    return int(strong), int(weak), found


@pytest.mark.parametrize(
    ("name", "rows", "pair", "figures"),
    [
        ("gsm8k", 1_307, (382, 94), (0.803, 0.764, 0.837)),
        ("mmlu", 14_037, (2_496, 742), (0.771, 0.756, 0.785)),
    ],
)
def test_r_star_of_routellm(
    public_data: Path,
    name: str,
    rows: int,
    pair: tuple[int, int],
    figures: tuple[float, float, float],
) -> None:
    folder = public_data / "routellm"
    paths = {
        "gsm8k": [folder / "gsm8k_responses.csv"],
        "mmlu": sorted((folder / "mmlu").glob("*.csv")),
    }[name]
    frame = outcomes(paths, contaminated(folder / f"{name}_contaminated_prompts.jsonl"))
    assert len(frame) == rows
    strong, weak, found = break_even(frame)
    assert (strong, weak) == pair
    assert tuple(round(x or 0.0, 3) for x in (found.value, found.low, found.high)) == figures
