"""What services share that speak JSON with paid providers."""

from __future__ import annotations

from services.common.providers.http_client import Answer, ProviderEndpoint, ProviderHttpClient, open_session

__all__ = ["Answer", "ProviderEndpoint", "ProviderHttpClient", "open_session"]
