"""The public port: what it speaks, what it refuses outright, and the filters that a request passes in order."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.envoy import auth, cors, limits
from gateway.envoy.access_log import access_log
from gateway.envoy.clusters import HTTP2_OPTIONS
from gateway.envoy.credentials import ApiKey
from gateway.envoy.local_replies import local_replies
from gateway.envoy.route_table import rpc_methods
from gateway.envoy.routes import route_configuration
from gateway.envoy.settings import Address, EdgeSettings
from gateway.envoy.typed_config import Config, extension, seconds, socket

_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_IDLE_CONNECTION_SECONDS = 300.0
_REQUEST_HEADERS_SECONDS = 10.0
_MAX_HEADERS = 100
_MAX_HEADERS_KIB = 32


def listener(settings: EdgeSettings, keys: Sequence[ApiKey]) -> Config:
    """Return the listener of the public port: HTTP/1.1, h2c, gRPC and gRPC-Web."""
    return {
        "name": "public",
        "address": socket(Address(settings.host, settings.port)),
        "per_connection_buffer_limit_bytes": limits.BUFFER_LIMIT_BYTES,
        # With it a second process would share the port in silence instead of naming it as taken.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [_connection_manager(settings, keys)]}],
    }


def http_filters(settings: EdgeSettings, keys: Sequence[ApiKey]) -> list[Config]:
    """Return the filters in the order that a request passes them.

    Preflights are answered before authentication; rate limits count authenticated callers.
    """
    return [
        cors.cors_filter(),
        extension("envoy.filters.http.grpc_web", "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"),
        _own_health(),
        auth.jwt_filter(settings),
        *([auth.api_key_filter(keys)] if keys else []),
        limits.rate_limit_filter(settings),
        limits.body_filter(settings),
        _method_statistics(),
        extension(
            "envoy.filters.http.router",
            "envoy.extensions.filters.http.router.v3.Router",
            suppress_envoy_headers=True,
        ),
    ]


def _connection_manager(settings: EdgeSettings, keys: Sequence[ApiKey]) -> Config:
    return extension(
        "envoy.filters.network.http_connection_manager",
        _MANAGER,
        stat_prefix="public",
        codec_type="AUTO",
        server_name="media",
        access_log=[access_log(settings)],
        local_reply_config=local_replies(),
        route_config=route_configuration(settings, with_api_keys=bool(keys)),
        http_filters=http_filters(settings, keys),
        **_build_trust_options(settings),
        **_build_refusal_options(),
        **_build_timeouts(settings),
    )


def _build_trust_options(settings: EdgeSettings) -> Config:
    request_id = extension(
        "envoy.request_id.uuid",
        "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
        # It would alter an id that the caller chose.
        pack_trace_reason=False,
    )
    return {
        "use_remote_address": True,
        "xff_num_trusted_hops": settings.trusted_hops,
        "early_header_mutation_extensions": [auth.identity_stripping(settings)],
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
            "idle_timeout": seconds(_IDLE_CONNECTION_SECONDS),
            "headers_with_underscores_action": "REJECT_REQUEST",
            "max_headers_count": _MAX_HEADERS,
        },
        "request_headers_timeout": seconds(_REQUEST_HEADERS_SECONDS),
        "stream_idle_timeout": seconds(settings.stream_idle_timeout_seconds),
    }


def _own_health() -> Config:
    """Return what answers for the gateway that the suite is not well, once the edge itself is to stop."""
    path = {"name": ":path", "string_match": {"safe_regex": {"regex": r"/health(\?.*)?"}}}
    return extension(
        "envoy.filters.http.health_check",
        "envoy.extensions.filters.http.health_check.v3.HealthCheck",
        pass_through_mode=True,
        headers=[path],
    )


def _method_statistics() -> Config:
    # Only methods that exist are counted by name: callers could otherwise fill the memory with invented ones.
    services = [{"name": service, "method_names": methods} for service, methods in rpc_methods().items()]
    return extension(
        "envoy.filters.http.grpc_stats",
        "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
        individual_method_stats_allowlist={"services": services},
        emit_filter_state=False,
    )
