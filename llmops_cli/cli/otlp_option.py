"""The option of an OTLP endpoint: where it is, and the headers that the environment holds."""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from urllib.parse import SplitResult, unquote, urlsplit

import typer

from llmops_cli.cli.judge_settings import usage_error
from llmops_cli.cli.show import counted
from llmops_cli.report import Finding

if TYPE_CHECKING:
    from llmops_cli.live.otlp_export import Exported, OtlpExport

__all__ = ["Endpoint", "EndpointOption", "endpoint_of", "exporting", "not_exported"]

EndpointOption = Annotated[
    str,
    typer.Option(
        "--otlp-endpoint",
        metavar="URL",
        help="Send the spans to a collector, too; headers: OTEL_EXPORTER_OTLP_HEADERS.",
        show_default=False,
    ),
]

_VARIABLES = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
"""Those for traces come last, and win."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where spans go beside the file.

    Attributes:
        url: of the endpoint.
        headers: sent along; never shown.
    """

    url: SplitResult
    headers: dict[str, str] = field(repr=False)


def endpoint_of(url: str) -> Endpoint | None:
    """The endpoint; None where none was asked for.

    Raises:
        LlmopsError: ``otlp-bad-endpoint``, ``otlp-bad-headers``.
    """
    if not url:
        return None
    try:
        found = urlsplit(url)
        good = found.scheme in {"http", "https"} and bool(found.hostname) and found.port != 0
    except ValueError:
        good, found = False, SplitResult("", "", "", "", "")
    if not good or found.username is not None:
        hint = "--otlp-endpoint http://localhost:4318; keys go into OTEL_EXPORTER_OTLP_HEADERS"
        raise usage_error("otlp-bad-endpoint", "the OTLP endpoint is no URL of HTTP", hint)
    return Endpoint(found, _headers())


@contextmanager
def exporting(endpoint: Endpoint | None) -> "Generator[OtlpExport | None]":
    """Export until the end of the block; nothing where no endpoint was asked for."""
    if endpoint is None:
        yield None
        return
    from llmops_cli.live.otlp_export import OtlpExport

    export = OtlpExport(endpoint.url, endpoint.headers)
    try:
        yield export
    finally:
        export.close()


def _headers() -> dict[str, str]:
    """As OpenTelemetry specifies them: ``name=value,name=value``, values percent-encoded."""
    found: dict[str, str] = {}
    for variable in _VARIABLES:
        for pair in filter(str.strip, os.environ.get(variable, "").split(",")):
            name, joint, value = pair.partition("=")
            said = unquote(value.strip())
            # A name or a value that HTTP does not take must not end up in a traceback.
            if not (joint and _NAME.fullmatch(name.strip()) and _VALUE.fullmatch(said)):
                hint = "api-key=secret,tenant=a; a comma in a value is %2C"
                raise usage_error("otlp-bad-headers", f"{variable} is not name=value,…", hint)
            found[name.strip().lower()] = said
    return found


def not_exported(found: "Exported | None") -> tuple[Finding, ...]:
    """What did not reach the endpoint, if anything did not."""
    if found is None or not (found.lost or found.rejected):
        return ()
    every = found.sent + found.lost
    said = f"{found.lost:,} of {counted(every, 'line')} of spans did not reach the OTLP endpoint"
    why = f", the last with {found.failure}" if found.failure else ""
    if not found.lost:
        said, why = f"the OTLP endpoint rejected {counted(found.rejected, 'span')}", ""
    return (
        Finding(
            slug="otlp-not-exported",
            severity="warning",
            message=f"{said}{why}; the file has them all",
            count=found.lost or found.rejected,
        ),
    )
