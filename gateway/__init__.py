"""The HTTP gateway in front of the services, for clients without gRPC; and the edge in front of both."""

from __future__ import annotations

from pathlib import Path

OPENAPI_FILE = Path(__file__).resolve().parent / "openapi" / "openapi.json"
"""The OpenAPI document of the suite; `make openapi` writes it from the contracts."""
