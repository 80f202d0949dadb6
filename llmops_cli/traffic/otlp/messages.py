"""The OTLP messages as typed structures, with the parts that a reading needs.

Shapes: opentelemetry-proto, collector/trace/v1 and collector/logs/v1, in the JSON mapping of
the OTLP specification: camelCase names, hexadecimal ids, 64-bit integers as strings.
"""

import msgspec

__all__ = [
    "AnyValue",
    "Event",
    "ExportRequest",
    "KeyValue",
    "LogRecord",
    "Resource",
    "ResourceLogs",
    "ResourceSpans",
    "Scope",
    "ScopeLogs",
    "ScopeSpans",
    "Span",
    "Status",
]


class _Message(msgspec.Struct, rename="camel", gc=False):
    pass


class ArrayValue(_Message):
    """``array_value``."""

    values: list["AnyValue"] = []


class KeyValueList(_Message):
    """``kvlist_value``."""

    values: list["KeyValue"] = []


class AnyValue(_Message):
    """One attribute's value: exactly one of these is set."""

    string_value: str | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    bool_value: bool | None = None
    array_value: ArrayValue | None = None
    kvlist_value: KeyValueList | None = None
    bytes_value: str | None = None


class KeyValue(_Message):
    """One attribute."""

    key: str
    value: AnyValue | None = None


class Event(_Message):
    """An event inside a span."""

    name: str = ""
    time_unix_nano: str | int = 0
    attributes: list[KeyValue] = []


class Status(_Message):
    """``status``: 0 unset, 1 ok, 2 error; some exporters write the enum's name."""

    code: int | str = 0


class Span(_Message):
    """One span."""

    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    name: str = ""
    kind: int | str = 0
    start_time_unix_nano: str | int = 0
    end_time_unix_nano: str | int = 0
    attributes: list[KeyValue] = []
    events: list[Event] = []
    status: Status | None = None


class LogRecord(_Message):
    """One log record; events of the GenAI conventions are log records with a name."""

    time_unix_nano: str | int = 0
    observed_time_unix_nano: str | int = 0
    event_name: str = ""
    trace_id: str = ""
    span_id: str = ""
    body: AnyValue | None = None
    attributes: list[KeyValue] = []


class Scope(_Message):
    """The instrumentation library."""

    name: str = ""
    version: str = ""


class Resource(_Message):
    """What the telemetry is of: the service."""

    attributes: list[KeyValue] = []


class ScopeSpans(_Message):
    """Spans of one library."""

    scope: Scope | None = None
    spans: list[Span] = []
    schema_url: str = ""


class ResourceSpans(_Message):
    """Spans of one service."""

    resource: Resource | None = None
    scope_spans: list[ScopeSpans] = []
    schema_url: str = ""


class ScopeLogs(_Message):
    """Log records of one library."""

    scope: Scope | None = None
    log_records: list[LogRecord] = []
    schema_url: str = ""


class ResourceLogs(_Message):
    """Log records of one service."""

    resource: Resource | None = None
    scope_logs: list[ScopeLogs] = []
    schema_url: str = ""


class ExportRequest(_Message):
    """One line or record of an export: traces, logs, or metrics, which hold no calls."""

    resource_spans: list[ResourceSpans] | None = None
    resource_logs: list[ResourceLogs] | None = None
    resource_metrics: msgspec.Raw | None = None
    refused: list[str] = []
    """The field at fault in each span and log record that could not be read; not of OTLP."""

    def fits(self) -> bool:
        """Whether this is an export at all."""
        return (
            self.resource_spans is not None
            or self.resource_logs is not None
            or self.resource_metrics is not None
        )
