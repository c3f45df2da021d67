"""Cross-origin requests of browsers: allowed origins, methods and headers.

The headers are those that the OpenAPI document describes for the routes, and those of the edge itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import orjson

from gateway import OPENAPI_FILE
from gateway.envoy.settings import EdgeSettings
from gateway.envoy.typed_config import Config, build_extension, build_typed

CORS_FILTER = "envoy.filters.http.cors"
_CORS = "envoy.extensions.filters.http.cors.v3"
_PREFLIGHT_CACHE_SECONDS = 600
_ANY_ORIGIN = "*"
_BAD_REQUEST = 400
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_EDGE_REQUEST_HEADERS = frozenset(
    {
        "authorization",
        "content-type",
        "x-request-id",
        # Pages that trace their requests send these with each of them; a preflight without them would refuse all.
        "traceparent",
        "tracestate",
        "baggage",
        "grpc-timeout",
        "x-grpc-web",
        "x-user-agent",
    }
)
"""Request headers that the edge itself reads or passes on to every service."""
_EDGE_RESPONSE_HEADERS = frozenset(
    {
        # Of 405, which the document leaves out because it belongs to paths.
        "allow",
        "x-request-id",
        "retry-after",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
    }
)
"""Response headers that the edge itself writes, or that gRPC-Web needs."""


def build_cors_filter() -> Config:
    """Return the filter that answers preflights; it stands before authentication, as a preflight carries no token."""
    return build_extension(CORS_FILTER, f"{_CORS}.Cors")


def build_cors_policy(settings: EdgeSettings) -> Config:
    """Return the filter settings of all routes.

    `allow_credentials` stays off: a page sends its token in a header that it sets itself, never in a cookie.
    """
    return {
        CORS_FILTER: build_typed(
            f"{_CORS}.CorsPolicy",
            allow_origin_string_match=[{"exact": origin} for origin in settings.origins],
            allow_methods=", ".join(_METHODS),
            allow_headers=", ".join(list_request_headers()),
            expose_headers=", ".join(list_response_headers()),
            max_age=str(_PREFLIGHT_CACHE_SECONDS),
            forward_not_matching_preflights=False,
        )
    }


def build_vary_header() -> Config:
    """Return the addition to every response by which caches tell the responses to two origins apart."""
    return {"header": {"key": "vary", "value": "origin"}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}


def build_refusal_headers(settings: EdgeSettings) -> list[Config]:
    """Return the headers with which a page reads a refusal that comes before any filter, such as of a malformed path.

    The filter sets them on all other responses.
    """
    return _build_headers(
        {"access-control-allow-origin": _write_origin(settings), "access-control-expose-headers": "x-request-id"}
    )


def build_preflight_mapper(settings: EdgeSettings) -> Config:
    """Return the mapper that lets a preflight pass which Envoy refuses before any filter.

    The page then sends its request, whose refusal tells what is wrong; that of a preflight would be hidden from it.
    """
    preflight = (
        {"name": ":method", "string_match": {"exact": "OPTIONS"}},
        {"name": "access-control-request-method", "present_match": True},
    )
    status = {"op": "EQ", "value": {"default_value": _BAD_REQUEST, "runtime_key": "edge.preflight_status"}}
    return {
        "filter": {
            "and_filter": {
                "filters": [
                    {"status_code_filter": {"comparison": status}},
                    *({"header_filter": {"header": header}} for header in preflight),
                ]
            }
        },
        "status_code": 200,
        "headers_to_add": _build_headers(
            {
                "access-control-allow-origin": _write_origin(settings),
                "access-control-allow-methods": ", ".join(_METHODS),
                "access-control-allow-headers": ", ".join(list_request_headers()),
            }
        ),
    }


def _build_headers(headers: Mapping[str, str]) -> list[Config]:
    return [
        {"header": {"key": key, "value": value}, "append_action": "ADD_IF_ABSENT"} for key, value in headers.items()
    ]


def _write_origin(settings: EdgeSettings) -> str:
    """Return a header value that Envoy fills in: the origin of the request if it is allowed, else nothing."""
    if _ANY_ORIGIN in settings.origins:
        return _ANY_ORIGIN
    allowed = ", ".join(f"'{origin}'" for origin in settings.origins)
    return f"%CEL(request.headers['origin'] in [{allowed}] ? request.headers['origin'] : '')%"


def list_request_headers() -> list[str]:
    """Return the request headers that a page may set, in lower case and sorted."""
    document = _read_document()
    described = {
        item["name"].lower()
        for operation in _list_operations(document)
        for item in operation.get("parameters", ())
        if item["in"] == "header"
    }
    schemes = document["components"]["securitySchemes"].values()
    keys = {scheme["name"].lower() for scheme in schemes if scheme.get("in") == "header"}
    return sorted(described | keys | _EDGE_REQUEST_HEADERS)


def list_response_headers() -> list[str]:
    """Return the response headers that a page may read, in lower case and sorted."""
    document = _read_document()
    responses = [
        *document["components"]["responses"].values(),
        *(item for operation in _list_operations(document) for item in operation["responses"].values()),
    ]
    described = {name.lower() for response in responses for name in response.get("headers", ())}
    return sorted(described | _EDGE_RESPONSE_HEADERS)


@cache
def _read_document() -> Mapping[str, Any]:
    found: Mapping[str, Any] = orjson.loads(OPENAPI_FILE.read_bytes())
    return found


def _list_operations(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()
