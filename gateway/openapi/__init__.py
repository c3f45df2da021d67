"""Describes the HTTP routes as an OpenAPI 3.1 document, from the contracts and a table of the hand-written routes."""

from __future__ import annotations

from gateway.openapi.document import build_document
from gateway.openapi.http_rules import HttpRule, http_rules
from gateway.openapi.route_spec import Content, HandWritten, Header, Query, Response

__all__ = ["Content", "HandWritten", "Header", "HttpRule", "Query", "Response", "build_document", "http_rules"]
