"""Describes the HTTP routes as an OpenAPI 3.1 document, from the contracts and a table of the hand-written routes."""

from __future__ import annotations

from gateway.openapi.document import build_document
from gateway.openapi.rules import HttpRule, http_rules
from gateway.openapi.table import Content, HandWritten, Header, Query, Response

__all__ = ["Content", "HandWritten", "Header", "HttpRule", "Query", "Response", "build_document", "http_rules"]
