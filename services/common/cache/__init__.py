"""The result cache: memory in front of a store that all processes share."""

from __future__ import annotations

from services.common.cache.interface import CacheStats, CacheStatus, Collection, Entry, ExpiryClock, Store, StoreError
from services.common.cache.tiered import Codec, TieredCache, TieredOptions, open_cache, open_result_store

__all__ = [
    "CacheStats",
    "CacheStatus",
    "Codec",
    "Collection",
    "Entry",
    "ExpiryClock",
    "Store",
    "StoreError",
    "TieredCache",
    "TieredOptions",
    "open_cache",
    "open_result_store",
]
