"""judge-eval against truescore and a floor, and APGR/CPT of the three RouteLLM sets.

Whole processes on the same file. truescore is compared where its command is on the PATH, or
named by TRUESCORE. RouteLLM is compared where the package can be imported, or the folder that
holds it is named by ROUTELLM (``pip install --no-deps --target FOLDER routellm`` makes one); its
outcomes are the public ones under LLMOPS_DATA.
"""

import importlib.util
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("LLMOPS_DATA") or ROOT.parent / "shared" / "data")
ROWS = 100_000
RUNS = 5
REPEATS = 10
FLOOR = (
    "import sys, pandas as pd; from sklearn.metrics import cohen_kappa_score, accuracy_score;"
    "d = pd.read_csv(sys.argv[1]).dropna();"
    "print(accuracy_score(d['gold'], d['judge']), cohen_kappa_score(d['gold'], d['judge']))"
)
SETS = {"gsm8k": 1_307, "mt-bench": 72, "mmlu": 14_037}


def write_decisions(
    path: Path, *, labelled: float, outcomes: bool = False, groups: int = 0
) -> None:
    """A judge that is right in 88 % of decisions.

    Args:
        path: of the file.
        labelled: share with a truth; whole clusters where there are any.
        outcomes: whether tasks and both models' outcomes are there.
        groups: rows of a cluster; 0 for no cluster column.
    """
    draw = random.Random(7)  # noqa: S311 - reproducible data, not a secret
    header = ["id", "judge", "gold", *(["cluster"] if groups else [])]
    header += ["task", "weak_correct", "strong_correct"] if outcomes else []
    known = False
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(header) + "\n")
        for row in range(ROWS):
            gold, right, strong = draw.random() < 0.6, draw.random() < 0.88, draw.random() < 0.9
            if not groups or row % groups == 0:
                known = draw.random() < labelled
            judge = gold if right else not gold
            fields = [f"d{row}", f"{judge:d}", f"{gold:d}" if known else ""]
            fields += [f"c{row // groups}"] if groups else []
            fields += [f"t{row % 4}", f"{gold:d}", f"{strong:d}"] if outcomes else []
            file.write(",".join(fields) + "\n")


