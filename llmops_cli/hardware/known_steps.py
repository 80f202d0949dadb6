"""Step times that others publish, by name: coefficients as data."""

from functools import cache

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.hardware.step_time import StepForm, StepTime
from llmops_cli.yaml_text import shipped_yaml

__all__ = ["known_step", "known_steps"]


@cache
def known_steps() -> dict[str, StepTime]:
    """Every published step time, by its names."""
    import numpy as np  # noqa: PLC0415 - as the parser, only for who asks

    found: dict[str, StepTime] = {}
    for row in shipped_yaml("hardware", "known_steps.yaml"):
        step = StepTime(
            name=row["name"],
            form=StepForm[row["form"].upper()],
            coefficients=np.array(row["coefficients"], np.float64),
            source=row["source"],
        )
        found.update(dict.fromkeys((row["name"], *row.get("aliases", ())), step))
    return found


def known_step(name: str) -> StepTime:
    """A published step time.

    Raises:
        LlmopsError: ``hardware-unknown-step``.
    """
    step = known_steps().get(name.lower())
    if step is None:
        raise LlmopsError(
            "hardware-unknown-step",
            f"no step time is named '{name}'",
            hint=f"one of {', '.join(dict.fromkeys(s.name for s in known_steps().values()))}",
            exit_code=ExitCode.USAGE,
        )
    return step
