"""Public data sets become logs and decision files that our commands read.

One file per source; each says in its docstring what it assumes where the source is silent.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from llmops_cli.traffic.convert.routellm import convert_gsm8k
from llmops_cli.traffic.convert.tau_bench import convert_tau_bench

__all__ = ["CONVERTERS", "convert_gsm8k", "convert_tau_bench"]

CONVERTERS: Mapping[str, Callable[[Path], str]] = {
    "routellm-gsm8k": convert_gsm8k,
    "tau-bench": convert_tau_bench,
}
"""From the name of a public data set to the function that reads its file or folder."""
