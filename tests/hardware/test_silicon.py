"""The roofline against measured serving systems: its error is printed, recorded and bounded."""

import csv
import sys
from pathlib import Path

import pytest

from llmops_cli.hardware.silicon import SiliconRow, error_of, roofline_error, silicon_errors


@pytest.fixture(scope="module")
def compared(request: pytest.FixtureRequest) -> tuple[SiliconRow, ...]:
    folder: Path = request.getfixturevalue("public_data")
    with (folder / "silicon" / "silicon_refs.csv").open(encoding="utf-8") as file:
        return silicon_errors(list(csv.DictReader(file)))


def test_every_measured_system_is_described(compared: tuple[SiliconRow, ...]) -> None:
    for row in compared:  # pytest -s shows it
        shown = "not described" if row.error is None else f"{row.error:+7.1%}"
        told = f"{row.name:64} {row.measure} {1e3 * row.measured_s:10.2f} ms {shown}"
        sys.stdout.write(told + "\n")
    assert len(compared) == 2 * 35
    assert all(row.error is not None for row in compared)


@pytest.mark.parametrize("measure", ["tpot", "ttft"])
def test_the_recorded_error_is_the_computed_one(
    compared: tuple[SiliconRow, ...], measure: str
) -> None:
    recorded, computed = roofline_error(measure), error_of(compared, measure)
    assert recorded.rows == computed.rows
    assert recorded.median == pytest.approx(computed.median, abs=1e-3)
    assert recorded.p90 == pytest.approx(computed.p90, abs=1e-3)


def test_a_token_is_within_a_quarter_in_half_of_the_systems(
    compared: tuple[SiliconRow, ...],
) -> None:
    assert error_of(compared, "tpot").median < 0.25


def test_waiting_makes_every_first_token_later_than_the_roofline(
    compared: tuple[SiliconRow, ...],
) -> None:
    assert all(row.error < 0 for row in compared if row.measure == "ttft")


def test_a_row_of_an_unknown_machine_says_why_it_is_left_out() -> None:
    row = {
        "model_path": "meta-llama/Llama-3.1-8B", "system": "tpu_v7", "backend": "vllm",
        "mode": "agg", "isl": "1024", "osl": "128",
        "silicon_tpot_ms": "10", "silicon_ttft_ms": "100",
    }  # fmt: skip
    tpot, ttft = silicon_errors([row])
    assert tpot.error is None
    assert "tpu_v7" in tpot.reason
    assert ttft.measured_s == 0.1
