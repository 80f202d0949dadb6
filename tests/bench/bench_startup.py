"""How long ``llmops --help`` takes, against the bare interpreter of the same run."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench_judge import installed

RUNS = 11
SURROUNDINGS = installed(Path(".bench"))


def cpu_and_wall_ms(*arguments: str) -> tuple[float, float]:
    """Median CPU (user + system) and wall milliseconds of one Python process."""
    cpu: list[float] = []
    wall: list[float] = []
    for _ in range(RUNS):
        before, start = os.times(), time.perf_counter()
        subprocess.run(
            [sys.executable, *arguments], capture_output=True, check=True, env=SURROUNDINGS
        )
        after, end = os.times(), time.perf_counter()
        spent = (after.children_user - before.children_user) + (
            after.children_system - before.children_system
        )
        cpu.append(1000 * spent)
        wall.append(1000 * (end - start))
    return statistics.median(cpu), statistics.median(wall)


def main() -> None:
    """Print the two processes side by side; the aim is 150 ms of CPU for the help."""
    bare_cpu, bare_wall = cpu_and_wall_ms("-c", "pass")
    help_cpu, help_wall = cpu_and_wall_ms("-m", "llmops_cli", "--help")
    print("startup")
    print(f"  bare interpreter   {bare_cpu:6.0f} ms CPU  {bare_wall:6.0f} ms wall")
    print(
        f"  llmops --help      {help_cpu:6.0f} ms CPU  {help_wall:6.0f} ms wall  (aim 150 ms CPU)"
    )
    print(
        f"  ratio              {help_cpu / bare_cpu:6.1f}x CPU   {help_wall / bare_wall:6.1f}x wall"
    )


if __name__ == "__main__":
    main()
