"""Fetches what callers' URLs name, if that may be fetched: the one place where a caller decides where we connect to."""

from __future__ import annotations

from services.common.fetch.fetcher import FetchedFile, Fetcher, FetchOptions, Head, StreamedFile, open_fetcher
from services.common.fetch.settings import FetchSettings

__all__ = ["FetchOptions", "FetchSettings", "FetchedFile", "Fetcher", "Head", "StreamedFile", "open_fetcher"]
