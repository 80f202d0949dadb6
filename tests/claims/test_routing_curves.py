"""RouteLLM's single models and random router, recomputed from its published outcomes.

lm-sys/RouteLLM, Apache-2.0. Its random router draws from seed 0, ten times, and averages.
"""

import csv
import json
import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from llmops_cli.judge.routing_curve import RoutingCurve, routing_curve
from llmops_cli.stats.quality_and_cost import quality_and_cost

WEAK, STRONG = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"
Pair = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

# The order in which RouteLLM joins the subjects decides which request a draw falls on.
SUBJECTS = [
    "high_school_european_history",
    "business_ethics",
    "clinical_knowledge",
    "medical_genetics",
    "high_school_us_history",
    "high_school_physics",
    "high_school_world_history",
    "virology",
    "high_school_microeconomics",
    "econometrics",
    "college_computer_science",
    "high_school_biology",
    "abstract_algebra",
    "professional_accounting",
    "philosophy",
    "professional_medicine",
    "nutrition",
    "global_facts",
    "machine_learning",
    "security_studies",
    "public_relations",
    "professional_psychology",
    "prehistory",
    "anatomy",
    "human_sexuality",
    "college_medicine",
    "high_school_government_and_politics",
    "college_chemistry",
    "logical_fallacies",
    "high_school_geography",
    "elementary_mathematics",
    "human_aging",
    "college_mathematics",
    "high_school_psychology",
    "formal_logic",
    "high_school_statistics",
    "international_law",
    "high_school_mathematics",
    "high_school_computer_science",
    "conceptual_physics",
    "miscellaneous",
    "high_school_chemistry",
    "marketing",
    "professional_law",
    "management",
    "college_physics",
    "jurisprudence",
    "world_religions",
    "sociology",
    "us_foreign_policy",
    "high_school_macroeconomics",
    "computer_security",
    "moral_scenarios",
    "moral_disputes",
    "electrical_engineering",
    "astronomy",
    "college_biology",
]


def contaminated(path: Path) -> set[str]:
    lines = path.read_text("utf-8").splitlines()
    return {json.loads(line)["eval_prompt"] for line in lines}


def answered(paths: list[Path], left_out: set[str]) -> Pair:
    rows: list[tuple[bool, bool]] = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            rows += [
                (row[WEAK] == "True", row[STRONG] == "True")
                for row in csv.DictReader(file)
                if row["prompt"] not in left_out
            ]
    weak, strong = np.array(rows, dtype=np.float64).T
    return weak, strong


def graded(folder: Path) -> Pair:
    """MT-Bench: the mean grade of both turns, questions in the order of their numbers."""
    lines = (folder / "mt_bench_judgements.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    left_out = contaminated(folder / "mt_bench_contaminated_prompts.jsonl")
    bad = {r["question_id"] for r in rows for text in left_out if text in r["user_prompt"]}
    grades = {(r["question_id"], r["model"], r["turn"]): r["score"] for r in rows}
    kept = sorted({r["question_id"] for r in rows} - bad)
    weak, strong = (
        np.array([np.mean([grades[q, model, turn] for turn in (1, 2)]) for q in kept])
        for model in (WEAK, STRONG)
    )
    return weak, strong


def outcomes(folder: Path, name: str) -> Pair:
    if name == "mt-bench":
        return graded(folder)
    left_out = contaminated(folder / f"{name}_contaminated_prompts.jsonl")
    paths = {
        "gsm8k": [folder / "gsm8k_responses.csv"],
        "mmlu": [folder / "mmlu" / f"mmlu_{subject}.csv" for subject in SUBJECTS],
    }[name]
    return answered(paths, left_out)


def random_router(weak: npt.NDArray[np.float64], strong: npt.NDArray[np.float64]) -> RoutingCurve:
    draw = random.Random(0)  # noqa: S311 - the published draws
    curves = [
        routing_curve(np.array([draw.uniform(0, 1) for _ in weak]), weak, strong) for _ in range(10)
    ]
    first = curves[0]
    mean = np.mean([curve.quality for curve in curves], axis=0)
    return RoutingCurve(first.share, mean, first.weak, first.strong)


@pytest.mark.parametrize(
    ("name", "rows", "scores", "calls", "apgr"),
    [
        ("gsm8k", 1_307, ("63.73", "85.77"), ("18.96", "48.79", "80.16"), "0.507"),
        ("mt-bench", 72, ("8.281", "9.212"), ("17.65", "51.29", "78.55"), "0.507"),
        ("mmlu", 14_037, ("68.09", "80.59"), ("19.90", "50.04", "79.32"), "0.501"),
    ],
)
def test_routellm_to_the_printed_digit(
    public_data: Path,
    name: str,
    rows: int,
    scores: tuple[str, str],
    calls: tuple[str, str, str],
    apgr: str,
) -> None:
    weak, strong = outcomes(public_data / "routellm", name)
    assert len(weak) == rows
    shown = ".3f" if name == "mt-bench" else ".2f"
    scale = 1 if name == "mt-bench" else 100
    assert tuple(format(scale * x.mean(), shown) for x in (weak, strong)) == scores
    curve = random_router(weak, strong)
    found = tuple(f"{100 * curve.call_threshold(part):.2f}" for part in (0.2, 0.5, 0.8))
    assert found == calls
    assert f"{curve.average_recovered:.3f}" == apgr


@pytest.mark.parametrize(
    ("accuracy", "usd", "published", "off"),
    [
        (0.7814, 0.30, 76.12, 0.05),
        (0.7718, 0.30, 75.30, 0.05),
        (0.7640, 0.18, 75.27, 0.05),
        (0.7534, 0.08, 75.17, 0.05),
        (0.7059, 0.10, 70.61, 0.05),
        (0.6880, 0.63, 67.09, 0.05),
        (0.7205, 0.20, 71.26, 0.05),
        (0.7554, 0.9976, 72.08, 0.05),
        (0.7282, 0.22, 71.87, 0.05),
        (0.6841, 0.29, 67.65, 0.05),
        (0.6523, 0.0675, 65.98, 0.05),
        (0.7518957671, 8.5434721952, 65.8647, 0.0),
    ],
)
def test_routerarena_scores(accuracy: float, usd: float, published: float, off: float) -> None:
    # Published costs are rounded to cents; the one that is not comes out exactly.
    decimals = 4 if off == 0 else 2
    found = 100 * quality_and_cost(accuracy, usd)
    assert round(abs(found - published), decimals) <= off
