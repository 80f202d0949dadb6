"""A provider on the loopback that speaks both APIs, misbehaves by script, and keeps the books."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-test-0123456789abcdef"


@dataclass(frozen=True)
class Act:
    """What the server does with one request."""

    verdict: str = "accept"
    text: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    error: str = "api_error"
    wait_s: float = 0.0
    body: bytes | None = None
    usage: dict[str, Any] = field(default_factory=dict)


@dataclass
class Served:
    """One request as it came, and what was said to it."""

    path: str
    body: dict[str, Any]
    key: str
    act: Act
    number: int

    @property
    def prompt(self) -> str:
        return self.body["messages"][0]["content"]

    @property
    def input_tokens(self) -> int:
        return len(self.prompt) // 4

    @property
    def output_tokens(self) -> int:
        return 12


Script = Callable[[str, int], Act]
"""From the prompt and how often it came before to what is done."""


class Provider:
    """The running server."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.served: list[Served] = []
        self.lock = threading.Lock()
        self.port = 0

    @property
    def anthropic(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai(self) -> str:
        return f"{self.anthropic}/v1"

    def url(self, provider: str) -> str:
        return {"anthropic": self.anthropic, "openai": self.openai}[provider]

    def take(self, path: str, body: dict[str, Any], key: str) -> Served:
        prompt = body["messages"][0]["content"]
        with self.lock:
            before = sum(item.prompt == prompt for item in self.served)
            one = Served(path, body, key, self.script(prompt, before), len(self.served) + 1)
            self.served.append(one)
        return one


def answer(one: Served) -> dict[str, Any]:
    """The body of a good answer in the API that was asked."""
    said = json.dumps({"verdict": one.act.verdict, "confidence": 0.75})
    prompt, output = one.input_tokens, one.output_tokens
    if one.path.endswith("/messages"):
        block = {"type": "tool_use", "id": "t1", "name": "give_verdict", "input": json.loads(said)}
        text = {"type": "text", "text": one.act.text}
        return {
            "id": f"msg_{one.number}",
            "type": "message",
            "role": "assistant",
            "model": f"{one.body['model']}-served",
            "content": [block if one.act.text is None else text],
            "stop_reason": "tool_use" if one.act.text is None else "end_turn",
            "usage": {"input_tokens": prompt, "output_tokens": output, **one.act.usage},
        }
    message = {"role": "assistant", "content": said if one.act.text is None else one.act.text}
    return {
        "id": f"chatcmpl-{one.number}",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": f"{one.body['model']}-served",
        "service_tier": "default",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "total_tokens": prompt + output,
            **one.act.usage,
        },
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: Provider

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        key = self.headers.get("x-api-key") or self.headers.get("authorization") or ""
        one = self.provider.take(self.path, json.loads(data), key)
        time.sleep(one.act.wait_s)
        if one.act.status == 0:  # the line is cut
            self.close_connection = True
            return
        echoed = {"type": one.act.error, "message": f"about {one.prompt} with {key}"}
        good = one.act.status == 200
        body = one.act.body
        if body is None:
            body = json.dumps(answer(one) if good else {"type": "error", "error": echoed}).encode()
        try:
            self.send_response(one.act.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            for name, value in one.act.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """A client that was killed is no error here."""


@contextmanager
def serving(script: Script = lambda _prompt, _before: Act()) -> Iterator[Provider]:
    """Run a provider until the end of the block."""
    provider = Provider(script)
    handler = type("Handler", (_Handler,), {"provider": provider})
    server = _Server(("127.0.0.1", 0), handler)
    provider.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