def installed(folder: Path) -> dict[str, str]:
    """Surroundings in which our bytecode is kept, as it is where a package is installed."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder.resolve() / "bytecode")}


def seconds(*commands: tuple[tuple[str, ...], dict[str, str]]) -> list[tuple[float, float]]:
    """Best wall time, and best processor time, of processes that take turns."""
    walls: list[list[float]] = [[] for _ in commands]
    busy: list[list[float]] = [[] for _ in commands]
    for _ in range(RUNS):
        for at, (arguments, surroundings) in enumerate(commands):
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            # A verdict is an answer, whatever its exit code.
            subprocess.run(arguments, check=False, stdout=subprocess.DEVNULL, env=surroundings)
            walls[at].append(time.perf_counter() - start)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            busy[at].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return [(min(wall), min(cpu)) for wall, cpu in zip(walls, busy, strict=True)]


def shown(name: str, taken: tuple[float, float], ours: tuple[float, float] | None = None) -> None:
    """Print one line: wall and processor time, and both as multiples of ours."""
    times = f"{taken[0] / ours[0]:8.1f}x {taken[1] / ours[1]:5.1f}x" if ours else ""
    print(f"  {name:48}{taken[0]:6.2f} s {taken[1]:6.2f} s{times}")


def audits(folder: Path) -> None:
    """Print the whole-process times of an audit of 100,000 rows."""
    full, part, grouped = (folder / name for name in ("decisions.csv", "part.csv", "grouped.csv"))
    write_decisions(full, labelled=1.0, outcomes=True, groups=5)
    write_decisions(part, labelled=0.15)
    write_decisions(grouped, labelled=0.15, groups=5)
    mine, theirs = installed(folder), dict(os.environ)
    judge = (sys.executable, "-m", "llmops_cli", "judge-eval")
    print(f"judge-eval, {ROWS:,} rows, whole process, best of {RUNS}: wall and processor")
    floor, whole = seconds(
        ((sys.executable, "-c", FLOOR, str(full)), mine), ((*judge, str(full)), mine)
    )
    shown("pandas + scikit-learn, accuracy and kappa only", floor)
    shown("llmops, all labelled, clusters, outcomes, tasks", whole)
    rival = os.environ.get("TRUESCORE") or shutil.which("truescore")
    if rival is None:
        print("  truescore: not installed, not compared")
    for what, path, more in (
        ("15 % labelled", part, ()),
        ("15 % of clusters labelled", grouped, ("--cluster-column", "cluster")),
    ):
        ours = (*judge, str(path)), mine
        if rival is None:
            shown(f"llmops, {what}", *seconds(ours))
            continue
        audit = rival, "audit", str(path), "--judge", "judge", "--gold", "gold", *more
        own, other = seconds(ours, (audit, theirs))
        shown(f"llmops, {what}", own)
        shown(f"truescore audit, {what}", other, own)


def curves(folder: Path) -> None:
    """Print the time of APGR and CPT on RouteLLM's three sets, and its own time for the same."""
    if not (DATA / "routellm").is_dir():
        print("APGR and CPT: no public outcomes (LLMOPS_DATA), not compared")
        return
    sys.path.insert(0, str(ROOT / "tests" / "claims"))
    from test_routing_curves import outcomes  # noqa: PLC0415 - reads the public outcomes

    drawn = {name: win_rates(rows) for name, rows in SETS.items()}
    pairs = {name: outcomes(DATA / "routellm", name) for name in SETS}
    ours = {name: evaluated(drawn[name], *pairs[name]) for name in SETS}
    theirs = routellm(folder, drawn)
    print(f"APGR and CPT of RouteLLM's random router, {REPEATS} repeats, outcomes in memory")
    for name in SETS:
        spent, figures = ours[name]
        line = f"  {name:9} llmops {1000 * spent:8.1f} ms"
        if theirs is not None:
            their = theirs[name]["seconds"]
            same = "same figures" if theirs[name]["figures"] == figures else "OTHER FIGURES"
            line += f"   RouteLLM {1000 * their:8.1f} ms  {their / spent:6.1f}x  {same}"
        print(line)
    if theirs is None:
        print("  RouteLLM: not installed (ROUTELLM), not compared")
        return
    total = sum(found["seconds"] for found in theirs.values())
    mine = sum(spent for spent, _ in ours.values())
    print(f"  together  llmops {1000 * mine:8.1f} ms   RouteLLM {1000 * total:8.1f} ms  ", end="")
    print(f"{total / mine:6.1f}x")


def win_rates(rows: int) -> list[list[float]]:
    """What the random router draws, as RouteLLM seeds it."""
    draw = random.Random(0)  # noqa: S311 - the published draws
    return [[draw.uniform(0, 1) for _ in range(rows)] for _ in range(REPEATS)]


def evaluated(
    drawn: list[list[float]], weak: np.ndarray, strong: np.ndarray
) -> tuple[float, list[str]]:
    """Least processor seconds of our evaluation, and its figures as RouteLLM prints them."""
    from llmops_cli.judge.routing_curve import (  # noqa: PLC0415 - timed apart
        RoutingCurve,
        routing_curve,
    )

    scores = [np.array(one) for one in drawn]
    best, figures = float("inf"), list[str]()
    for _ in range(RUNS):
        start = time.process_time()
        found = [routing_curve(score, weak, strong) for score in scores]
        mean = np.mean([curve.quality for curve in found], axis=0)
        curve = RoutingCurve(found[0].share, mean, found[0].weak, found[0].strong)
        calls = [curve.call_threshold(part) for part in (0.2, 0.5, 0.8)]
        figures = [*(f"{100 * call:.2f}%" for call in calls), f"{curve.average_recovered:.6f}"]
        best = min(best, time.process_time() - start)
    return best, figures


def routellm(folder: Path, drawn: dict[str, list[list[float]]]) -> dict[str, dict] | None:
    """What its own evaluation took and found, in a process of its own; None where not installed."""
    where = os.environ.get("ROUTELLM")
    if where is None and importlib.util.find_spec("routellm") is None:
        return None
    rates = folder / "win_rates.json"
    rates.write_text(json.dumps(drawn), "utf-8")
    script = Path(__file__).with_name("rival_routellm.py")
    done = subprocess.run(
        [sys.executable, str(script), str(DATA / "routellm"), str(folder / "routellm"), str(rates)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **({"PYTHONPATH": where} if where else {})},
    )
    return json.loads(done.stdout)


def main() -> None:
    """Print both parts."""
    folder = Path(".bench")
    folder.mkdir(exist_ok=True)
    audits(folder)
    curves(folder)


if __name__ == "__main__":
    main()
