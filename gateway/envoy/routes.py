"""Turns the table of paths into Envoy's routes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.envoy import auth, limits
from gateway.envoy.cors import cors_policy
from gateway.envoy.route_table import TABLE, Kind, Route
from gateway.envoy.settings import EdgeSettings
from gateway.envoy.typed_config import Config, seconds

# A bound on silence may not fire before the bound on the whole, whose answer says more.
_SLACK_SECONDS = 5.0
_UNBOUNDED = "0s"
_BODY_BOUNDED = frozenset({Kind.HTTP, Kind.HTTP_STREAM, Kind.HTTP_WAIT})


def route_configuration(settings: EdgeSettings, with_api_keys: bool) -> Config:
    """Return every route, first match first, and 404 for the rest."""
    host = {
        "name": "media",
        "domains": ["*"],
        "routes": [*_routes(settings, with_api_keys), _build_not_found_route()],
        "typed_per_filter_config": cors_policy(settings),
    }
    # Services need the name of the caller, never its credential.
    return {"name": "media", "virtual_hosts": [host], "request_headers_to_remove": list(auth.CREDENTIAL_HEADERS)}


def _routes(settings: EdgeSettings, with_api_keys: bool) -> Iterator[Config]:
    for row in TABLE:
        if row.public:
            yield _route(row, settings, auth.public_route())
            continue
        if with_api_keys:
            twin = _route(row, settings, auth.api_key_route())
            twin["match"].setdefault("headers", []).append({"name": auth.API_KEY_HEADER, "present_match": True})
            yield twin
        yield _route(row, settings, {})


def _route(row: Route, settings: EdgeSettings, credentials: Config) -> Config:
    action = {"cluster": row.upstream.value, **_time_bounds(row.kind, settings)}
    if row.safe:
        action["retry_policy"] = limits.retry_policy()
    body = limits.build_body_limit(settings) if row.kind in _BODY_BOUNDED else {}
    return {
        "name": row.path,
        "match": _match(row),
        "route": action,
        "typed_per_filter_config": {**credentials, **body},
    }


def _match(row: Route) -> Config:
    match = _path_match(row.path)
    if row.methods:
        one_of = {"safe_regex": {"regex": "|".join(row.methods)}}
        match["headers"] = [{"name": ":method", "string_match": one_of}]
    if row.query:
        match["query_parameters"] = [{"name": row.query, "present_match": True}]
    return match


def _path_match(path: str) -> Config:
    if path.endswith("*"):
        return {"prefix": path.removesuffix("*")}
    if "{" in path:
        return {"safe_regex": {"regex": re.sub(r"{\w+}", "[^/]+", path)}}
    return {"path": path}


def _time_bounds(kind: Kind, settings: EdgeSettings) -> Config:
    """Return the timeouts of a route; Envoy's own default of 15 s would cut every stream."""
    unary, life = settings.unary_timeout_seconds, settings.max_stream_seconds
    whole = {"idle_timeout": seconds(unary + _SLACK_SECONDS)}
    quiet = {"idle_timeout": seconds(settings.stream_idle_timeout_seconds)}
    streamed = {"timeout": _UNBOUNDED, **quiet, "max_stream_duration": {"max_stream_duration": seconds(life)}}
    bounds: dict[Kind, Config] = {
        Kind.HTTP: {"timeout": seconds(unary), **whole},
        Kind.HTTP_STREAM: streamed,
        Kind.HTTP_UPLOAD_STREAM: streamed,
        Kind.HTTP_WAIT: {"timeout": seconds(life), "idle_timeout": seconds(life + _SLACK_SECONDS)},
        Kind.HTTP_UPLOAD: {"timeout": seconds(unary), **whole},
        Kind.RPC: {"timeout": _UNBOUNDED, **whole, "max_stream_duration": _deadline(unary)},
        Kind.RPC_STREAM: {"timeout": _UNBOUNDED, **quiet, "max_stream_duration": _deadline(life)},
        Kind.RPC_WATCH: {"timeout": _UNBOUNDED, "idle_timeout": _UNBOUNDED, "max_stream_duration": _deadline(life)},
    }
    return bounds[kind]


def _deadline(longest_seconds: float) -> Config:
    """Return the caller's deadline where it sends one, ours where it sends none or a longer one."""
    return {"max_stream_duration": seconds(longest_seconds), "grpc_timeout_header_max": seconds(longest_seconds)}


def _build_not_found_route() -> Config:
    return {
        "name": "nothing",
        "match": {"prefix": "/"},
        "direct_response": {"status": 404},
        "typed_per_filter_config": {**auth.public_route(), **limits.build_unlimited_route()},
    }
