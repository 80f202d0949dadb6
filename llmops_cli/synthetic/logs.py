"""Generated logs of calls: an agent, a RAG service, a classifier on a timer, an OpenAI chat bot.

Each keeps its hidden state seeded and has planted truths, written beside it in catalogue.py.
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from llmops_cli.synthetic.billing import Billing, Block, tokens_of, tool_text
from llmops_cli.synthetic.words import Writer

__all__ = ["agent", "chat", "classifier", "rag"]

Line = dict[str, Any]

_START = datetime(2026, 9, 1, 8, tzinfo=UTC)
_MARK = {"type": "ephemeral"}
_SONNET = "claude-sonnet-4-6"
_HAIKU = "claude-haiku-4-5"


def agent(seed: int) -> list[Line]:
    """Conversations of an agent with tools; only tools and system prompt are marked.

    Every turn resends the conversation unmarked, so what grows is paid for as fresh input;
    one team's system prompt begins with the time of day, which breaks its prefix each minute.
    """
    draw = np.random.default_rng(seed)
    write = Writer(draw)
    tools = [_tool(write, number) for number in range(6)]
    rules = write.sentences(110)
    lines: list[Line] = []
    for number in range(48):
        team = "search" if number % 4 else "claims"
        at = _START + timedelta(seconds=float(draw.uniform(0, 6 * 3600)))
        messages: list[Line] = []
        for _ in range(int(draw.integers(6, 18))):
            messages.append({"role": "user", "content": write.sentences(int(draw.integers(8, 45)))})
            clock = f"It is {at:%H:%M}. " if team == "claims" else ""
            system = [{"type": "text", "text": clock + rules, "cache_control": _MARK}]
            output = int(draw.integers(80, 420))
            lines.append(
                _line(
                    at,
                    draw,
                    output,
                    conversation_id=f"c{number:03d}",
                    user_id=f"u{number % 30:02d}",
                    workspace=team,
                    request={
                        "model": _SONNET,
                        "max_tokens": 1024,
                        "tools": [*tools[:-1], {**tools[-1], "cache_control": _MARK}],
                        "system": system,
                        "messages": list(messages),
                    },
                )
            )
            messages.append({"role": "assistant", "content": write.sentences(output // 9)})
            # Mostly quick turns; one in eight pauses beyond the five minutes of an entry.
            pause = draw.uniform(400, 1500) if draw.random() < 1 / 8 else draw.uniform(15, 110)
            at += timedelta(seconds=float(pause))
    return _billed(lines)


def _tool(write: Writer, number: int) -> Line:
    return {
        "name": f"tool_{number}",
        "description": write.sentences(12),
        "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}},
    }


def rag(seed: int) -> list[Line]:
    """Questions with retrieved passages placed before the stable instructions.

    The marked prefix begins with what varies, so it is written each time and almost never read.
    """
    draw = np.random.default_rng(seed)
    write = Writer(draw)
    passages = [write.sentences(16) for _ in range(80)]
    instructions = write.sentences(130)
    lines: list[Line] = []
    at = _START
    for number in range(260):
        at += timedelta(seconds=float(draw.exponential(25)))
        chosen = draw.choice(len(passages), size=3, replace=False).tolist()
        system = [{"type": "text", "text": passages[place]} for place in chosen]
        system.append({"type": "text", "text": instructions, "cache_control": _MARK})
        question = {"role": "user", "content": write.sentences(2)}
        lines.append(
            _line(
                at,
                draw,
                int(draw.integers(60, 200)),
                conversation_id=f"q{number:03d}",
                user_id=f"u{int(draw.integers(0, 60)):02d}",
                workspace="docs",
                request={
                    "model": _SONNET,
                    "max_tokens": 512,
                    "system": system,
                    "messages": [question],
                },
            )
        )
    return _billed(lines)


def classifier(seed: int) -> list[Line]:
    """A classifier that a timer starts every half hour for five days: a baseline for rollouts."""
    draw = np.random.default_rng(seed)
    write = Writer(draw)
    habit = draw.normal(0, 0.12, 200)
    lines: list[Line] = []
    for run in range(240):
        start = _START + timedelta(minutes=30 * run)
        busy = 1.6 if 8 <= start.hour < 18 else 0.5  # noqa: PLR2004 - office hours
        for _ in range(int(draw.poisson(36 * busy))):
            user = int(draw.integers(0, 200))
            line = _line(
                start + timedelta(seconds=float(draw.uniform(0, 90))),
                draw,
                int(draw.integers(4, 12)),
                user_id=f"u{user:03d}",
                workspace="batch",
                task="classify",
                request={
                    "model": _HAIKU,
                    "max_tokens": 16,
                    "system": "Name the category of the message.",
                    "messages": [{"role": "user", "content": write.sentences(2)}],
                },
            )
            line["duration_s"] = round(math.exp(draw.normal(-0.2 + habit[user], 0.45)), 3)
            line["ttft_s"] = round(0.6 * line["duration_s"], 3)
            line["evaluation_score"] = round(draw.beta(9, 1), 2)
            if draw.random() < 0.012:  # noqa: PLR2004 - planted
                line |= {"response": None, "error": {"type": "overloaded_error"}}
                line.pop("evaluation_score")
            lines.append(line)
    return _billed(lines)


def chat(seed: int) -> list[Line]:
    """A support bot on OpenAI Chat Completions; cached_tokens come in steps of 128."""
    draw = np.random.default_rng(seed)
    write = Writer(draw)
    rules = write.sentences(140)
    lines: list[Line] = []
    at = _START
    for number in range(160):
        at += timedelta(seconds=float(draw.exponential(40)))
        messages = [
            {"role": "system", "content": rules},
            {"role": "user", "content": write.sentences(int(draw.integers(2, 12)))},
        ]
        total = sum(tokens_of(len(item["content"])) for item in messages)
        cached = tokens_of(len(rules)) // 128 * 128 if number and draw.random() < 0.8 else 0  # noqa: PLR2004 - planted
        output = int(draw.integers(30, 160))
        ttft, duration = _latency(draw, output)
        lines.append(
            {
                "timestamp": _iso(at),
                "user_id": f"u{int(draw.integers(0, 50)):02d}",
                "duration_s": duration,
                "ttft_s": ttft,
                "request": {"model": "gpt-5.1", "messages": messages},
                "response": {
                    "id": f"chatcmpl-{number:04d}",
                    "object": "chat.completion",
                    "model": "gpt-5.1",
                    "created": int(at.timestamp()),
                    "choices": [{"index": 0, "finish_reason": "stop"}],
                    "usage": {
                        "prompt_tokens": total,
                        "completion_tokens": output,
                        "prompt_tokens_details": {"cached_tokens": cached},
                    },
                },
            }
        )
    return lines


def _latency(draw: np.random.Generator, output: int) -> tuple[float, float]:
    ttft = float(draw.uniform(0.4, 1.4))
    return round(ttft, 3), round(ttft + output / 70, 3)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _line(
    at: datetime, draw: np.random.Generator, output: int, *, request: Line, **envelope: str
) -> Line:
    ttft, duration = _latency(draw, output)
    return {
        "timestamp": _iso(at),
        **envelope,
        "duration_s": duration,
        "ttft_s": ttft,
        "request": request,
        "response": {
            "type": "message",
            "model": request["model"],
            "stop_reason": "end_turn",
            "usage": {"output_tokens": output},
        },
    }


def _billed(lines: list[Line]) -> list[Line]:
    # In order of time, because the cache is; then written in the order they came.
    lines = sorted(lines, key=lambda line: line["timestamp"])
    caches: dict[str, Billing] = {}
    for number, line in enumerate(lines):
        response = line["response"]
        if response is None:
            continue
        cache = caches.setdefault(line["workspace"], Billing())
        start = datetime.fromisoformat(line["timestamp"]).timestamp()
        output = response["usage"]["output_tokens"]
        usage = cache.usage(_blocks(line["request"]), start, line["ttft_s"], output)
        line["response"] = {"id": f"msg_{number:05d}", **response, "usage": usage}
    # A conversation's calls beside each other: that is how agents are exported, and it packs well.
    return sorted(lines, key=lambda line: (line.get("conversation_id", ""), line["timestamp"]))


def _blocks(request: Line) -> list[Block]:
    blocks: list[Block] = []
    for tool in request.get("tools", []):
        plain = {key: value for key, value in tool.items() if key != "cache_control"}
        blocks.append(Block(tool_text(plain), "cache_control" in tool))
    system = request.get("system", [])
    if isinstance(system, str):
        system = [{"text": system}]
    blocks += [Block(part["text"], "cache_control" in part) for part in system]
    return blocks + [Block(message["content"]) for message in request["messages"]]
