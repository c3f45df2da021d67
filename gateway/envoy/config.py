"""Renders the configuration of Envoy: the only module that knows all parts of it."""

from __future__ import annotations

import json

from gateway.envoy import limits
from gateway.envoy.clusters import build_clusters
from gateway.envoy.credentials import read_api_keys
from gateway.envoy.listener import build_listener
from gateway.envoy.settings import EdgeSettings
from gateway.envoy.typed_config import Config, build_socket_address
from services.common.rpc.addresses import Address

LOOPBACK = "127.0.0.1"
_LOG_FIELDS = {"timestamp": "%Y-%m-%dT%T.%eZ", "service": "edge", "level": "%l", "component": "%n", "event": "%j"}


def render_config(settings: EdgeSettings) -> Config:
    """Return the whole configuration of Envoy.

    Raises:
        ConfigurationError: A file that the settings name cannot be used.
    """
    keys = read_api_keys(settings.api_keys_file)
    config: Config = {
        "node": {"id": "edge", "cluster": "media"},
        # The admin page can stop Envoy and show API keys, so that it listens on loopback only.
        "admin": {
            "address": build_socket_address(Address(LOOPBACK, settings.admin_port)),
            "ignore_global_conn_limit": True,
        },
        "static_resources": {"listeners": [build_listener(settings, keys)], "clusters": build_clusters(settings)},
        "overload_manager": limits.build_overload_manager(settings),
        "layered_runtime": {"layers": [{"name": "static", "static_layer": _build_runtime()}]},
    }
    if settings.log_format == "json":
        config["application_log_config"] = {"log_format": {"json_format": _LOG_FIELDS}}
    return config


def to_json(config: Config) -> str:
    """Return the configuration as JSON text, the form that Envoy reads."""
    return json.dumps(config, indent=2) + "\n"


def _build_runtime() -> Config:
    """Return runtime values that limit clients which open streams only to reset them (rapid reset)."""
    return {
        "http.max_requests_per_io_cycle": 1,
        "overload.premature_reset_total_stream_count": 500,
        "overload.premature_reset_min_stream_lifetime_seconds": 1,
    }
