"""RouteLLM's own evaluation, timed inside a process of its own; prints what it found as JSON.

Its functions read their data beside the package and import torch, a plotter and API clients at
the top, of which the evaluation of finished outcomes uses none: those are stood in for here, and
the files are laid out as it wants them. Arguments: a folder with the public outcomes, a folder
to write to, a JSON file of win rates by set (a list for each repeat).
"""

import contextlib
import importlib
import io
import json
import random
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pandas as pd

WEAK, STRONG = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"
NOT_NEEDED = (
    "matplotlib", "matplotlib.pyplot", "pandarallel", "psutil", "yaml",
    "routellm.controller", "routellm.routers.routers",
)  # fmt: skip


def their_modules() -> tuple[Any, Any, Any]:
    """Benchmarks, the evaluation, and the subjects in their order."""
    for name in NOT_NEEDED:
        sys.modules[name] = MagicMock()
    # Another progress bar that shows nothing, and a function that newer numpy calls otherwise.
    sys.modules["tqdm"] = SimpleNamespace(tqdm=lambda items, **_: items)  # type: ignore[assignment]
    if not hasattr(np, "trapz"):
        setattr(np, "trapz", np.trapezoid)  # noqa: B010 - a name of theirs, none of ours
    return tuple(
        importlib.import_module(f"routellm.evals.{name}")
        for name in ("benchmarks", "evaluate", "mmlu.domains")
    )  # type: ignore[return-value]


def laid_out(data: Path, folder: Path) -> None:
    """The public files where the package looks for them."""
    for name in ("mmlu/responses", "gsm8k", "mt_bench"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    links = {
        "gsm8k/gsm8k_responses.csv": data / "gsm8k_responses.csv",
        "mt_bench/judgements.jsonl": data / "mt_bench_judgements.jsonl",
        **{
            f"{name}/contaminated_prompts.jsonl": data / f"{name}_contaminated_prompts.jsonl"
            for name in ("mmlu", "gsm8k", "mt_bench")
        },
        **{f"mmlu/responses/{path.name}": path for path in (data / "mmlu").glob("*.csv")},
    }
    for name, target in links.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target.resolve())
    (folder / "mt_bench/question.jsonl").write_text("\n".join(questions(data)) + "\n", "utf-8")


def questions(data: Path) -> list[str]:
    """MT-Bench's questions, as far as the evaluation looks at them: is a turn contaminated?"""
    left_out = [
        json.loads(line)["eval_prompt"]
        for line in (data / "mt_bench_contaminated_prompts.jsonl").read_text("utf-8").splitlines()
    ]
    turns: dict[int, str] = {}
    for line in (data / "mt_bench_judgements.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        bad = next((text for text in left_out if text in row["user_prompt"]), "")
        turns[row["question_id"]] = turns.get(row["question_id"]) or bad
    return [
        json.dumps({"question_id": number, "turns": [text or f"question {number}", ""]})
        for number, text in sorted(turns.items())
    ]


def evaluated(theirs: tuple[Any, Any, Any], name: str, rates: list[list[float]]) -> dict[str, Any]:
    """Seconds of its evaluation of one set, from the loaded table to the printed metrics."""
    benchmarks, evaluate, domains = theirs
    pair = SimpleNamespace(weak=WEAK, strong=STRONG)
    made = {
        "mmlu": lambda: benchmarks.MMLU(domains.ALL_MMLU_DOMAINS, pair, []),
        "gsm8k": lambda: benchmarks.GSM8K(pair, []),
        "mt-bench": lambda: benchmarks.MTBench(pair, []),
    }[name]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        benchmark = made()
        drawn = iter(rates)
        controller = SimpleNamespace(
            model_pair=pair, batch_calculate_win_rate=lambda **_: np.array(next(drawn))
        )
        start = time.process_time()
        results = [
            {"strong_percentage": counts[STRONG] / total * 100, "accuracy": accuracy}
            for _ in rates
            for _, accuracy, counts, total in benchmark.evaluate(controller, "random", 10, True)
        ]
        frame = pd.DataFrame(results).groupby(["strong_percentage"], as_index=False).mean()
        frame["method"] = "random"
        evaluate.generate_results(frame, benchmark, name, pair, ".")
        spent = time.process_time() - start
    # The last line of the printed frame: index, method, three shares of calls, area, APGR.
    figures = printed.getvalue().split()[-6:]
    return {"seconds": spent, "figures": [figures[1], figures[2], figures[3], figures[5]]}


def main() -> None:
    """Evaluate every set whose win rates are given."""
    data, folder, rates = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    random.seed(0)
    laid_out(data, folder)
    theirs = their_modules()
    theirs[0].CURRENT_DIR = str(folder)
    found = {
        name: evaluated(theirs, name, drawn)
        for name, drawn in json.loads(rates.read_text("utf-8")).items()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
