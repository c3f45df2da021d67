"""Turns parsed JSON into messages and messages into JSON, by plans compiled once per message type."""

from __future__ import annotations

from gateway.codec.reading import decode
from gateway.codec.writing import encode

__all__ = ["decode", "encode"]
