"""The committed data sets: made by the package, small, and listed with their checksums."""

import gzip
import hashlib
from pathlib import Path

import pytest

from llmops_cli.synthetic import DATASETS, PUBLIC, make


def content(path: Path, data: bytes) -> bytes:
    # Compressed bytes depend on the zlib of the day; what is inside does not.
    return gzip.decompress(data) if path.suffix == ".gz" else data


@pytest.mark.parametrize("name", DATASETS)
def test_each_file_is_what_the_package_makes(datasets: Path, name: str) -> None:
    path = datasets / DATASETS[name].file
    assert content(path, path.read_bytes()) == content(path, make(name))


def test_checksums_match_and_nothing_is_unlisted(datasets: Path) -> None:
    listed = dict(
        reversed(line.split("  ")) for line in (datasets / "SHA256SUMS").read_text().splitlines()
    )
    files = {path.name for path in datasets.iterdir()} - {"README.md", "SHA256SUMS"}
    assert listed.keys() == files
    for name, digest in listed.items():
        assert hashlib.sha256((datasets / name).read_bytes()).hexdigest() == digest


def test_all_of_it_is_at_most_two_megabytes(datasets: Path) -> None:
    assert sum(path.stat().st_size for path in datasets.iterdir()) <= 2_000_000


def test_the_catalogue_names_every_set(datasets: Path) -> None:
    catalogue = (datasets / "README.md").read_text()
    for name, item in DATASETS.items():
        assert item.file in catalogue
        for truth, value in item.truths.items():
            assert f"{truth} {value:g}" in catalogue, (name, truth)
    for item in PUBLIC:
        assert item.convert in catalogue
