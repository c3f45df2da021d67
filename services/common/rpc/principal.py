"""Tells a service who is calling."""

from __future__ import annotations

from typing import Any

import grpc

PRINCIPAL = "x-media-principal"
"""Metadata key under which the edge says who is calling; it strips what a client sends under this name."""


def get_principal(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Return who is calling, as the edge has verified it; empty for a call that came past no edge."""
    for key, value in context.invocation_metadata() or ():
        if key == PRINCIPAL and isinstance(value, str):
            return value
    return ""
