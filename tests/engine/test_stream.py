"""stream: results one by one in part order, whatever the workers, and nothing lost with one."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from llmops_cli.engine import stream
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


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_in_the_order_of_the_parts(kernels: ModuleType, jobs: int) -> None:
    assert list(stream(kernels.listed, range(23), jobs=jobs)) == [[part] for part in range(23)]


def test_one_job_works_only_when_it_is_asked_to() -> None:
    seen: list[int] = []
    results = stream(lambda part: seen.append(part) or part, range(9))
    assert seen == []
    assert next(results) == 0
    assert seen == [0]


def test_no_parts_give_nothing() -> None:
    assert list(stream(float, list[float](), jobs=3)) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_parts_may_be_kept_in_this_process(kernels: ModuleType, jobs: int) -> None:
    process = os.getpid()

    def here(part: int) -> Iterator[list[int]] | None:
        return iter([[part, os.getpid()]] * 2) if part % 3 == 0 else None

    expected: list[list[int]] = []
    for part in range(8):
        expected += [[part, process]] * 2 if part % 3 == 0 else [[part]]
    assert list(stream(kernels.listed, range(8), jobs=jobs, here=here)) == expected


def test_kept_parts_are_begun_when_their_turn_comes(kernels: ModuleType) -> None:
    begun: list[int] = []

    def kept(part: int) -> Iterator[list[int]]:
        begun.append(part)
        yield [part]

    results = stream(
        kernels.listed, range(9), jobs=2, here=lambda part: kept(part) if part > 4 else None
    )
    assert [next(results) for _ in range(5)] == [[part] for part in range(5)]
    assert begun == []
    assert [*results] == [[part] for part in range(5, 9)]
    assert begun == [5, 6, 7, 8]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_refusal_arrives_whole_and_behind_what_came_before(
    kernels: ModuleType, jobs: int
) -> None:
    results = stream(kernels.refused, range(4), jobs=jobs)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(LlmopsError) as refusal:
        next(results)
    error = refusal.value
    assert (error.slug, error.message, error.hint) == ("test-refusal", "no", "h")
    assert (error.file, error.line, error.exit_code) == ("f", 7, ExitCode.USAGE)


@pytest.mark.parametrize("jobs", [1, 2])
def test_any_other_error_arrives_as_itself(kernels: ModuleType, jobs: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(stream(kernels.divided, [1, 0], jobs=jobs))


def test_an_error_that_cannot_travel_is_named_without_its_text(kernels: ModuleType) -> None:
    with pytest.raises(RuntimeError, match=r"^UnpicklableError in a worker process$") as error:
        list(stream(kernels.broken, [0, 1], jobs=2))
    assert "secret" not in str(error.value)


def test_whoever_stops_asking_stops_the_workers(kernels: ModuleType) -> None:
    results = stream(kernels.listed, range(1000), jobs=2)
    assert next(results) == [0]
    results.close()
    with pytest.raises(StopIteration):
        next(results)


@pytest.mark.parametrize("kept", [None, 0, 3])
def test_the_parts_of_a_killed_worker_are_done_again(
    kernels: ModuleType, tmp_path: Path, kept: int | None
) -> None:
    parts = [(number, str(tmp_path / "killed")) for number in range(9)]

    def here(part: tuple[int, str]) -> list[list[int]] | None:
        return [[part[0]], [part[0]]] if part[0] == kept else None

    expected = [[number] for number in range(9) for _ in range(2 if number == kept else 1)]
    assert list(stream(kernels.killed_once, parts, jobs=2, here=here)) == expected
    assert (tmp_path / "killed").exists()


def test_workers_that_keep_dying_are_an_error_with_a_way_out(kernels: ModuleType) -> None:
    with pytest.raises(LlmopsError, match="3 times with 2 of 2 parts") as refusal:
        list(stream(kernels.killed_always, [0, 0], jobs=2))
    assert refusal.value.slug == "engine-worker-died"
    assert refusal.value.exit_code is ExitCode.BUG
    assert "--jobs" in refusal.value.hint


@pytest.mark.parametrize("jobs", [0, -1])
def test_no_workers_is_a_usage_error(jobs: int) -> None:
    with pytest.raises(LlmopsError) as refusal:
        next(stream(float, [1], jobs=jobs))
    assert (refusal.value.slug, refusal.value.exit_code) == ("engine-no-jobs", ExitCode.USAGE)


@pytest.mark.parametrize("jobs", [2, 3])
def test_this_process_takes_parts_while_it_would_wait(kernels: ModuleType, jobs: int) -> None:
    found = list(stream(kernels.whose, range(40), jobs=jobs, along=kernels.whose))
    assert [part for part, _ in found] == list(range(40))
    processes = {process for _, process in found}
    # Workers take their time to start; this process does not wait for them.
    assert os.getpid() in processes
    assert len(processes) <= jobs


def test_this_process_does_not_wait_for_workers_that_still_start(kernels: ModuleType) -> None:
    results = stream(kernels.whose, range(40), jobs=2, along=kernels.whose)
    assert [next(results) for _ in range(3)] == [(part, os.getpid()) for part in range(3)]
    results.close()


def test_what_this_process_came_upon_is_raised_when_its_turn_comes(kernels: ModuleType) -> None:
    results = stream(kernels.divided, [1, 2, 4, 5, 0, 8], jobs=2, along=kernels.divided)
    assert [next(results) for _ in range(4)] == [1, 0.5, 0.25, 0.2]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_parts_of_a_killed_worker_are_done_again_beside_this_process(
    kernels: ModuleType, tmp_path: Path
) -> None:
    parts = [(number, str(tmp_path / "killed"), os.getpid()) for number in range(30)]
    found = list(
        stream(kernels.killed_once_elsewhere, parts, jobs=2, along=kernels.killed_once_elsewhere)
    )
    assert found == [[number] for number in range(30)]
    assert (tmp_path / "killed").exists()


def test_every_worker_is_prepared_and_this_process_is_not(
    kernels: ModuleType, tmp_path: Path
) -> None:
    parts = [str(tmp_path)] * 12
    found = list(
        stream(kernels.prepared, parts, jobs=3, along=kernels.prepared, prepare=kernels.prepare)
    )
    assert {process for process, _ in found} != {os.getpid()}
    assert all(ready is (process != os.getpid()) for process, ready in found)
