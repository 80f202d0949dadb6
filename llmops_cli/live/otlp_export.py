"""Spans sent on to an OTLP endpoint as they are written: OTLP/HTTP with JSON, in its own thread.

The file is the record; what does not arrive here is counted and lost to nobody. The run never
waits for the endpoint but at its end, and there for a limited time.

Source:
    OpenTelemetry Protocol specification 1.x, OTLP/HTTP: requests are POSTed to ``v1/traces``;
    429, 502, 503 and 504 may be tried again, after Retry-After where it is said; a 200 may hold a
    partial success. OpenTelemetry exporter specification: OTEL_EXPORTER_OTLP_HEADERS.
"""

import http.client
import queue
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult

import msgspec

from llmops_cli import __version__

__all__ = ["Exported", "OtlpExport"]

_PATH = "/v1/traces"
_HEAD, _TAIL = b'{"resourceSpans":[', b"]}"
_PASSING = {429, 502, 503, 504}
_OK = 200
_BATCH_LINES = 256
_TIMEOUT_S = 10.0
_TRIES = 4
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 8.0
_PATIENT_FOR = 3


@dataclass(slots=True)
class Exported:
    """What came of it.

    Attributes:
        sent: lines that the endpoint took.
        lost: lines that it did not.
        rejected: spans that it took and did not keep.
        failure: why, the last time; an HTTP status or the name of an error.
    """

    sent: int = 0
    lost: int = 0
    rejected: int = 0
    failure: str = ""


class _Partial(msgspec.Struct, rename="camel"):
    rejected_spans: int | str = 0


class _Answer(msgspec.Struct, rename="camel"):
    partial_success: _Partial | None = None


class OtlpExport:
    """One endpoint.

    Args:
        endpoint: of a collector; ``v1/traces`` is added where it does not end so.
        headers: sent along, such as a key; never shown.
        first_wait_s: before the second try of a batch; doubled after each.
        flush_s: how long the end of the run waits for what is left.
    """

    def __init__(
        self,
        endpoint: SplitResult,
        headers: Mapping[str, str],
        *,
        first_wait_s: float = _FIRST_WAIT_S,
        flush_s: float = 30.0,
    ) -> None:
        path = endpoint.path.rstrip("/")
        self._path = path if path.endswith(_PATH) else f"{path}{_PATH}"
        self._path += f"?{endpoint.query}" if endpoint.query else ""
        self._endpoint = endpoint
        about = {"Content-Type": "application/json", "User-Agent": f"llmops/{__version__}"}
        self._headers = {**about, **headers}
        self._first_wait_s, self._flush_s = first_wait_s, flush_s
        self._found, self._failed_in_a_row = Exported(), 0
        self._ended = threading.Event()
        self._deadline = float("inf")
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._offered = 0
        self._thread = threading.Thread(target=self._work, name="otlp-export", daemon=True)
        self._thread.start()

    def offer(self, line: bytes) -> None:
        """A line of the file is to be sent on; returns at once."""
        self._offered += 1
        self._lines.put(line)

    def close(self) -> Exported:
        """Wait for what is left, for a limited time."""
        self._deadline = time.monotonic() + self._flush_s
        self._ended.set()
        self._lines.put(None)
        self._thread.join(self._flush_s + _TIMEOUT_S)
        self._found.lost = self._offered - self._found.sent
        if self._found.lost and not self._found.failure:
            self._found.failure = "no answer in time"
        return self._found

    def _work(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while (line := self._lines.get()) is not None:
            batch = [line]
            while len(batch) < _BATCH_LINES and not self._lines.empty():
                more = self._lines.get()
                if more is None:
                    self._lines.put(None)
                    break
                batch.append(more)
            connection = self._batch(batch, connection)
        if connection is not None:
            connection.close()

    def _batch(
        self, lines: list[bytes], connection: http.client.HTTPConnection | None
    ) -> http.client.HTTPConnection | None:
        """Send some lines as one request, again while that may help; gives the connection back."""
        if time.monotonic() > self._deadline:
            return connection
        # An endpoint that is down is asked once, not again and again, until it is back.
        tries = _TRIES if self._failed_in_a_row < _PATIENT_FOR else 1
        body = _HEAD + b",".join(line.rstrip(b"\n")[len(_HEAD) : -len(_TAIL)] for line in lines)
        for tried in range(tries):
            try:
                connection = connection or self._connected()
                status, wait_s, answer = self._asked(connection, body + _TAIL)
            except (OSError, http.client.HTTPException, ValueError) as error:
                connection, status, wait_s = None, 0, None
                self._found.failure = type(error).__name__
            else:
                self._found.failure = "" if status == _OK else f"HTTP {status}"
                if status == _OK:
                    self._took(len(lines), answer)
                    return connection
            if tried + 1 == tries or not self._waited(status, tried, wait_s):
                break
        self._failed_in_a_row += 1
        return connection

    def _connected(self) -> http.client.HTTPConnection:
        host, port = self._endpoint.hostname or "", self._endpoint.port
        if self._endpoint.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)

    def _asked(
        self, connection: http.client.HTTPConnection, body: bytes
    ) -> tuple[int, float | None, bytes]:
        connection.request("POST", self._path, body, self._headers)
        answer = connection.getresponse()
        said = answer.getheader("Retry-After", "")
        return answer.status, float(said) if said.isdigit() else None, answer.read()

    def _took(self, lines: int, answer: bytes) -> None:
        self._found.sent += lines
        self._failed_in_a_row = 0
        try:
            partial = msgspec.json.decode(answer, type=_Answer).partial_success
            self._found.rejected += int(partial.rejected_spans) if partial is not None else 0
        except (msgspec.DecodeError, UnicodeError, ValueError):
            pass  # a collector that answers in another way took them all the same

    def _waited(self, status: int, tried: int, wait_s: float | None) -> bool:
        """Whether to try again, now that it was waited; 0 is a connection that did not hold."""
        if status and status not in _PASSING:
            return False
        step = min(self._first_wait_s * 2.0**tried, _LONGEST_WAIT_S)
        until = time.monotonic() + max(step, wait_s or 0.0)
        # The end of the run sets a deadline, and cuts a wait short that goes beyond it.
        self._ended.wait(until - time.monotonic())
        if until > self._deadline:
            return False
        time.sleep(max(until - time.monotonic(), 0.0))
        return True
