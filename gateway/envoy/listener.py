"""The public port: its protocols, what it refuses, the filters that a request passes, and the access log."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.envoy import auth, cors, limits
from gateway.envoy.clusters import HTTP2_OPTIONS
from gateway.envoy.credentials import ApiKey
from gateway.envoy.local_replies import build_local_replies
from gateway.envoy.route_table import list_rpc_methods
from gateway.envoy.routes import build_route_configuration
from gateway.envoy.settings import EdgeSettings
from gateway.envoy.typed_config import Config, build_extension, build_socket_address, to_duration
from services.common.rpc.addresses import Address
from services.common.rpc.metadata import PRINCIPAL

_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_IDLE_CONNECTION_SECONDS = 300.0
_REQUEST_HEADERS_SECONDS = 10.0
_MAX_HEADERS = 100
_MAX_HEADERS_KIB = 32

_LOG_FIELDS: dict[str, str] = {
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
"""The fields of a log line. Never a query, a body or a credential."""
_CONSOLE_FIELDS = ("method", "path", "status", "grpc_status", "flags", "duration_ms", "principal", "request_id")


def build_listener(settings: EdgeSettings, keys: Sequence[ApiKey]) -> Config:
    """Return the listener of the public port: HTTP/1.1, h2c, gRPC and gRPC-Web."""
    return {
        "name": "public",
        "address": build_socket_address(Address(settings.host, settings.port)),
        "per_connection_buffer_limit_bytes": limits.BUFFER_LIMIT_BYTES,
        # With it a second process would silently share the port instead of reporting it as taken.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [_build_connection_manager(settings, keys)]}],
    }


def _build_connection_manager(settings: EdgeSettings, keys: Sequence[ApiKey]) -> Config:
    return build_extension(
        "envoy.filters.network.http_connection_manager",
        _MANAGER,
        stat_prefix="public",
        codec_type="AUTO",
        server_name="media",
        **_build_trust_options(settings),
        **_build_refusal_options(),
        **_build_timeouts(settings),
        http_filters=_build_http_filters(settings, keys),
        route_config=build_route_configuration(settings, with_api_keys=bool(keys)),
        local_reply_config=build_local_replies(settings),
        access_log=[_build_access_log(settings)],
    )


def _build_trust_options(settings: EdgeSettings) -> Config:
    request_id = build_extension(
        "envoy.request_id.uuid",
        "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
        # Packing would alter an id that the caller chose.
        pack_trace_reason=False,
    )
    return {
        "use_remote_address": True,
        "xff_num_trusted_hops": settings.trusted_hops,
        "early_header_mutation_extensions": [auth.build_identity_stripping(settings)],
        "request_id_extension": {"typed_config": request_id["typed_config"]},
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
    }


def _build_refusal_options() -> Config:
    return {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "max_request_headers_kb": _MAX_HEADERS_KIB,
        "http2_protocol_options": HTTP2_OPTIONS,
    }


def _build_timeouts(settings: EdgeSettings) -> Config:
    return {
        "common_http_protocol_options": {
            "idle_timeout": to_duration(_IDLE_CONNECTION_SECONDS),
            "headers_with_underscores_action": "REJECT_REQUEST",
            "max_headers_count": _MAX_HEADERS,
        },
        "request_headers_timeout": to_duration(_REQUEST_HEADERS_SECONDS),
        "stream_idle_timeout": to_duration(settings.stream_idle_timeout_seconds),
    }


def _build_http_filters(settings: EdgeSettings, keys: Sequence[ApiKey]) -> list[Config]:
    """Return the filters in the order in which a request passes them.

    Preflights are answered before authentication; rate limits count authenticated callers.
    """
    return [
        cors.build_cors_filter(),
        build_extension("envoy.filters.http.grpc_web", "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"),
        _build_health_filter(),
        auth.build_jwt_filter(settings),
        *([auth.build_api_key_filter(keys)] if keys else []),
        limits.build_rate_limit_filter(settings),
        limits.build_body_filter(settings),
        _build_grpc_stats_filter(),
        build_extension(
            "envoy.filters.http.router",
            "envoy.extensions.filters.http.router.v3.Router",
            suppress_envoy_headers=True,
        ),
    ]


def _build_health_filter() -> Config:
    """Return the filter that answers /health with 503 while the edge drains, and passes it on otherwise."""
    path = {"name": ":path", "string_match": {"safe_regex": {"regex": r"/health(\?.*)?"}}}
    return build_extension(
        "envoy.filters.http.health_check",
        "envoy.extensions.filters.http.health_check.v3.HealthCheck",
        pass_through_mode=True,
        headers=[path],
    )


def _build_grpc_stats_filter() -> Config:
    # Only existing methods are counted by name: callers could otherwise fill the memory with invented ones.
    services = [{"name": service, "method_names": methods} for service, methods in list_rpc_methods().items()]
    return build_extension(
        "envoy.filters.http.grpc_stats",
        "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
        individual_method_stats_allowlist={"services": services},
        emit_filter_state=False,
    )


def _build_access_log(settings: EdgeSettings) -> Config:
    """Return the log on standard output: one line per request, as JSON or, for a console, as words."""
    if settings.log_format == "console":
        words = " ".join(f"{name}={_LOG_FIELDS[name]}" for name in _CONSOLE_FIELDS)
        line: Config = {"text_format_source": {"inline_string": f"{_LOG_FIELDS['timestamp']} {words}\n"}}
    else:
        line = {"json_format": _LOG_FIELDS}
    log_type = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
    return build_extension("envoy.access_loggers.stdout", log_type, log_format=line)
