"""Every rule, case and bound of the project's caching reference is cited by a test."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = [
    *(TESTS / "cache").glob("test_*.py"),
    *(TESTS / "prices").glob("test_*.py"),
    TESTS / "claims" / "test_anthropic_caching.py",
    TESTS / "properties" / "test_cache_replay.py",
]
RULES = Path(__file__).parents[2] / "llmops_cli" / "cache"

IDS = [
    *(f"R{number}" for number in range(1, 23)),
    *(f"A{number}" for number in range(1, 16)),
    *(f"O{number}" for number in range(1, 4)),
    "X1",
    *(f"LB{number}" for number in range(4)),
    *(f"trap_{number}" for number in range(1, 5)),
]


@pytest.mark.parametrize("name", IDS)
def test_it_is_cited_by_a_test(name: str) -> None:
    cited = re.compile(rf"(?<![A-Za-z0-9]){name}(?![0-9])", re.IGNORECASE)
    files = [path for path in FILES if path.name != Path(__file__).name]
    assert any(cited.search(path.read_text(encoding="utf-8")) for path in files)


def test_the_replay_cites_only_rules_that_exist() -> None:
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for pattern in ("*.py", "*.yaml")
        for path in RULES.glob(pattern)
    )
    cited = {int(number) for number in re.findall(r"(?<![A-Za-z0-9])R(\d+)\b", text)}
    assert cited
    assert cited <= set(range(1, 23))
