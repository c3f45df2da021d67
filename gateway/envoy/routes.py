"""Builds Envoy's routes from the route table."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.envoy import auth, limits
from gateway.envoy.cors import build_cors_policy, build_vary_header
from gateway.envoy.route_table import TABLE, Kind, Route
from gateway.envoy.rpc_errors import build_detail_headers
from gateway.envoy.settings import EdgeSettings
from gateway.envoy.typed_config import Config, to_duration

# The idle timeout must end after the total timeout, whose error names the cause.
_IDLE_MARGIN_SECONDS = 5.0
_NO_LIMIT = "0s"
_NO_CLUSTER = "none"
_LIMITED_BODIES = frozenset({Kind.HTTP, Kind.HTTP_STREAM, Kind.HTTP_WAIT})


def build_route_configuration(settings: EdgeSettings, with_api_keys: bool) -> Config:
    """Return all routes in the order of the table, and 404 for other paths."""
    host = {
        "name": "media",
        "domains": ["*"],
        "routes": [*_build_routes(settings, with_api_keys), _build_not_found_route()],
        "typed_per_filter_config": build_cors_policy(settings),
    }
    return {
        "name": "media",
        "virtual_hosts": [host],
        # Services receive the principal, never the credential.
        "request_headers_to_remove": list(auth.CREDENTIAL_HEADERS),
        "response_headers_to_add": [build_vary_header(), *build_detail_headers()],
        # _NO_CLUSTER would not pass.
        "validate_clusters": False,
    }


def _build_routes(settings: EdgeSettings, with_api_keys: bool) -> Iterator[Config]:
    for row in TABLE:
        if row.public:
            yield _build_route(row, settings, auth.build_public_route())
            continue
        if with_api_keys:
            with_key = _build_route(row, settings, auth.build_api_key_route())
            with_key["match"].setdefault("headers", []).append({"name": auth.API_KEY_HEADER, "present_match": True})
            yield with_key
        yield _build_route(row, settings, {})


def _build_route(row: Route, settings: EdgeSettings, credentials: Config) -> Config:
    action = {
        "cluster": row.upstream.value,
        "retry_policy": limits.build_retry_policy(safe=row.safe),
        **_build_time_bounds(row.kind, settings),
    }
    body = limits.build_body_limit(settings) if row.kind in _LIMITED_BODIES else {}
    return {
        "name": row.path,
        "match": _build_match(row),
        "route": action,
        "typed_per_filter_config": {**credentials, **body},
    }


def _build_match(row: Route) -> Config:
    match = _build_path_match(row.path)
    if row.methods:
        one_of = {"safe_regex": {"regex": "|".join(row.methods)}}
        match["headers"] = [{"name": ":method", "string_match": one_of}]
    if row.query:
        match["query_parameters"] = [{"name": row.query, "present_match": True}]
    return match


def _build_path_match(path: str) -> Config:
    if path.endswith("*"):
        return {"prefix": path.removesuffix("*")}
    if "{" in path:
        return {"safe_regex": {"regex": re.sub(r"{\w+}", "[^/]+", path)}}
    return {"path": path}


def _build_time_bounds(kind: Kind, settings: EdgeSettings) -> Config:
    """Return the timeouts of a route; Envoy's default of 15 s would cut every stream."""
    unary, stream = settings.unary_timeout_seconds, settings.max_stream_seconds
    unary_idle = {"idle_timeout": to_duration(unary + _IDLE_MARGIN_SECONDS)}
    stream_idle = {"idle_timeout": to_duration(settings.stream_idle_timeout_seconds)}
    streamed = {
        "timeout": _NO_LIMIT,
        **stream_idle,
        "max_stream_duration": {"max_stream_duration": to_duration(stream)},
    }
    bounds: dict[Kind, Config] = {
        Kind.HTTP: {"timeout": to_duration(unary), **unary_idle},
        Kind.HTTP_STREAM: streamed,
        Kind.HTTP_UPLOAD_STREAM: streamed,
        Kind.HTTP_WAIT: {"timeout": to_duration(stream), "idle_timeout": to_duration(stream + _IDLE_MARGIN_SECONDS)},
        Kind.HTTP_UPLOAD: {"timeout": to_duration(unary), **unary_idle},
        Kind.RPC: {"timeout": _NO_LIMIT, **unary_idle, "max_stream_duration": _build_deadline(unary)},
        Kind.RPC_STREAM: {"timeout": _NO_LIMIT, **stream_idle, "max_stream_duration": _build_deadline(stream)},
        Kind.RPC_WATCH: {
            "timeout": _NO_LIMIT,
            "idle_timeout": _NO_LIMIT,
            "max_stream_duration": _build_deadline(stream),
        },
    }
    return bounds[kind]


def _build_deadline(longest_seconds: float) -> Config:
    """Return the caller's deadline, or `longest_seconds` if the caller sends none or a longer one."""
    return {
        "max_stream_duration": to_duration(longest_seconds),
        "grpc_timeout_header_max": to_duration(longest_seconds),
    }


def _build_not_found_route() -> Config:
    """Return the route of all other paths: 404.

    A direct response would be simpler, but the CORS filter ignores it.
    """
    return {
        "name": "nothing",
        "match": {"prefix": "/"},
        "route": {"cluster": _NO_CLUSTER, "cluster_not_found_response_code": "NOT_FOUND"},
        "typed_per_filter_config": {**auth.build_public_route(), **limits.build_unlimited_route()},
    }
