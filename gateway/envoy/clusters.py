"""The services behind the edge: addresses, protocols, limits and health checks."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.envoy import auth, limits
from gateway.envoy.route_table import DIRECTORY, IMAGE, JOBS, SPEECH, VIDEO, Upstream
from gateway.envoy.settings import EdgeSettings
from gateway.envoy.typed_config import Config, build_extension, build_socket_address, build_typed, to_duration
from services.common.rpc.addresses import Address, ServiceAddress

HEALTH_INTERVAL_SECONDS = 0.5
_HEALTH_TIMEOUT_SECONDS = 1.0
_CONNECT_TIMEOUT_SECONDS = 2.0
# Below the 75 s after which aiohttp closes an idle connection, so that no request uses a closing connection.
_IDLE_CONNECTION_SECONDS = 60.0
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_MAX_STREAMS_PER_CONNECTION = 100
_STREAM_WINDOW_BYTES = 64 * 1024
_CONNECTION_WINDOW_BYTES = 1024 * 1024

HTTP2_OPTIONS: Config = {
    "max_concurrent_streams": _MAX_STREAMS_PER_CONNECTION,
    "initial_stream_window_size": _STREAM_WINDOW_BYTES,
    "initial_connection_window_size": _CONNECTION_WINDOW_BYTES,
}
"""Limits of an HTTP/2 connection, of clients and of services."""

# A frozen service keeps its connections open; without an answer to a ping, Envoy ends the calls on them. Only servers
# of services/common/rpc/server.py are pinged: others treat more than one ping in five minutes as abuse.
_SERVICE_HTTP2_OPTIONS: Config = {
    **HTTP2_OPTIONS,
    "connection_keepalive": {"interval": to_duration(2), "timeout": to_duration(3)},
}
# Between two health checks, a replica that refuses or resets connections is left. Statuses of a service do not count:
# UNAVAILABLE may come from a provider. The last healthy replica stays.
_OUTLIER_DETECTION: Config = {
    "split_external_local_origin_errors": True,
    "consecutive_local_origin_failure": 2,
    "enforcing_consecutive_local_origin_failure": 100,
    "enforcing_local_origin_success_rate": 0,
    "enforcing_consecutive_5xx": 0,
    "enforcing_consecutive_gateway_failure": 0,
    "enforcing_success_rate": 0,
    "interval": to_duration(1),
    "base_ejection_time": to_duration(2),
    "max_ejection_time": to_duration(10),
    "max_ejection_percent": 50,
}

_HTTP_HEALTH_CHECK: Config = {"http_health_check": {"path": "/health"}}
# The common health at GATEWAY_GRPC covers all services. If one of them is down, this address must still report it.
_DIRECTORY_HEALTH_CHECK: Config = {"grpc_health_check": {"service_name": DIRECTORY}}


def build_clusters(settings: EdgeSettings) -> list[Config]:
    """Return a cluster for every service that the edge calls."""
    http1, http2 = _build_http1_options(), _build_http2_options()
    clusters = [
        _build_service_cluster(Upstream.GATEWAY, settings.gateway_address, settings, http1, _HTTP_HEALTH_CHECK),
        _build_service_cluster(
            Upstream.GATEWAY_GRPC, settings.gateway_grpc_address, settings, http2, _DIRECTORY_HEALTH_CHECK
        ),
    ]
    for upstream, address, service in (
        (Upstream.TTS, settings.tts_address, SPEECH),
        (Upstream.IMAGE, settings.image_address, IMAGE),
        (Upstream.VIDEO, settings.video_address, VIDEO),
        (Upstream.JOBS, settings.jobs_address, JOBS),
    ):
        check = {"grpc_health_check": {"service_name": service.full_name}}
        clusters.append(_build_service_cluster(upstream, address, settings, http2, check))
    if keys := auth.find_jwks_address(settings):
        clusters.append(_build_jwks_cluster(keys, settings))
    return clusters


def _build_service_cluster(
    to: Upstream, address: ServiceAddress, settings: EdgeSettings, protocol: Config, health: Config
) -> Config:
    return {
        **_build_dns_cluster(to.value, address.replicas),
        "outlier_detection": _OUTLIER_DETECTION,
        "circuit_breakers": limits.build_circuit_breakers(settings),
        # Otherwise Envoy would still send every request to a single replica that reports NOT_SERVING.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "health_checks": [{**_build_health_check_times(), **health}],
        "typed_extension_protocol_options": {_HTTP_OPTIONS: protocol},
    }


def _build_jwks_cluster(address: Address, settings: EdgeSettings) -> Config:
    validation = {
        "trusted_ca": {"filename": str(auth.find_ca_file(settings))},
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": address.host}}],
    }
    tls = build_extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        sni=address.host,
        common_tls_context={
            "validation_context": validation,
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        },
    )
    return {
        **_build_dns_cluster(auth.JWKS_CLUSTER, (address,)),
        "transport_socket": tls,
        "typed_extension_protocol_options": {_HTTP_OPTIONS: _build_http1_options()},
    }


def _build_dns_cluster(name: str, replicas: Sequence[Address]) -> Config:
    endpoints = [{"endpoint": {"address": build_socket_address(replica)}} for replica in replicas]
    return {
        "name": name,
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": to_duration(_CONNECT_TIMEOUT_SECONDS),
        "per_connection_buffer_limit_bytes": limits.BUFFER_LIMIT_BYTES,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "upstream_connection_options": {
            "tcp_keepalive": {"keepalive_probes": 3, "keepalive_time": 30, "keepalive_interval": 5}
        },
    }


def _build_health_check_times() -> Config:
    interval = to_duration(HEALTH_INTERVAL_SECONDS)
    return {
        "timeout": to_duration(_HEALTH_TIMEOUT_SECONDS),
        "interval": interval,
        # Otherwise Envoy checks a service once a minute until its first request, and treats it as unhealthy at first.
        "no_traffic_interval": interval,
        "healthy_threshold": 1,
        "unhealthy_threshold": 2,
    }


def _build_http1_options() -> Config:
    return build_typed(_HTTP_OPTIONS, **_build_connection_options(), explicit_http_config={"http_protocol_options": {}})


def _build_http2_options() -> Config:
    return build_typed(
        _HTTP_OPTIONS,
        **_build_connection_options(),
        explicit_http_config={"http2_protocol_options": _SERVICE_HTTP2_OPTIONS},
    )


def _build_connection_options() -> Config:
    return {"common_http_protocol_options": {"idle_timeout": to_duration(_IDLE_CONNECTION_SECONDS)}}
