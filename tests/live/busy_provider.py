"""A provider on the loopback for thousands of requests, which keeps books of what it bills.

It runs in the event loop of the client, streams short answers by both APIs, and breaks in every
way that the client must survive.
"""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

WORDS = 2
FAULTS = {
    "limit": (429, "rate_limit_error"),
    "overload": (529, "overloaded_error"),
    "error": (500, "api_error"),
}
BREAKS = ("stall", "half", "malformed", "reset", "late reset")
"""Faults of a connection; what came before one of them is billed."""


@dataclass(frozen=True)
class Billed:
    """One request in the server's books.

    Attributes:
        prompt: of the user.
        model: asked for.
        fault: what was done to it; empty for a whole answer.
        response_id: unique.
        input_tokens: billed.
        output_tokens: billed.
    """

    prompt: str
    model: str
    fault: str
    response_id: str
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass
class Books:
    """What the server did.

    Attributes:
        name: begins the ids of its answers.
        billed: request by request, in the order they came.
    """

    name: str
    billed: list[Billed] = field(default_factory=list)
    port: int = 0

    def url(self, provider: str) -> str:
        return f"http://127.0.0.1:{self.port}{'/v1' if provider == 'openai' else ''}"


Script = Callable[[str, int], str]
"""From the prompt, and the number of the request, to a fault; empty for none."""


def anthropic_stream(about: Billed) -> list[str]:
    usage = {"input_tokens": about.input_tokens, "output_tokens": 1}
    message = {"id": about.response_id, "type": "message", "role": "assistant", "content": [],
               "model": about.model, "stop_reason": None, "usage": usage}  # fmt: skip
    start = {"type": "text", "text": ""}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": start},
    ]
    events += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "w "}}
    ] * WORDS
    stop = {"stop_reason": "end_turn"}
    events += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": about.output_tokens}},
        {"type": "message_stop"},
    ]
    return [f"event: {item['type']}\ndata: {json.dumps(item)}\n\n" for item in events]


def openai_stream(about: Billed) -> list[str]:
    common = {"id": about.response_id, "object": "chat.completion.chunk", "created": 1,
              "model": about.model}  # fmt: skip
    said = {"index": 0, "delta": {"content": "w "}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    usage = {"prompt_tokens": about.input_tokens, "completion_tokens": about.output_tokens,
             "total_tokens": about.input_tokens + about.output_tokens}  # fmt: skip
    events: list[dict[str, Any]] = [{**common, "choices": [said]}] * WORDS
    events += [{**common, "choices": [end]}, {**common, "choices": [], "usage": usage}]
    return [f"data: {json.dumps(item)}\n\n" for item in events] + ["data: [DONE]\n\n"]


class _Connection:
    def __init__(self, script: Script, books: Books, stall_s: float) -> None:
        self.script, self.books, self.stall_s = script, books, stall_s

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client went away, or the loop ends amid a stall
        finally:
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        asked = json.loads(await reader.readexactly(length))
        prompt, number = asked["messages"][-1]["content"], len(self.books.billed)
        fault = self.script(prompt, number)
        about = self._billed(prompt, asked["model"], fault, number)
        self.books.billed.append(about)
        if fault in FAULTS:
            writer.write(_refusal(*FAULTS[fault]))
            return True
        make = anthropic_stream if "/messages" in head else openai_stream
        return await self._stream(make(about), fault, writer)

    def _billed(self, prompt: str, model: str, fault: str, number: int) -> Billed:
        about = Billed(prompt, model, fault, f"{self.books.name}-{number}")
        if fault in FAULTS:
            return about
        # Even a connection that is reset before the first byte may have been answered and billed.
        return replace(about, input_tokens=5 + len(prompt), output_tokens=3 + number % 40)

    async def _stream(self, events: list[str], fault: str, writer: asyncio.StreamWriter) -> bool:
        if fault == "reset":
            return _reset(writer)
        if fault == "malformed":
            events[2] = events[2].replace("{", "", 1)
        sent = events[:2] if fault in {"half", "stall", "late reset"} else events
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                     b"transfer-encoding: chunked\r\n\r\n")  # fmt: skip
        text = "".join(sent).encode()
        writer.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
        if fault == "stall":
            await writer.drain()
            await asyncio.sleep(self.stall_s)
        if fault == "late reset":
            await writer.drain()
            return _reset(writer)
        if fault in {"half", "stall"}:
            writer.close()
            await writer.wait_closed()
            return False
        writer.write(b"0\r\n\r\n")
        return True


def _refusal(status: int, code: str) -> bytes:
    error = {"type": "error", "error": {"type": code, "code": code, "message": "no"}}
    body = json.dumps(error).encode()
    wait = "retry-after: 0.02\r\n" if status == 429 else ""
    head = f"HTTP/1.1 {status} no\r\ncontent-type: application/json\r\n{wait}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def _reset(writer: asyncio.StreamWriter) -> bool:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


@asynccontextmanager
async def busy(name: str, script: Script, *, stall_s: float) -> AsyncIterator[Books]:
    """Run a provider in this loop until the end of the block."""
    books = Books(name)
    connection = _Connection(script, books, stall_s)
    server = await asyncio.start_server(connection.serve, "127.0.0.1", 0, backlog=512)
    books.port = server.sockets[0].getsockname()[1]
    try:
        yield books
    finally:
        server.close()
