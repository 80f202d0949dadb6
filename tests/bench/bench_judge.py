"""judge-eval on 100,000 rows as a whole process, against reading the same CSV with pandas."""

import random
import subprocess
import sys
import time
from pathlib import Path

ROWS = 100_000
RUNS = 5
FLOOR = (
    "import sys, pandas as pd; from sklearn.metrics import cohen_kappa_score, accuracy_score;"
    "d = pd.read_csv(sys.argv[1]);"
    "print(accuracy_score(d['gold'], d['judge']), cohen_kappa_score(d['gold'], d['judge']))"
)


def write_decisions(path: Path) -> None:
    """A judge that is right in 88 % of decisions, in clusters of five."""
    draw = random.Random(7)  # noqa: S311 - reproducible data, not a secret
    with path.open("w", encoding="utf-8") as file:
        file.write("id,judge,gold,cluster,task,weak_correct,strong_correct\n")
        for row in range(ROWS):
            gold = draw.random() < 0.6
            judge = gold if draw.random() < 0.88 else not gold
            strong = draw.random() < 0.9
            file.write(f"d{row},{judge:d},{gold:d},c{row // 5},t{row % 4},{gold:d},{strong:d}\n")


def seconds(*arguments: str) -> float:
    """Best wall time of a few runs of one process."""
    times: list[float] = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print both times and their ratio."""
    path = Path(".bench") / "decisions.csv"
    path.parent.mkdir(exist_ok=True)
    write_decisions(path)
    floor = seconds("-c", FLOOR, str(path))
    ours = seconds("-m", "llmops_cli", "judge-eval", str(path))
    print(f"judge-eval, {ROWS:,} rows in {ROWS // 5:,} clusters, whole process, best of {RUNS}")
    print(f"  pandas + scikit-learn  {floor:6.2f} s  (accuracy and kappa only)")
    print(f"  llmops judge-eval      {ours:6.2f} s  (aim below 1.5 s)")
    print(f"  ratio                  {floor / ours:6.2f}x")


if __name__ == "__main__":
    main()
