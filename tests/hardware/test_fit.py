"""Step times fitted to measured steps: planted coefficients come back, and the error is honest."""

import numpy as np
import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.hardware.catalogue import gpu_named, model_named
from llmops_cli.hardware.fit import Measured, fit_affine, fit_roofline, load_of_measured
from llmops_cli.hardware.iteration import seconds
from llmops_cli.hardware.roofline import Deployment, Efficiency, roofline
from llmops_cli.hardware.step_time import StepForm, StepTime
from llmops_cli.traffic.step_times import read_step_times


def measured_by(step: StepTime, noise: float = 0.0, seed: int = 1) -> Measured:
    """A made-up table: decode and prefill steps of a known step time, with errors of a size."""
    grid = [(b, 1, c) for b in (1, 4, 16, 64, 256) for c in (128, 1024, 8192)]
    grid += [(1, n, c) for n in (5, 128, 1024, 8192) for c in (0, 4096)]
    grid += [(b, 5, 1024) for b in (4, 16, 64, 128)]
    batch, tokens, context = np.array(grid, np.float64).T
    made = Measured(batch=batch, tokens=tokens, context=context, seconds=np.ones(len(grid)))
    clean = seconds(step, load_of_measured(made))
    factor = np.exp(np.random.default_rng(seed).normal(0, noise, len(grid)))
    return Measured(batch=batch, tokens=tokens, context=context, seconds=clean * factor, source="t")


def test_a_planted_plane_comes_back() -> None:
    planted = np.array([0.004, 2e-5, 3e-10, 4e-5, 5e-9])
    step = StepTime(name="p", form=StepForm.AFFINE, coefficients=planted, source="")
    found = fit_affine(measured_by(step))
    assert found.step.coefficients == pytest.approx(planted, rel=1e-6)
    assert found.p90_error < 1e-6


def test_planted_efficiencies_come_back() -> None:
    model, gpu = model_named("Llama-3.1-8B"), gpu_named("H100")
    reached = Efficiency(compute=0.62, memory=0.81, overhead_s=0.0017)
    step = roofline(model, gpu, Deployment(efficiency=reached))
    found = fit_roofline(measured_by(step), model, gpu)
    assert found.step.coefficients == pytest.approx(step.coefficients, rel=1e-3)
    assert found.p90_error < 1e-3


def test_the_held_out_error_is_about_the_noise() -> None:
    model, gpu = model_named("Llama-3.1-8B"), gpu_named("H100")
    found = fit_roofline(measured_by(roofline(model, gpu), noise=0.1), model, gpu)
    assert 0.03 < found.median_error < 0.2
    assert found.rows == 27


def test_a_plane_is_shown_to_be_wrong_where_the_roof_bends() -> None:
    model, gpu = model_named("Llama-3.1-8B"), gpu_named("H100")
    exact = measured_by(roofline(model, gpu))
    assert fit_affine(exact).p90_error > 10 * fit_roofline(exact, model, gpu).p90_error


def test_few_steps_are_refused() -> None:
    rows = "\n".join(["batch,tokens,context,ms", *["1,1,100,10"] * 9])
    with pytest.raises(LlmopsError) as refused:
        fit_affine(read_step_times(rows.splitlines(), source="steps.csv"))
    assert (refused.value.slug, refused.value.file) == ("hardware-few-steps", "steps.csv")


def test_a_table_is_read_in_seconds() -> None:
    text = ["gpu,batch,tokens,context,ms", "H100,8,1,1000,12.5", "H100,1,512,0,30"]
    found = read_step_times(text, source="steps.csv")
    assert found.seconds.tolist() == [0.0125, 0.03]
    assert (found.batch.tolist(), found.tokens.tolist()) == ([8, 1], [1, 512])


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("0,1,100,10", "batch"),
        ("1,0,100,10", "tokens"),
        ("1,1,-1,10", "context"),
        ("1,1,1,0", "ms"),
        ("1,1,1,nan", "ms"),
        ("1,1,1", "ms"),
        ("one,1,1,5", "batch"),
    ],
)
def test_a_row_that_is_no_step_is_named(row: str, field: str) -> None:
    with pytest.raises(LlmopsError) as refused:
        read_step_times(["batch,tokens,context,ms", row], source="steps.csv")
    error = refused.value
    assert (error.slug, error.line, error.field) == ("steps-bad-row", 2, field)


@pytest.mark.parametrize(
    ("text", "slug"), [("batch,ms\n", "steps-no-header"), ("batch,tokens,context,ms", "steps-none")]
)
def test_a_file_without_steps_is_refused(text: str, slug: str) -> None:
    with pytest.raises(LlmopsError) as refused:
        read_step_times(text.splitlines(), source="steps.csv")
    assert refused.value.slug == slug
