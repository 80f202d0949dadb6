"""gbstats' sequential test, look by look, on counts that bench_rollout.py hands over as a file.

Runs under another Python: gbstats wants an older numpy than ours. It prints, as JSON, the seconds
it took and the look at which each run went back, -1 for none.
"""

import json
import sys
import time

import numpy as np
from gbstats.frequentist.tests import SequentialConfig, SequentialTwoSidedTTest
from gbstats.models.statistics import ProportionStatistic


def goes_back(old: ProportionStatistic, new: ProportionStatistic, config: SequentialConfig) -> bool:
    """Whether the whole interval of the absolute difference lies on the worse side."""
    return SequentialTwoSidedTTest(old, new, config).compute_result().ci[0] > 0


def walk(run: list[list[list[float]]], config: SequentialConfig) -> int:
    """The first look of a run at which any guardrail goes back; -1 for none."""
    for look, guardrails in enumerate(run):
        for requests, bad, beside, bad_beside in guardrails:
            old = ProportionStatistic(n=beside, sum=bad_beside)
            new = ProportionStatistic(n=requests, sum=bad)
            if goes_back(old, new, config):
                return look
    return -1


def main() -> None:
    """Read the counts, walk every run, say how long it took."""
    with np.load(sys.argv[1]) as given:
        counts, alpha, tuned_at = given["counts"].tolist(), given["alpha"], given["tuned_at"]
    config = SequentialConfig(
        difference_type="absolute",
        alpha=float(alpha),
        sequential_tuning_parameter=float(tuned_at),
    )
    start = time.process_time()
    looks = [walk(run, config) for run in counts]
    print(json.dumps({"seconds": time.process_time() - start, "looks": looks}))


if __name__ == "__main__":
    main()
