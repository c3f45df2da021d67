"""Turns parsed JSON into messages and messages into JSON, by plans compiled once per message type."""

from __future__ import annotations

from gateway.codec.decode import decode
from gateway.codec.encode import encode

__all__ = ["decode", "encode"]
