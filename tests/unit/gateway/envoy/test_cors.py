"""Tests that pages may send every header that a route reads, and read every header that a route writes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import gateway
from gateway.envoy.cors import list_request_headers, list_response_headers

SOURCES = Path(gateway.__file__).parent
HEADER = re.compile(r"[A-Z][A-Za-z]*(-[A-Z][A-Za-z]*)+|ETag|Location|Range|Allow|Link|Prefer|Vary|Expires")
ALWAYS_ALLOWED = {"accept", "accept-language", "content-language"}
ALWAYS_READABLE = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified"}
FOR_THE_BROWSER = {
    "content-security-policy",
    "cross-origin-resource-policy",
    "referrer-policy",
    "x-accel-buffering",
    "x-content-type-options",
    "x-frame-options",
    "vary",
}
"""Response headers that tell a browser or a proxy what to do; no script needs them."""
SET_BY_THE_EDGE = {"x-media-principal"}
AIOHTTP_PROPERTIES = {
    "if_match": "if-match",
    "if_modified_since": "if-modified-since",
    "if_none_match": "if-none-match",
    "if_range": "if-range",
    "if_unmodified_since": "if-unmodified-since",
    "http_range": "range",
}


def _list_nodes() -> Iterator[ast.AST]:
    for path in (*SOURCES.glob("*.py"), *(SOURCES / "routes").glob("*.py")):
        yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def _read_constants() -> dict[str, str]:
    return {
        target.id: node.value.value
        for node in _list_nodes()
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    } | {"PRINCIPAL": "x-media-principal"}


def _list_read_headers() -> set[str]:
    constants = _read_constants()
    found: set[str] = set()
    for node in _list_nodes():
        if isinstance(node, ast.Attribute) and node.attr in AIOHTTP_PROPERTIES:
            found.add(AIOHTTP_PROPERTIES[node.attr])
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called.endswith(("request.headers.get", "request.headers.getall")):
            name = node.args[0]
        elif called == "read_header":
            name = node.args[1]
        else:
            continue
        if isinstance(name, ast.Constant):
            found.add(str(name.value).lower())
        elif ast.unparse(name) != "name":
            found.add(constants[ast.unparse(name)].lower())
    return found


def test_a_page_may_send_every_header_that_a_route_reads() -> None:
    read = _list_read_headers()
    assert {"idempotency-key", "prefer", "last-event-id", "if-range", "if-none-match", "range"} <= read
    assert read - ALWAYS_ALLOWED - SET_BY_THE_EDGE - set(list_request_headers()) == set()


def test_a_page_may_read_every_header_that_a_route_writes() -> None:
    constants = {node.value for node in _list_nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    written = {value.lower() for value in constants if HEADER.fullmatch(value)} - _list_read_headers()
    assert {"location", "content-location", "preference-applied", "x-media-id", "x-media-key", "x-media-url"} <= written
    unreadable = written - FOR_THE_BROWSER - ALWAYS_READABLE - ALWAYS_ALLOWED - set(list_response_headers())
    assert unreadable == set(), "describe these headers in gateway/openapi, from where the edge reads them"


def test_pages_may_send_what_tracers_and_grpc_web_need() -> None:
    assert {"traceparent", "tracestate", "authorization", "content-type", "x-grpc-web", "grpc-timeout"} <= set(
        list_request_headers()
    )
