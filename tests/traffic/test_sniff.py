"""Sniffing: each format is told from its own lines, in whatever company."""

import json
from itertools import permutations, zip_longest
from pathlib import Path
from typing import Any

import pytest

from llmops_cli import read_calls
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic import FORMATS, Options, Reading
from llmops_cli.traffic.sniff import sniff

Line = dict[str, Any]
TYPICAL: dict[str, list[Line]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "typical_lines.json").read_bytes()
)


def log(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def found(path: Path, name: str = "auto") -> tuple[dict[str, int], dict[str, int], int]:
    """Calls by format, rows that are rightly none by what they are, and bad rows."""
    reading = Reading([path], Options(format=name))
    for _ in reading.tables(required=False):
        pass
    return dict(reading.formats), dict(reading.skipped), len(reading.quarantine.rows)


def test_there_are_typical_lines_of_every_format() -> None:
    assert TYPICAL.keys() == FORMATS.keys()


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in TYPICAL.items() for line in lines]
)
def test_a_line_is_told_from_what_it_holds(name: str, line: Line) -> None:
    assert sniff(json.dumps(line).encode()) == name


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in TYPICAL.items() for line in lines]
)
def test_the_order_of_keys_says_nothing(name: str, line: Line) -> None:
    assert sniff(json.dumps(dict(reversed(line.items()))).encode()) == name


@pytest.mark.parametrize(("before", "after"), list(permutations(TYPICAL, 2)))
def test_a_format_is_told_right_behind_any_other(tmp_path: Path, before: str, after: str) -> None:
    alone = [found(log(tmp_path / f"{name}.jsonl", *TYPICAL[name])) for name in (before, after)]
    both = found(log(tmp_path / "both.jsonl", *TYPICAL[before], *TYPICAL[after]))
    assert both[0] == alone[0][0] | alone[1][0]
    assert sum(both[1].values()) == sum(sum(each[1].values()) for each in alone)
    assert both[2] == 0


def test_a_file_may_change_its_format_with_every_line(tmp_path: Path) -> None:
    lines = [line for turn in zip_longest(*TYPICAL.values()) for line in turn if line]
    formats, _, bad = found(log(tmp_path / "mixed.jsonl", *lines, *reversed(lines)))
    assert bad == 0
    assert formats.keys() == TYPICAL.keys()


def test_a_folder_may_hold_every_format(tmp_path: Path) -> None:
    for name, lines in TYPICAL.items():
        log(tmp_path / f"{name}.jsonl", *lines)
    together = read_calls([tmp_path])
    assert together.bad_count == 0
    assert together.formats.keys() == TYPICAL.keys()
    apart = [read_calls([tmp_path / f"{name}.jsonl"]).calls for name in sorted(TYPICAL)]
    assert len(together.calls) == sum(map(len, apart))


@pytest.mark.parametrize("name", list(TYPICAL))
def test_naming_the_format_reads_the_same(tmp_path: Path, name: str) -> None:
    path = log(tmp_path / "a.jsonl", *TYPICAL[name])
    assert found(path, name) == found(path)


@pytest.mark.parametrize("name", list(TYPICAL))
def test_a_named_format_makes_no_calls_of_what_says_nothing(tmp_path: Path, name: str) -> None:
    path = log(tmp_path / "a.jsonl", {"level": "info", "msg": "started"}, *TYPICAL[name])
    formats, skipped, bad = found(path, name)
    right, rightly, _ = found(log(tmp_path / "b.jsonl", *TYPICAL[name]))
    assert formats == right
    assert bad + sum(skipped.values()) == 1 + sum(rightly.values())


def test_a_named_format_overrides_what_the_line_looks_like(tmp_path: Path) -> None:
    # A gateway in front of another vendor's API, whose model is called as one of Anthropic's.
    line = {
        "request": {"model": "claude-like", "messages": [{"role": "developer", "content": "x"}]}
    }
    path = log(tmp_path / "a.jsonl", line)
    assert found(path)[0] == {}
    assert found(path, "openai-chat")[0] == {"openai-chat": 1}


@pytest.mark.parametrize(
    ("line", "slug"),
    [
        ({"level": "info", "msg": "started"}, "traffic-unknown-format"),
        ({}, "traffic-unknown-format"),
        ([], "traffic-json-array"),
        ("text", "calls-bad-value"),
        (5, "calls-bad-value"),
        (None, "calls-bad-value"),
    ],
)
def test_lines_of_no_format_are_quarantined(tmp_path: Path, line: object, slug: str) -> None:
    path = log(tmp_path / "a.jsonl", *TYPICAL["openai-chat"], line)
    traffic = read_calls([path])
    assert [(row.line, row.slug) for row in traffic.bad_rows] == [(2, slug)]
    assert traffic.formats == {"openai-chat": 1}


@pytest.mark.parametrize("name", ["", "json", "OTLP-JSON", "anthropic"])
def test_a_format_that_is_none_is_refused_with_the_names_of_all(tmp_path: Path, name: str) -> None:
    path = log(tmp_path / "a.jsonl", *TYPICAL["openai-chat"])
    with pytest.raises(LlmopsError) as refusal:
        read_calls([path], format=name)
    assert (refusal.value.slug, refusal.value.exit_code) == (
        "traffic-unknown-format",
        ExitCode.USAGE,
    )
    assert all(known in refusal.value.hint for known in FORMATS)
