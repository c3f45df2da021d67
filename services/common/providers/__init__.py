"""The HTTP client of the services that call paid providers with JSON."""

from __future__ import annotations

from services.common.providers.http_client import Answer, ProviderEndpoint, ProviderHttpClient, open_session

__all__ = ["Answer", "ProviderEndpoint", "ProviderHttpClient", "open_session"]
