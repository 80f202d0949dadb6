"""map_merge: the same answer whatever the workers, and nothing lost when one dies."""

import importlib.util
import sys
from collections.abc import Iterator
from operator import add
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.engine import map_merge
from llmops_cli.errors import ExitCode, LlmopsError


@pytest.fixture(scope="module")
def kernels() -> Iterator[ModuleType]:
    """The module of kernels, importable by name in this process and in spawned ones."""
    here = Path(__file__).parent
    sys.path.insert(0, str(here))
    spec = importlib.util.find_spec("kernels")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kernels"] = module
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(here))
    del sys.modules["kernels"]


PARTS = [[0.1 * number, 1e16 / (number + 1), -3.3] for number in range(17)]


def test_two_workers_agree_to_the_last_digit(kernels: ModuleType) -> None:
    alone = map_merge(kernels.summed, PARTS, add)
    assert map_merge(kernels.summed, PARTS, add, jobs=2) == alone


def test_merging_follows_the_order_of_parts(kernels: ModuleType) -> None:
    assert map_merge(kernels.listed, range(30), add, jobs=2) == list(range(30))


@given(st.lists(st.floats(-1e300, 1e300), min_size=1))
def test_one_job_is_a_left_fold(parts: list[float]) -> None:
    expected = parts[0]
    for part in parts[1:]:
        expected = expected - part / 3
    assert map_merge(float, parts, lambda left, right: left - right / 3) == expected


def test_a_single_part_stays_in_this_process() -> None:
    seen: list[int] = []
    assert map_merge(lambda part: seen.append(part) or part, [5], add, jobs=8) == 5
    assert seen == [5]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_refusal_arrives_whole(kernels: ModuleType, jobs: int) -> None:
    with pytest.raises(LlmopsError) as refusal:
        map_merge(kernels.refused, range(4), add, jobs=jobs)
    error = refusal.value
    assert (error.slug, error.message, error.hint) == ("test-refusal", "no", "h")
    assert (error.file, error.line, error.exit_code) == ("f", 7, ExitCode.USAGE)


@pytest.mark.parametrize("jobs", [1, 2])
def test_any_other_error_arrives_as_itself(kernels: ModuleType, jobs: int) -> None:
    with pytest.raises(ZeroDivisionError):
        map_merge(kernels.divided, [1, 0], add, jobs=jobs)


def test_an_error_that_cannot_travel_is_named_without_its_text(kernels: ModuleType) -> None:
    with pytest.raises(RuntimeError, match=r"^UnpicklableError in a worker process$") as error:
        map_merge(kernels.broken, [0, 1], add, jobs=2)
    assert "secret" not in str(error.value)


def test_the_parts_of_a_killed_worker_are_done_again(kernels: ModuleType, tmp_path: Path) -> None:
    parts = [(number, str(tmp_path / "killed")) for number in range(5)]
    assert map_merge(kernels.killed_once, parts, add, jobs=2) == list(range(5))
    assert (tmp_path / "killed").exists()


def test_workers_that_keep_dying_are_an_error_with_a_way_out(kernels: ModuleType) -> None:
    with pytest.raises(LlmopsError, match="3 times") as refusal:
        map_merge(kernels.killed_always, [0, 0], add, jobs=2)
    assert refusal.value.slug == "engine-worker-died"
    assert refusal.value.exit_code is ExitCode.BUG
    assert "--jobs" in refusal.value.hint


def test_no_workers_is_a_usage_error() -> None:
    with pytest.raises(LlmopsError) as refusal:
        map_merge(float, [1], add, jobs=0)
    assert (refusal.value.slug, refusal.value.exit_code) == ("engine-no-jobs", ExitCode.USAGE)


def test_no_parts_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no parts"):
        map_merge(float, list[float](), add)
