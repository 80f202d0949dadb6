"""A provider on the loopback that streams both APIs, and breaks as the catalogue of faults says."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = [f"w{at} " for at in range(60)]
ANSWER = "".join(WORDS)


@dataclass(frozen=True)
class Fault:
    """What happens to one request.

    Attributes:
        status: of the answer; 0 resets the connection before anything is said.
        code: of the error.
        headers: sent with it.
        wait_s: before the first token; headers come at once.
        silent_s: before the headers.
        words: how many of the sixty come.
        stall_s: silence after them.
        garbage: number of an event that is no JSON; none below 0.
        done: whether OpenAI's sentinel is sent.
        cut: whether the connection is closed without an end.
    """

    status: int = 200
    code: str = "api_error"
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    silent_s: float = 0.0
    words: int = 60
    stall_s: float = 0.0
    garbage: int = -1
    done: bool = True
    cut: bool = False


HEALTHY = Fault()
Script = Callable[[dict[str, Any], int], Fault]
"""From the body and how often its model was asked before to what happens."""


@dataclass
class Book:
    """What the server saw.

    Attributes:
        asked: model and moment of each request, in order.
        bodies: of each.
    """

    asked: list[tuple[str, float]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    def of(self, model: str) -> list[float]:
        return [moment for name, moment in self.asked if name == model]

    def url(self, provider: str) -> str:
        return f"http://127.0.0.1:{self.port}{'/v1' if provider == 'openai' else ''}"


def anthropic_events(model: str, words: int) -> list[dict[str, Any]]:
    usage = {"input_tokens": 20, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": f"{model}-served",
               "content": [], "stop_reason": None, "usage": usage}  # fmt: skip
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ]
    events += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        for word in WORDS[:words]
    ]
    if words == len(WORDS):
        events += [
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 60},
            },
            {"type": "message_stop"},
        ]
    return events


def openai_events(model: str, words: int) -> list[dict[str, Any]]:
    about = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": f"{model}-served",
    }
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in WORDS[:words]]
    events = [
        {**about, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    if words == len(WORDS):
        usage = {"prompt_tokens": 20, "completion_tokens": 60, "total_tokens": 80}
        events += [
            {**about, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {**about, "choices": [], "usage": usage},
        ]
    return events


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script
    book: Book
    lock: threading.Lock

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.lock:
            before = len(self.book.of(body["model"]))
            self.book.asked.append((body["model"], time.monotonic()))
            self.book.bodies.append(body)
            fault = self.script(body, before)
        try:
            self._serve(body, fault)
        except OSError:
            self.close_connection = True

    def _serve(self, body: dict[str, Any], fault: Fault) -> None:
        time.sleep(fault.silent_s)
        if fault.status == 0:
            self.close_connection = True
            self.connection.close()
            return
        if fault.status != 200:
            self._whole(fault)
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        self._stream(body, fault)

    def _whole(self, fault: Fault) -> None:
        error = {"type": fault.code, "code": fault.code, "message": "no"}
        data = json.dumps({"type": "error", "error": error}).encode()
        self.send_response(fault.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, body: dict[str, Any], fault: Fault) -> None:
        named = self.path.endswith("/messages")
        make = anthropic_events if named else openai_events
        time.sleep(fault.wait_s)
        for number, event in enumerate(make(body["model"], fault.words)):
            data = "{broken" if number == fault.garbage else json.dumps(event)
            head = f"event: {event['type']}\n" if named else ""
            self._chunk(f"{head}data: {data}\n\n".encode())
        time.sleep(fault.stall_s)
        if fault.cut or fault.words < len(WORDS):
            self.close_connection = True
            self.connection.close()
            return
        if not named and fault.done:
            self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """A client that went away is no error here."""


@contextmanager
def streaming(script: Script = lambda _body, _before: HEALTHY) -> Iterator[Book]:
    """Run a provider until the end of the block."""
    book = Book()
    members = {"script": staticmethod(script), "book": book, "lock": threading.Lock()}
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), members))
    book.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield book
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
