"""Tests that the rendered configuration has every item of the hardening list."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from gateway.envoy.config import render_config
from services.common.rpc.addresses import ServiceAddress
from tests.fakes.edge import make_edge_settings

KEY_LINE = "robot:0123456789abcdef\n"
LISTENER = "static_resources.listeners.0"
MANAGER = f"{LISTENER}.filter_chains.0.filters.0.typed_config"
HEAP = "overload_manager.actions"
CLUSTERS = range(3)

ITEMS: dict[str, tuple[str, Any]] = {
    "the admin page is on loopback": ("admin.address.socket_address.address", "127.0.0.1"),
    "the admin page answers at the connection limit": ("admin.ignore_global_conn_limit", True),
    "a taken port is an error": (f"{LISTENER}.enable_reuse_port", False),
    "a client connection is buffered by 32 KiB": (f"{LISTENER}.per_connection_buffer_limit_bytes", 32 * 1024),
    "the caller's address is the connection's": (f"{MANAGER}.use_remote_address", True),
    "no proxy is trusted by default": (f"{MANAGER}.xff_num_trusted_hops", 0),
    "paths are normalized": (f"{MANAGER}.normalize_path", True),
    "slashes are merged": (f"{MANAGER}.merge_slashes", True),
    "escaped slashes are refused": (f"{MANAGER}.path_with_escaped_slashes_action", "REJECT_REQUEST"),
    "headers with underscores are refused": (
        f"{MANAGER}.common_http_protocol_options.headers_with_underscores_action",
        "REJECT_REQUEST",
    ),
    "the number of headers is limited": (f"{MANAGER}.common_http_protocol_options.max_headers_count", 100),
    "the size of headers is limited": (f"{MANAGER}.max_request_headers_kb", 32),
    "headers have a time limit": (f"{MANAGER}.request_headers_timeout", "10s"),
    "an idle connection is closed": (f"{MANAGER}.common_http_protocol_options.idle_timeout", "300s"),
    "an idle stream is closed": (f"{MANAGER}.stream_idle_timeout", "60s"),
    "a connection carries 100 streams": (f"{MANAGER}.http2_protocol_options.max_concurrent_streams", 100),
    "a stream's window is 64 KiB": (f"{MANAGER}.http2_protocol_options.initial_stream_window_size", 64 * 1024),
    "a connection's window is 1 MiB": (f"{MANAGER}.http2_protocol_options.initial_connection_window_size", 1024 * 1024),
    "the server header has no product name": (f"{MANAGER}.server_name", "media"),
    "rapid resets: one request per read": ("layered_runtime.layers.0.static_layer.http\\.max_requests_per_io_cycle", 1),
    "rapid resets: the connection is closed": (
        "layered_runtime.layers.0.static_layer.overload\\.premature_reset_total_stream_count",
        500,
    ),
    "near the heap limit Envoy frees memory": (f"{HEAP}.0.name", "envoy.overload_actions.shrink_heap"),
    "Envoy frees memory at 95 %": (f"{HEAP}.0.triggers.0.threshold.value", 0.95),
    "at the heap limit requests are refused": (f"{HEAP}.1.name", "envoy.overload_actions.stop_accepting_requests"),
    "requests are refused at 98 %": (f"{HEAP}.1.triggers.0.threshold.value", 0.98),
    "the heap is limited": (
        "overload_manager.resource_monitors.0.typed_config.max_heap_size_bytes",
        512 * 1024 * 1024,
    ),
    "connections are limited": (
        "overload_manager.resource_monitors.1.typed_config.max_active_downstream_connections",
        10_000,
    ),
    **{
        f"cluster {n}: {text}": (f"static_resources.clusters.{n}.{path}", value)
        for n in CLUSTERS
        for text, path, value in (
            ("buffered by 32 KiB", "per_connection_buffer_limit_bytes", 32 * 1024),
            ("no panic", "common_lb_config.healthy_panic_threshold.value", 0),
            ("its health is checked twice a second", "health_checks.0.interval", "0.5s"),
            ("its health is checked before the first request", "health_checks.0.no_traffic_interval", "0.5s"),
            ("requests are limited", "circuit_breakers.thresholds.0.max_requests", 1000),
            ("retries are limited", "circuit_breakers.thresholds.0.retry_budget.budget_percent.value", 20.0),
            ("all addresses of a name are used", "type", "STRICT_DNS"),
            ("a replica without connections is left", "outlier_detection.consecutive_local_origin_failure", 2),
            ("the last replica stays", "outlier_detection.max_ejection_percent", 50),
            ("errors of providers eject no replica", "outlier_detection.enforcing_consecutive_gateway_failure", 0),
            ("dead connections are detected", "upstream_connection_options.tcp_keepalive.keepalive_time", 30),
        )
    },
}


def _get_value(config: Any, path: str) -> Any:
    keys = [key.replace("\0", ".") for key in path.replace("\\.", "\0").split(".")]
    return reduce(lambda found, key: found[int(key)] if isinstance(found, list) else found[key], keys, config)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("edge")
    (folder / "keys").write_text(KEY_LINE)
    return render_config(make_edge_settings(folder, api_keys_file=folder / "keys"))


@pytest.mark.parametrize("item", ITEMS)
def test_the_configuration_has_the_hardening_item(config: dict[str, Any], item: str) -> None:
    path, expected = ITEMS[item]
    assert _get_value(config, path) == expected


@pytest.mark.parametrize(
    ("number", "check"),
    [
        (0, {"http_health_check": {"path": "/health"}}),
        (1, {"grpc_health_check": {"service_name": "gateway.directory"}}),
        (2, {"grpc_health_check": {"service_name": "media.tts.v1.TextToSpeechService"}}),
    ],
)
def test_each_service_has_its_health_check(config: dict[str, Any], number: int, check: dict[str, Any]) -> None:
    assert check.items() <= _get_value(config, f"static_resources.clusters.{number}.health_checks.0").items()


def test_services_are_pinged_and_clients_are_not(config: dict[str, Any]) -> None:
    listener, clusters = config["static_resources"]["listeners"], config["static_resources"]["clusters"]
    assert "connection_keepalive" not in str(listener)
    assert ["connection_keepalive" in str(cluster) for cluster in clusters] == [False, *[True] * 5]


def test_every_replica_is_an_endpoint(tmp_path: Path) -> None:
    address = ServiceAddress.parse("10.0.0.1:50051,10.0.0.2:50051")
    cluster = render_config(make_edge_settings(tmp_path, tts_address=address))["static_resources"]["clusters"][2]
    assert [
        item["endpoint"]["address"]["socket_address"]["address"]
        for item in cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    ] == ["10.0.0.1", "10.0.0.2"]


def test_a_request_passes_the_filters_in_this_order(config: dict[str, Any]) -> None:
    names = [item["name"].rsplit(".", 1)[-1] for item in _get_value(config, f"{MANAGER}.http_filters")]
    assert names == [
        "cors",
        "grpc_web",
        "health_check",
        "jwt_authn",
        "api_key_auth",
        "local_ratelimit",
        "buffer",
        "grpc_stats",
        "router",
    ]


def test_identity_headers_are_removed_before_any_filter(config: dict[str, Any]) -> None:
    mutations = _get_value(config, f"{MANAGER}.early_header_mutation_extensions.0.typed_config.mutations")
    prefixes = {item["remove_on_match"]["key_matcher"]["prefix"] for item in mutations if "remove_on_match" in item}
    names = {item["remove"] for item in mutations if "remove" in item}
    assert prefixes == {"x-media-", "x-envoy-"}
    assert names == {"x-forwarded-client-cert", "x-forwarded-host", "x-forwarded-for", "x-real-ip", "forwarded"}


def test_forwarded_addresses_of_a_trusted_proxy_stay(tmp_path: Path) -> None:
    config = render_config(make_edge_settings(tmp_path, trusted_hops=1))
    mutations = _get_value(config, f"{MANAGER}.early_header_mutation_extensions.0.typed_config.mutations")
    assert {"remove": "x-forwarded-for"} not in mutations
    assert _get_value(config, f"{MANAGER}.xff_num_trusted_hops") == 1


def test_rate_limits_are_enforced(config: dict[str, Any]) -> None:
    limit = next(f["typed_config"] for f in _get_value(config, f"{MANAGER}.http_filters") if "ratelimit" in f["name"])
    assert limit["filter_enabled"]["default_value"] == {"numerator": 100, "denominator": "HUNDRED"}
    assert limit["filter_enforced"]["default_value"] == {"numerator": 100, "denominator": "HUNDRED"}
    assert [item["token_bucket"]["tokens_per_fill"] for item in limit["descriptors"]] == [50, 50]
    assert limit["token_bucket"] == {"max_tokens": 10_000, "tokens_per_fill": 5000, "fill_interval": "1s"}


def test_a_token_must_expire_name_its_subject_and_come_in_a_header(config: dict[str, Any]) -> None:
    jwt = next(f["typed_config"] for f in _get_value(config, f"{MANAGER}.http_filters") if "jwt" in f["name"])
    provider = jwt["providers"]["media"]
    assert provider["require_expiration"] is True
    assert provider["forward"] is False
    assert provider["subjects"]
    assert provider["from_headers"] == [{"name": "authorization", "value_prefix": "Bearer "}]
    assert jwt["rules"] == [{"match": {"prefix": "/"}, "requires": {"provider_name": "media"}}]


def test_the_log_has_no_query_and_no_credential(config: dict[str, Any]) -> None:
    fields = _get_value(config, f"{MANAGER}.access_log.0.typed_config.log_format.json_format")
    assert fields["path"] == "%PATH(NQ:PATH):256%"
    assert "AUTHORIZATION" not in str(fields).upper()
    assert "API-KEY" not in str(fields).upper()
