"""Configuration: the nearest file, overrides, unknown keys, files that cannot be read."""

from pathlib import Path

import pytest

from llmops_cli.config import find_config, load_config
from llmops_cli.errors import ExitCode, LlmopsError

KNOWN = ["seed", "judge-eval.threshold", "judge-eval.against"]


def write(folder: Path, text: str) -> Path:
    path = folder / "llmops.yaml"
    path.write_text(text)
    return path


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_config(deep) is None
    upper = write(tmp_path, "")
    assert find_config(deep) == upper
    nearer = write(tmp_path / "a", "")
    assert find_config(deep) == nearer


def test_later_settings_win_and_know_their_origin(tmp_path: Path) -> None:
    path = write(tmp_path, "seed: 3\njudge-eval:\n  threshold: 0.85\n")
    config = load_config(KNOWN, path=path, overrides=["seed=7"])
    seed, threshold = config.get("seed"), config.get("judge-eval.threshold")
    assert seed is not None
    assert threshold is not None
    assert (seed.value, seed.origin) == (7, "--config seed=7")
    assert (threshold.value, threshold.origin) == (0.85, str(path))
    assert config.get("judge-eval.against") is None


def test_an_override_beats_the_file_even_where_that_is_more_specific(tmp_path: Path) -> None:
    path = write(tmp_path, "judge-eval:\n  seed: 1\n")
    config = load_config(["seed", "judge-eval.seed"], path=path, overrides=["seed=2"])
    winner = config.winner("judge-eval.seed", "seed")
    assert winner is not None
    assert winner.value == 2


@pytest.mark.parametrize(
    ("text", "slug", "hint"),
    [
        ("sede: 1", "config-unknown-key", "did you mean 'seed'?"),
        ("judge-eval: {treshold: 1}", "config-unknown-key", "did you mean 'judge-eval.threshold'?"),
        ("a: [", "config-unreadable", ""),
        ("- 1", "config-unreadable", ""),
    ],
)
def test_bad_files_are_usage_errors(tmp_path: Path, text: str, slug: str, hint: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        load_config(KNOWN, path=write(tmp_path, text))
    assert (caught.value.slug, caught.value.hint) == (slug, hint)
    assert caught.value.exit_code is ExitCode.USAGE


def test_an_absent_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(LlmopsError) as caught:
        load_config(KNOWN, path=tmp_path / "absent.yaml")
    assert caught.value.slug == "config-unreadable"


def test_the_setting_on_needs_no_quotes(tmp_path: Path) -> None:
    path = write(tmp_path, "prices:\n  show:\n    on: 2026-11-01\n")
    found = load_config(["prices.show.on"], path=path).get("prices.show.on")
    assert found is not None
    assert found.value == "2026-11-01"


def test_an_empty_file_is_no_settings(tmp_path: Path) -> None:
    assert load_config(KNOWN, path=write(tmp_path, "# nothing\n")).settings == ()
