"""One frozen report in every form: a change of looks is seen before it is shipped.

After a wanted change: GOLDEN=write pytest tests/views/test_golden.py, and read the diff.
"""

import os
from pathlib import Path

import pytest

from llmops_cli.report import Report
from llmops_cli.views import FORMATS, Look, render
from llmops_cli.views.json import parse

GOLDEN = Path(__file__).parents[1] / "golden"
ENDINGS = {
    "text": "txt",
    "json": "json",
    "markdown": "md",
    "html": "html",
    "junit": "xml",
    "github": "github",
    "sarif": "sarif",
}


@pytest.fixture(scope="module")
def report() -> Report:
    return parse((GOLDEN / "report-1.json").read_bytes(), "report-1.json")


def same(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_every_form_looks_as_it_did(report: Report, name: str) -> None:
    same(f"report-1.{ENDINGS[name]}", render(report, name))


def test_explained_and_in_full_it_looks_as_it_did(report: Report) -> None:
    look = Look(explain=True, verbose=True)
    same("report-1.full.txt", render(report, "text", look))


def test_the_frozen_sample_of_schema_1_is_still_read(report: Report) -> None:
    assert report.schema == "llmops.report/1"
    assert render(report, "json") == (GOLDEN / "report-1.json").read_text("utf-8")
