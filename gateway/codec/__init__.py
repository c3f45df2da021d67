"""Converts JSON to messages and messages to JSON, with one compiled plan per message type."""

from __future__ import annotations

from gateway.codec.decode import decode
from gateway.codec.encode import encode

__all__ = ["decode", "encode"]
