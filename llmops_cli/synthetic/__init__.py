"""Deterministic logs with planted truths: for datasets/, tests and benchmarks.

Nothing here is taken from anywhere: text, times, verdicts and outcomes are drawn from seeded
generators, and what is planted is written beside each data set.
"""

from llmops_cli.synthetic.catalogue import DATASETS, PUBLIC, Dataset, PublicData, make

__all__ = ["DATASETS", "PUBLIC", "Dataset", "PublicData", "make"]
