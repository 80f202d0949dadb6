"""An OTLP collector on the loopback, which reads spans with the official protobuf messages."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Script = Callable[[int], tuple[int, dict[str, str], Any]]
"""From the number of the request to status, headers and body of the answer."""


def well(_number: int) -> tuple[int, dict[str, str], Any]:
    return 200, {}, {}


@dataclass
class Collected:
    """What came.

    Attributes:
        requests: path and headers of each request.
        bodies: as they came.
        taken: of those that were answered with 200, in their order.
    """

    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    taken: list[ExportTraceServiceRequest] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[Any]:
        return [span for export in self.taken for resource in export.resource_spans
                for scope in resource.scope_spans for span in scope.spans]  # fmt: skip


def parsed(body: bytes) -> ExportTraceServiceRequest:
    """By the official messages; OTLP writes ids in hexadecimal, where protobuf has base64."""
    found = json.loads(body)
    for resource in found["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for holder in (span, *span.get("links", ())):
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if name in holder:
                            holder[name] = base64.b64encode(bytes.fromhex(holder[name])).decode()
    return Parse(json.dumps(found), ExportTraceServiceRequest())


@contextmanager
def collecting(script: Script = well) -> Iterator[Collected]:
    """Run a collector until the end of the block."""
    collected = Collected()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            named = {name.lower(): value for name, value in self.headers.items()}
            collected.requests.append((self.path, named))
            collected.bodies.append(body)
            status, headers, answer = script(len(collected.requests) - 1)
            if status == 200:
                collected.taken.append(parsed(body))
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collected.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield collected
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
