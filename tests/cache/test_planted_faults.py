"""Traffic with one fault planted, read from a log file: the report names it first, with its fix."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmops_cli import cache_estimate, read_calls
from llmops_cli.cache import CacheParameters
from llmops_cli.report import Report, Verdict
from llmops_cli.synthetic.billing import Block, tokens_of, tool_text
from llmops_cli.traffic.json_lines import Options
from llmops_cli.traffic.reading import Reading

Line = dict[str, Any]

START = datetime(2026, 9, 1, 8, tzinfo=UTC)
MARK = {"cache_control": {"type": "ephemeral"}}
NAME = "Ada-Lovelace-1815"
RULES = f"You help customers of the bank of {NAME}. " * 260
TOOLS = [
    {"name": f"tool_{n}", "description": "finds what it is asked for " * 40, "input_schema": {}}
    for n in range(4)
]


def conversations(
    count: int = 12,
    turns: int = 6,
    *,
    clock: bool = False,
    shuffled: bool = False,
    pause: float = 60.0,
) -> list[Line]:
    """Chats under one prompt; tools and system are marked, and the last message."""
    lines = list[Line]()
    for c in range(count):
        at, messages = START + timedelta(hours=2 * c), list[Line]()
        for t in range(turns):
            messages.append({"role": "user", "content": f"question {c}.{t} " * 30})
            now = f"It is {at:%H:%M:%S}. " if clock else ""
            order = TOOLS[(c + t) % 4 :] + TOOLS[: (c + t) % 4]
            lines.append(
                {
                    "timestamp": at.isoformat(),
                    "conversation_id": f"c{c}",
                    "ttft_s": 0.5,
                    "request": {
                        "model": "claude-sonnet-4-6",
                        "tools": order if shuffled else TOOLS,
                        "system": [{"type": "text", "text": now + RULES, **MARK}],
                        "messages": [
                            *messages[:-1],
                            {"role": "user", "content": [
                                {"type": "text", "text": messages[-1]["content"], **MARK}
                            ]},
                        ],
                    },
                }
            )  # fmt: skip
            messages.append({"role": "assistant", "content": f"answer {c}.{t} " * 60})
            at += timedelta(seconds=pause)
    return lines


def cron(minutes: float, runs: int = 40, shared: str = RULES) -> list[Line]:
    """One question on a timer, under a marked prompt."""
    return [
        {
            "timestamp": (START + timedelta(minutes=minutes * n)).isoformat(),
            "conversation_id": f"run {n}",
            "ttft_s": 0.5,
            "request": {
                "model": "claude-sonnet-4-6",
                "system": [{"type": "text", "text": shared, **MARK}],
                "messages": [{"role": "user", "content": f"report number {n}"}],
            },
        }
        for n in range(runs)
    ]


def _blocks(request: Line) -> list[Block]:
    found = [Block(tool_text(tool)) for tool in request.get("tools", ())]
    found += [Block(part["text"], "cache_control" in part) for part in request["system"]]
    for message in request["messages"]:
        content = message["content"]
        for part in [{"text": content}] if isinstance(content, str) else content:
            found.append(Block(part["text"], "cache_control" in part))
    return found


def billed(lines: list[Line], *, lost: float = 0.0) -> list[Line]:
    """Add the usage that the rules give; with ``lost``, entries vanish before that many calls.

    Read aloud from R2, R4, R6, R8, R9 and R10: prefix to (readable from, alive until).
    """
    entries, draw = dict[str, tuple[float, float]](), np.random.default_rng(11)
    for line in sorted(lines, key=lambda line: str(line["timestamp"])):
        if lost and draw.random() < lost:
            entries.clear()
        now = datetime.fromisoformat(line["timestamp"]).timestamp()
        prefixes, depths, marks, text = list[str](), list[int](), list[int](), ""
        for position, block in enumerate(_blocks(line["request"])):
            text += block.text + "\0"
            prefixes.append(sha256(text.encode()).hexdigest())
            depths.append(tokens_of(len(text.encode()) - position - 1))
            if block.marked and depths[-1] >= 1024:
                marks.append(position)
        hit = -1
        for mark in reversed(marks):
            alive = [
                position
                for position in range(max(0, mark - 19), mark + 1)
                if entries.get(prefixes[position], (0.0, -1.0))[0] <= now
                and entries.get(prefixes[position], (0.0, -1.0))[1] >= now
            ]
            if hit < 0 and alive:
                hit = max(alive)
                entries[prefixes[hit]] = (entries[prefixes[hit]][0], now + 300)
        read = depths[hit] if hit >= 0 else 0
        for mark in (mark for mark in marks if mark > hit):
            entries[prefixes[mark]] = (now + line["ttft_s"], now + 300)
        written = max([depths[mark] for mark in marks if mark > hit], default=read) - read
        usage = {
            "input_tokens": depths[-1] - read - written,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
            "output_tokens": 20,
        }
        line["response"] = {"type": "message", "model": line["request"]["model"], "usage": usage}
    return lines


@pytest.fixture
def report(tmp_path: Path) -> Callable[..., Report]:
    def made(lines: list[Line], **given: Any) -> Report:  # noqa: ANN401 - parameters
        path = tmp_path / "log.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        return cache_estimate(read_calls([path]).calls, CacheParameters(**given))

    return made


def first_row(report: Report, name: str) -> Line:
    table = next(item for item in report.tables if item.name == name)
    names = [column.name for column in table.columns]
    return dict(zip(names, table.rows[0], strict=True))


def just_under_the_minimum() -> list[Line]:
    # 1,014 tokens of the 1,024 that Sonnet 4.6 caches; the question comes after the marker.
    return cron(1.0, shared="x" * (4 * 1014))


FAULTS = {
    "a timestamp in the system prompt": (
        lambda: billed(conversations(clock=True)),
        "system prompt changed (R1)",
        "move what varies to the end",
        "block 5, system",
    ),
    "tools reordered": (
        lambda: billed(conversations(shuffled=True)),
        "tools changed (R1)",
        "keep tools and order fixed",
        "block 1, tool",
    ),
    "a seven-minute cron": (
        lambda: billed(cron(7.0)),
        "paused beyond the lifetime (R8)",
        "use 1-hour entries",
        "",
    ),
    "ten tokens under the minimum": (
        lambda: billed(just_under_the_minimum()),
        "shared part under the minimum (R10)",
        "lengthen what is shared",
        "",
    ),
    "40 % random misses": (
        lambda: billed(conversations(), lost=0.4),
        "the entry should have been there",
        "none on your side: plan with the lower saving",
        "",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fault_is_named_first_with_its_fix(report: Callable[..., Report], fault: str) -> None:
    lines, reason, change, where = FAULTS[fault]
    row = first_row(report(lines(), policy="as-logged"), "leaks")
    assert (row["reason"], row["change"], row["where"]) == (reason, change, where)
    assert row["loss_usd"] > 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("a timestamp in the system prompt", "move what varies to the end: block 5, system"),
        ("tools reordered", "keep tools and order fixed: block 1, tool"),
        ("a seven-minute cron", "switch to static prefix, 1 h"),
    ],
)
def test_the_first_prompt_is_told_the_one_change_to_make(
    report: Callable[..., Report], fault: str, words: str
) -> None:
    row = first_row(report(FAULTS[fault][0](), policy="as-logged"), "prompts")
    assert row["change"] == words
    assert 0 < row["saving_usd"] < row["input_usd"]
    assert row["first_seen"] == "line 1"


def test_no_text_of_a_prompt_is_in_the_report(report: Callable[..., Report]) -> None:
    for lines, *_ in FAULTS.values():
        assert NAME not in repr(report(lines()))


def test_clean_traffic_names_no_fault(report: Callable[..., Report]) -> None:
    found = report(billed(conversations(clock=False)), policy="as-logged")
    leaks = next(item for item in found.tables if item.name == "leaks")
    reasons = {row[0] for row in leaks.rows}
    assert not any("changed" in str(reason) or "should" in str(reason) for reason in reasons)
    truth = next(item for item in found.tables if item.name == "truth")
    assert [row[1:][n] for n, row in enumerate(truth.rows)] == [sum(row[1:]) for row in truth.rows]


def test_random_misses_are_measured_and_carried_into_the_saving(
    report: Callable[..., Report],
) -> None:
    found = report(billed(conversations(count=40), lost=0.4), policy="as-logged")
    measures = {item.name: item for item in found.measures}
    rate, after = measures["unexplained_miss"], measures["saving_after_misses"]
    assert rate.low is not None
    assert rate.high is not None
    assert rate.low < 0.4 < rate.high
    assert after.value is not None
    assert after.low is not None
    saving = measures["saving"].value or 0.0
    assert after.low < after.value < saving
    # The range holds what this log, with its misses, was billed for.
    spend = next(item for item in found.tables if item.name == "spend")
    usd = {row[0]: row[5] for row in spend.rows}
    true = 1 - float(usd["as billed, by the log"] or 0) / float(usd["no caching"] or 1)
    assert after.low <= true <= (after.high or 1.0)


@pytest.mark.parametrize(("lost", "verdict"), [(0.0, Verdict.PASS), (0.4, Verdict.FAIL)])
def test_the_gate_on_unexplained_misses(
    report: Callable[..., Report], lost: float, verdict: Verdict
) -> None:
    found = report(billed(conversations(count=30), lost=lost), max_unexplained_miss=0.1)
    assert found.verdict is verdict


@pytest.mark.parametrize(("bound", "verdict"), [(0.1, Verdict.PASS), (0.99, Verdict.FAIL)])
def test_the_gate_on_the_hit_rate(
    report: Callable[..., Report], bound: float, verdict: Verdict
) -> None:
    found = report(billed(conversations()), policy="as-logged", min_hit_rate=bound)
    assert found.verdict is verdict


def test_the_first_other_character_is_placed_where_content_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in FAULTS[CLOCK][0]()), "utf-8")
    calls = next(iter(Reading([path], Options(keep_content=True)).tables())).to_pandas()
    found = cache_estimate(calls, CacheParameters(policy="as-logged"))
    # "It is 08:00:00. ": within a conversation the minute's last digit is the first to change.
    assert first_row(found, "leaks")["where"] == "block 5, system, character 11"
    assert NAME not in repr(found)


CLOCK = "a timestamp in the system prompt"


def test_the_tokens_of_a_billing_line_follow_its_own_rule() -> None:
    assert tokens_of(4 * 1014) == 1014


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("a timestamp in the system prompt", "move what varies to the end: block 5, system."),
        ("tools reordered", "keep tools and order fixed: block 1, tool."),
        ("a seven-minute cron", "switch to static prefix, 1 h."),
        ("ten tokens under the minimum", "lengthen what is shared: from 1,014 to 1,024 tokens."),
    ],
)
def test_the_headline_ends_with_the_first_change(
    report: Callable[..., Report], fault: str, words: str
) -> None:
    headline = report(FAULTS[fault][0]()).headline
    assert "First change, worth up to $" in headline
    assert headline.endswith(words)


def test_what_no_change_mends_is_no_first_change(report: Callable[..., Report]) -> None:
    found = report(billed(conversations(), lost=0.4))
    assert "First change" not in found.headline
    assert first_row(found, "leaks")["reason"] == "the entry should have been there"
