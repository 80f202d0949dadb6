"""OpenTelemetry: OTLP in JSON and protobuf, and the dialects that its spans speak."""
