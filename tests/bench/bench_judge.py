"""judge-eval against truescore and a floor, and APGR/CPT of the three RouteLLM sets.

Whole processes on the same file. truescore is compared where its command is on the PATH, or
named by TRUESCORE.
"""

import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROWS = 100_000
RUNS = 3
FLOOR = (
    "import sys, pandas as pd; from sklearn.metrics import cohen_kappa_score, accuracy_score;"
    "d = pd.read_csv(sys.argv[1]).dropna();"
    "print(accuracy_score(d['gold'], d['judge']), cohen_kappa_score(d['gold'], d['judge']))"
)


def write_decisions(path: Path, *, labelled: float, clustered: bool) -> None:
    """A judge that is right in 88 % of decisions; clusters of five where they are asked for."""
    draw = random.Random(7)  # noqa: S311 - reproducible data, not a secret
    more = ",cluster,task,weak_correct,strong_correct" if clustered else ""
    with path.open("w", encoding="utf-8") as file:
        file.write(f"id,judge,gold{more}\n")
        for row in range(ROWS):
            gold = draw.random() < 0.6
            judge = gold if draw.random() < 0.88 else not gold
            strong = draw.random() < 0.9
            known = f"{gold:d}" if draw.random() < labelled else ""
            rest = f",c{row // 5},t{row % 4},{gold:d},{strong:d}" if clustered else ""
            file.write(f"d{row},{judge:d},{known}{rest}\n")


def seconds(*arguments: str) -> tuple[float, float]:
    """Best wall time, and best processor time, of a few runs of one process."""
    walls: list[float] = []
    busy: list[float] = []
    for _ in range(RUNS):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        # A verdict is an answer, whatever its exit code.
        subprocess.run(arguments, check=False, stdout=subprocess.DEVNULL)
        walls.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(walls), min(busy)


def audits(folder: Path) -> None:
    """Print the whole-process times of an audit of 100,000 rows."""
    full, part = folder / "decisions.csv", folder / "part.csv"
    write_decisions(full, labelled=1.0, clustered=True)
    write_decisions(part, labelled=0.15, clustered=False)
    ours = (sys.executable, "-m", "llmops_cli", "judge-eval")
    floor = seconds(sys.executable, "-c", FLOOR, str(full))
    whole, some = seconds(*ours, str(full)), seconds(*ours, str(part))
    print(f"judge-eval, {ROWS:,} rows, whole process, best of {RUNS}: wall and processor")
    shown = (
        ("pandas + scikit-learn, accuracy and kappa only", floor),
        ("llmops, all labelled, clusters", whole),
        ("llmops, 15 % labelled", some),
    )
    for name, (wall, busy) in shown:
        print(f"  {name:48}{wall:6.2f} s {busy:6.2f} s")
    rival = os.environ.get("TRUESCORE") or shutil.which("truescore")
    if rival is None:
        print("  truescore: not installed, not compared")
        return
    taken = seconds(rival, "audit", str(part), "--judge", "judge", "--gold", "gold")
    print(f"  {'truescore audit, 15 % labelled':48}{taken[0]:6.2f} s {taken[1]:6.2f} s")
    print(f"  {'times ours':48}{taken[0] / some[0]:6.1f}x {taken[1] / some[1]:6.1f}x")


def curves() -> None:
    """Print the time of APGR and CPT on outcomes of the sizes of RouteLLM's three sets."""
    from llmops_cli.judge.routing_curve import routing_curve  # noqa: PLC0415 - timed apart

    draw = np.random.default_rng(1)
    sets = [
        (draw.random(n), (draw.random(n) < 0.65) * 1.0, (draw.random(n) < 0.85) * 1.0)
        for n in (1_307, 72, 14_037)
    ]
    start = time.perf_counter()
    for scores, weak, strong in sets:
        curve = routing_curve(scores, weak, strong)
        _ = curve.average_recovered, [curve.call_threshold(part) for part in (0.2, 0.5, 0.8)]
    ours = time.perf_counter() - start
    start = time.perf_counter()
    for scores, weak, strong in sets:
        row_by_row(scores, weak, strong)
    theirs = time.perf_counter() - start
    print("APGR and CPT at the sizes of RouteLLM's three sets, in one process")
    print(f"  cut by cut over rows, as RouteLLM does  {1000 * theirs:8.1f} ms")
    print(
        f"  llmops                                  {1000 * ours:8.1f} ms  ({theirs / ours:.0f}x)"
    )


def row_by_row(scores: np.ndarray, weak: np.ndarray, strong: np.ndarray) -> float:
    """The same figure by the method of the published evaluation: a pass per cut, summed in Python.

    Its models are counted by name in a Counter, its results added with ``sum``.
    """
    from collections import Counter  # noqa: PLC0415 - timed with it

    points: list[tuple[float, float]] = []
    for cut in np.quantile(scores, np.linspace(0, 1, 11)):
        chosen = scores >= cut
        results = np.where(chosen, strong, weak)
        counts = Counter(np.where(chosen, "strong", "weak"))
        points.append((counts["strong"] / len(results), sum(results) / len(results)))
    share, quality = np.array(sorted(points)).T
    return float(np.trapezoid(quality, share))


def main() -> None:
    """Print both parts."""
    folder = Path(".bench")
    folder.mkdir(exist_ok=True)
    audits(folder)
    curves()


if __name__ == "__main__":
    main()
