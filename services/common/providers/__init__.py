"""HTTP client of the paid providers, their errors, and the Retry-After header."""

from __future__ import annotations

from services.common.providers.errors import MAX_RETRY_AFTER_SECONDS, ErrorBuilder, parse_retry_after
from services.common.providers.http_client import (
    Answer,
    ProviderEndpoint,
    ProviderHttpClient,
    ProviderResponse,
    open_session,
)

__all__ = [
    "MAX_RETRY_AFTER_SECONDS",
    "Answer",
    "ErrorBuilder",
    "ProviderEndpoint",
    "ProviderHttpClient",
    "ProviderResponse",
    "open_session",
    "parse_retry_after",
]
