"""Spans reach an OTLP endpoint as they are in the file, or are counted as lost."""

import json
import time
from pathlib import Path
from runpy import run_path
from typing import Any
from urllib.parse import urlsplit

import pytest

from llmops_cli.live.completions import Completion, Failure, Usage
from llmops_cli.live.otlp_export import Exported, OtlpExport
from llmops_cli.live.shadow_spans import Shadowed, Tried, line_of

COLLECTOR = run_path(str(Path(__file__).with_name("collector.py")))
collecting = COLLECTOR["collecting"]

GOOD = Completion("yes", "m-1", "r", "stop", Usage(5, 7), first_s=0.5)
BUSY = Failure("rate_limit_error", status=429, retryable=True)


def line(at: int) -> bytes:
    tried = [Tried("openai", "m", ("h", 1), 10, 20, outcome, 0.5) for outcome in (BUSY, GOOD)]
    return line_of(Shadowed(f"c{at}", f"c{at}", "", 9, tried), "same")


def exported(url: str, lines: list[bytes], **more: Any) -> Exported:  # noqa: ANN401 - of OtlpExport
    export = OtlpExport(urlsplit(url), {"api-key": "sesame"}, first_wait_s=0.001, **more)
    for each in lines:
        export.offer(each)
    return export.close()


def ids(lines: list[bytes]) -> list[str]:
    exports = [json.loads(each)["resourceSpans"][0]["scopeSpans"][0] for each in lines]
    return sorted(span["spanId"] for export in exports for span in export["spans"])


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("", "/v1/traces"),
        ("/", "/v1/traces"),
        ("/otlp/", "/otlp/v1/traces"),
        ("/v1/traces", "/v1/traces"),
        ("/a/v1/traces/?b=c", "/a/v1/traces?b=c"),
    ],
)
def test_all_arrive_once_at_the_path_of_the_specification(path: str, asked: str) -> None:
    lines = [line(at) for at in range(300)] if not path else [line(0)]
    with collecting() as collected:
        found = exported(collected.url + path, lines)
    assert found == Exported(sent=len(lines))
    assert sorted(span.span_id.hex() for span in collected.spans) == ids(lines)
    assert len(collected.requests) < 10 or not path
    for where, headers in collected.requests:
        assert where == asked
        assert headers["content-type"] == "application/json"
        assert headers["api-key"] == "sesame"
    span = collected.spans[1]
    known = {pair.key: pair.value for pair in span.attributes}
    assert known["gen_ai.usage.output_tokens"].int_value == 7
    assert known["gen_ai.response.time_to_first_chunk"].double_value == 0.5
    assert span.links[0].span_id == collected.spans[0].span_id


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    def script(number: int) -> Any:  # noqa: ANN401 - an answer
        return (status, {"retry-after": "0"}, {}) if number < 2 else (200, {}, {})

    with collecting(script) as collected:
        found = exported(collected.url, [line(0)])
    assert (found.sent, found.lost, found.failure) == (1, 0, "")
    assert len(collected.requests) == 3
    assert len(set(collected.bodies)) == 1


@pytest.mark.parametrize("status", [301, 400, 401, 500])
def test_what_will_not_pass_is_not(status: int) -> None:
    with collecting(lambda _: (status, {}, {})) as collected:
        found = exported(collected.url, [line(0)])
    assert (found.sent, found.lost, found.failure) == (0, 1, f"HTTP {status}")
    assert len(collected.requests) == 1


@pytest.mark.parametrize(
    ("answer", "rejected"),
    [
        ({"partialSuccess": {"rejectedSpans": "2", "errorMessage": "no"}}, 2),
        ({"partialSuccess": {"rejectedSpans": 1}}, 1),
        ({"partialSuccess": {}}, 0),
        ({"partialSuccess": {"rejectedSpans": "x"}}, 0),
        (b"ok", 0),
        (b"", 0),
    ],
)
def test_a_partial_success_is_counted(answer: Any, rejected: int) -> None:  # noqa: ANN401 - JSON
    with collecting(lambda _: (200, {}, answer)) as collected:
        found = exported(collected.url, [line(0)])
    assert (found.sent, found.lost, found.rejected) == (1, 0, rejected)


def test_an_endpoint_that_is_not_there_loses_nothing_but_the_copy() -> None:
    with collecting() as collected:
        url = collected.url
    found = exported(url, [line(at) for at in range(3)])
    assert (found.sent, found.lost, found.failure) == (0, 3, "ConnectionRefusedError")


def test_the_end_of_the_run_waits_for_a_limited_time() -> None:
    with collecting(lambda _: (503, {"retry-after": "3600"}, {})) as collected:
        found = exported(collected.url, [line(0)], flush_s=0.05)
        assert len(collected.requests) <= 1
    assert (found.sent, found.lost) == (0, 1)


def test_an_endpoint_that_comes_back_gets_what_comes_then() -> None:
    def script(number: int) -> Any:  # noqa: ANN401 - an answer
        return (500, {}, {}) if number < 5 else (200, {}, {})

    with collecting(script) as collected:
        export = OtlpExport(urlsplit(collected.url), {}, first_wait_s=0.001)
        for at in range(7):
            export.offer(line(at))
            while len(collected.requests) < at + 1:
                time.sleep(0.001)  # one request for each line
        found = export.close()
    assert (found.sent, found.lost) == (2, 5)


@pytest.mark.parametrize("host", ["a" * 70, "ü" * 70])
def test_a_host_that_cannot_be_is_a_failure_and_no_crash(host: str) -> None:
    found = exported(f"http://{host}:1", [line(0)])
    assert (found.sent, found.lost) == (0, 1)
    assert found.failure
