"""What all tests of readers begin with."""

import pytest

from llmops_cli.traffic import by_column


@pytest.fixture(autouse=True)
def unlearned() -> None:
    """Each test begins without the templates of another."""
    by_column.learned.cache_clear()
