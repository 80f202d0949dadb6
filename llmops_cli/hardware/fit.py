"""Measured steps become a step time, with its error on rows it was not fitted to."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.hardware.catalogue import Gpu, ModelShape
from llmops_cli.hardware.iteration import Load, seconds
from llmops_cli.hardware.roofline import Deployment, Efficiency, roofline
from llmops_cli.hardware.step_time import StepForm, StepTime

__all__ = ["Fitted", "Measured", "fit_affine", "fit_roofline", "load_of_measured"]

Floats = npt.NDArray[np.float64]

FOLDS = 5
LEAST_ROWS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Steps that somebody timed; float64 arrays of the same length.

    Attributes:
        batch: sequences in the step.
        tokens: new ones of each sequence: 1 in decode, more in prefill or verification.
        context: tokens before them, of each sequence.
        seconds: that the step took.
        source: file or publication.
    """

    batch: Floats
    tokens: Floats
    context: Floats
    seconds: Floats
    source: str = ""

    def __len__(self) -> int:
        """How many steps."""
        return len(self.seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """A fitted step time.

    Attributes:
        step: the step time, fitted to all rows.
        median_error: of held-out rows, share of the measured time.
        p90_error: the same, of nine rows in ten.
        rows: measured.
    """

    step: StepTime
    median_error: float
    p90_error: float
    rows: int


def load_of_measured(measured: Measured) -> Load:
    """The sums of every measured step: one new token is decode, more are a chunk."""
    chunk = measured.tokens > 1
    new = np.where(chunk, measured.batch * measured.tokens, 0.0)
    context = measured.batch * measured.context
    return Load(
        chunks=np.where(chunk, measured.batch, 0.0),
        new_tokens=new,
        new_pairs=new * (measured.context + measured.tokens / 2),
        new_context=np.where(chunk, context, 0.0),
        decoding=np.where(chunk, 0.0, measured.batch),
        decode_context=np.where(chunk, 0.0, context),
    )


def fit_affine(measured: Measured, name: str = "measured steps") -> Fitted:
    """A plane through measured steps: relative least squares, no coefficient below 0.

    Raises:
        LlmopsError: ``hardware-few-steps``.
    """

    def fit(rows: Measured) -> StepTime:
        from scipy.optimize import nnls  # noqa: PLC0415 - only fitting pays for scipy

        load = load_of_measured(rows)
        columns = (
            np.column_stack(
                [
                    np.ones(len(rows)),
                    np.asarray(load.new_tokens),
                    np.asarray(load.new_pairs),
                    np.asarray(load.decoding),
                    np.asarray(load.decode_context),
                ]
            )
            / rows.seconds[:, None]
        )
        # Columns of one size, or the solver drops the small coefficients of the large ones.
        scale = np.maximum(np.abs(columns).max(axis=0), np.finfo(np.float64).tiny)
        found, _ = nnls(columns / scale, np.ones(len(rows)))
        return StepTime(
            name=name, form=StepForm.AFFINE, coefficients=found / scale, source=measured.source
        )

    return _held_out(measured, fit)


def fit_roofline(
    measured: Measured, model: ModelShape, gpu: Gpu, deployment: Deployment | None = None
) -> Fitted:
    """The efficiencies and the overhead of a roofline that come nearest to measured steps.

    Raises:
        LlmopsError: ``hardware-few-steps``.
    """
    given = deployment or Deployment()

    def fit(rows: Measured) -> StepTime:
        from scipy.optimize import least_squares  # noqa: PLC0415 - as fit_affine

        load = load_of_measured(rows)

        def step_at(x: Floats) -> StepTime:
            reached = Efficiency(
                compute=float(x[0]),
                memory=float(x[1]),
                overhead_s=float(x[2]),
                all_reduce_s=given.efficiency.all_reduce_s,
            )
            return roofline(model, gpu, replace(given, efficiency=reached))

        def errors(x: Floats) -> Floats:
            return seconds(step_at(x), load) / rows.seconds - 1

        quickest = float(rows.seconds.min())
        bounds = ([0.02, 0.02, 0.0], [1.0, 1.0, quickest])
        starts = [(c, m, o * quickest) for c in (0.3, 0.6) for m in (0.4, 0.8) for o in (0.1, 0.6)]
        tried = [least_squares(errors, start, bounds=bounds, x_scale=(1, 1, quickest))
                 for start in starts]  # fmt: skip
        best = min(tried, key=lambda found: float(found.cost))
        step = step_at(best.x)
        return replace(step, source=f"roofline fitted to {measured.source}; {step.source}")

    return _held_out(measured, fit)


def _held_out(measured: Measured, fit: Callable[[Measured], StepTime]) -> Fitted:
    if len(measured) < LEAST_ROWS:
        raise LlmopsError(
            "hardware-few-steps",
            f"{len(measured)} measured steps are too few to fit a step time and to check it",
            hint=f"{LEAST_ROWS} or more, over the batches and contexts that are served",
            file=measured.source,
        )
    fold = np.arange(len(measured)) % FOLDS
    errors = np.empty(len(measured))
    for number in range(FOLDS):
        out = fold == number
        step = fit(_rows(measured, ~out))
        held = _rows(measured, out)
        errors[out] = np.abs(seconds(step, load_of_measured(held)) / held.seconds - 1)
    return Fitted(
        step=fit(measured),
        median_error=float(np.median(errors)),
        p90_error=float(np.quantile(errors, 0.9)),
        rows=len(measured),
    )


def _rows(measured: Measured, which: npt.NDArray[np.bool_]) -> Measured:
    return Measured(
        batch=measured.batch[which],
        tokens=measured.tokens[which],
        context=measured.context[which],
        seconds=measured.seconds[which],
        source=measured.source,
    )
