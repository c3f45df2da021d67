"""Convert values to the shared messages of the contracts, media.common.v1 and the well-known types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from media.common.v1 import cache_pb2, error_pb2

from services.common.cache.interface import CacheStatus
from services.common.errors import FieldViolation

CACHE_STATUSES: Mapping[CacheStatus, cache_pb2.CacheStatus] = {
    "miss": cache_pb2.CACHE_STATUS_MISS,
    "hit": cache_pb2.CACHE_STATUS_HIT,
    "joined": cache_pb2.CACHE_STATUS_JOINED,
    "bypass": cache_pb2.CACHE_STATUS_BYPASS,
}
"""The cache status of a result as a value of the contracts."""


def to_timestamp(time: datetime) -> Timestamp:
    """Return `time`, which must have a time zone or be UTC, as a message."""
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp


def to_field_errors(violations: Iterable[FieldViolation]) -> list[error_pb2.FieldError]:
    """Return the wrong fields of a request as messages."""
    return [error_pb2.FieldError(field=item.field, description=item.description) for item in violations]
