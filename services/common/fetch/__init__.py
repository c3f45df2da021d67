"""The fetcher of callers' URLs. No other code connects to an address that a caller has chosen."""

from __future__ import annotations

from services.common.fetch.fetcher import FetchedFile, Fetcher, FetchOptions, ResponseHead, StreamedFile, open_fetcher
from services.common.fetch.settings import FetchSettings

__all__ = ["FetchOptions", "FetchSettings", "FetchedFile", "Fetcher", "ResponseHead", "StreamedFile", "open_fetcher"]
