"""tau-bench trajectories (sierra-research/tau-bench, MIT) become an Anthropic Messages log.

Every answer of the assistant is one request that carries all messages before it. The data hold
no times, usage or tool definitions, so: conversations start 45 s apart; a user answers after
20 s and one more for every 20 characters; a tool answers after 2 s; tokens are left out (and
estimated by the reader); the requests are written as of claude-sonnet-4-6. A conversation's
reward is the evaluation score of its last call.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from llmops_cli.errors import LlmopsError

__all__ = ["convert_tau_bench"]

MODEL = "claude-sonnet-4-6"
_START = datetime(2026, 9, 1, 8, tzinfo=UTC)
_BETWEEN_S = 45.0
_TOOL_S = 2.0
_USER_S = 20.0
_CHARACTERS_PER_S = 20.0

_FILE = "gpt-4o-airline.json"


def convert_tau_bench(source: Path) -> str:
    """The log as JSON lines, conversation by conversation.

    Args:
        source: a trajectory file, or the folder that holds ``gpt-4o-airline.json``.

    Raises:
        LlmopsError: ``convert-not-found``, ``convert-unexpected``.
    """
    path = source / _FILE if source.is_dir() else source
    try:
        trajectories = json.loads(path.read_text("utf-8"))
        lines = [
            json.dumps(line, ensure_ascii=False, separators=(",", ":"))
            for number, item in enumerate(trajectories)
            for line in _requests(item["traj"], number, item.get("reward"))
        ]
    except OSError as error:
        raise LlmopsError(
            "convert-not-found", "no such file", hint="give a trajectory file", file=str(path)
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LlmopsError(
            "convert-unexpected",
            "the file is not as tau-bench publishes it",
            hint="take it from sierra-research/tau-bench, historical_trajectories",
            file=str(path),
        ) from error
    return "".join(f"{line}\n" for line in lines)


def _requests(
    trajectory: list[dict[str, Any]], number: int, reward: float | None
) -> list[dict[str, Any]]:
    system = [item["content"] for item in trajectory if item["role"] == "system"]
    at = _START + timedelta(seconds=_BETWEEN_S * number)
    messages: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for item in trajectory:
        if item["role"] == "system":
            continue
        if item["role"] == "assistant":
            lines.append(_line(at, number, system, messages))
        else:
            at += timedelta(seconds=_pause(item))
        messages.append(_message(item))
    if lines and reward is not None:
        lines[-1]["evaluation_score"] = reward
    return lines


def _pause(item: dict[str, Any]) -> float:
    if item["role"] == "tool":
        return _TOOL_S
    return _USER_S + len(item["content"]) / _CHARACTERS_PER_S


def _line(
    at: datetime, number: int, system: list[str], messages: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "timestamp": at.isoformat(timespec="milliseconds"),
        "conversation_id": f"tau-{number}",
        "workspace": "airline",
        "request": {"model": MODEL, "system": "\n\n".join(system), "messages": list(messages)},
        "response": {"type": "message", "model": MODEL},
    }


def _message(item: dict[str, Any]) -> dict[str, Any]:
    if item["role"] == "tool":
        result = {"type": "tool_result", "content": item["content"]}
        result["tool_use_id"] = item.get("tool_call_id") or ""
        return {"role": "user", "content": [result]}
    calls = item.get("tool_calls") or []
    if not calls:
        return {"role": item["role"], "content": item["content"] or ""}
    uses = [
        {
            "type": "tool_use",
            "id": call["id"],
            "name": call["function"]["name"],
            "input": json.loads(call["function"]["arguments"]),
        }
        for call in calls
    ]
    text = [{"type": "text", "text": item["content"]}] if item["content"] else []
    return {"role": "assistant", "content": [*text, *uses]}
