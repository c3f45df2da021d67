"""Fetches what callers' URLs name, if that may be fetched: the one place where a caller decides where we connect to."""

from __future__ import annotations

from services.common.fetch.fetcher import Fetched, Fetcher, FetchOptions, Head, Streamed, open_fetcher
from services.common.fetch.settings import FetchSettings

__all__ = ["FetchOptions", "FetchSettings", "Fetched", "Fetcher", "Head", "Streamed", "open_fetcher"]
