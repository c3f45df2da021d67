"""The access log: one line per request with caller, path, outcome and duration; never a query, body or credential."""

from __future__ import annotations

from gateway.envoy.settings import EdgeSettings
from gateway.envoy.typed_config import Config, build_extension
from services.common.rpc.metadata import PRINCIPAL

FIELDS: dict[str, str] = {
    "timestamp": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "service": "edge",
    "event": "request",
    "request_id": "%REQ(X-REQUEST-ID):128%",
    "principal": f"%REQ({PRINCIPAL.upper()}):128%",
    "client_address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "method": "%REQ(:METHOD)%",
    "path": "%PATH(NQ:PATH):256%",
    "protocol": "%PROTOCOL%",
    "route": "%ROUTE_NAME%",
    "upstream": "%UPSTREAM_CLUSTER%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "first_byte_ms": "%RESPONSE_DURATION%",
    "duration_ms": "%DURATION%",
    "received_bytes": "%BYTES_RECEIVED%",
    "sent_bytes": "%BYTES_SENT%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "user_agent": "%REQ(USER-AGENT):128%",
}
"""The fields of a line, for machines."""

_WORDS = ("method", "path", "status", "grpc_status", "flags", "duration_ms", "principal", "request_id")


def build_access_log(settings: EdgeSettings) -> Config:
    """Return the log on standard output, as JSON or, where people read it, as words."""
    if settings.log_format == "console":
        words = " ".join(f"{name}={FIELDS[name]}" for name in _WORDS)
        line: Config = {"text_format_source": {"inline_string": f"{FIELDS['timestamp']} {words}\n"}}
    else:
        line = {"json_format": FIELDS}
    log_type = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
    return build_extension("envoy.access_loggers.stdout", log_type, log_format=line)
