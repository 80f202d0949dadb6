"""``--export NAME=PATH``: each name and each file once."""

from pathlib import Path

import pytest

from llmops_cli.cli.exports_option import exports_of
from llmops_cli.errors import ExitCode, LlmopsError

KNOWN = {"litellm": 1, "portkey": 2}


def test_files_are_found_by_the_name_of_the_export(tmp_path: Path) -> None:
    one, two = tmp_path / "a.yaml", tmp_path / "b.json"
    found = exports_of([f"litellm={one}", f"portkey={two}"], KNOWN)
    assert found == {"litellm": one, "portkey": two}
    assert exports_of(None, KNOWN) == {}


@pytest.mark.parametrize(
    ("given", "slug"),
    [
        (("litellm=a.yaml", "litellm=b.yaml"), "option-twice"),
        (("litellm=a.yaml", "litellm=a.yaml"), "option-twice"),
        (("litellm=a.yaml", "portkey=./a.yaml"), "output-twice"),
        (("litelm=a.yaml",), "export-unknown"),
        (("litellm=none/a.yaml",), "output-unwritable"),
    ],
)
def test_what_would_be_lost_in_silence_is_refused(
    given: tuple[str, ...], slug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LlmopsError) as caught:
        exports_of(given, KNOWN)
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)
    assert not list(tmp_path.iterdir())
