"""The interface of record stores: records of stored media and of paid requests, private to their owners."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from services.common.errors import MediaError, Reason, invalid

MAX_DOCUMENT_BYTES = 1024 * 1024
"""Longest document, as JSON."""
MAX_ATTACHMENT_BYTES = 64 * 1024 * 1024
"""Longest attachment."""
MAX_PACKED_BYTES = 14 * 1024 * 1024
"""Longest attachment after compression: with its record it must fit a MongoDB document of 16 MiB."""
MAX_PAGE_SIZE = 100
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_RETRY_SECONDS = 5.0
_POSITION = re.compile(r"\d{15}-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Record:
    """What the suite knows about a stored object or a request, for its owner only."""

    owner: str
    """Caller, as verified by the edge; empty for calls that did not pass the edge."""
    kind: str
    """Kind of the record, such as `audio`; ids are unique within owner and kind."""
    id: str
    """Id of the record."""
    created_at: datetime
    """When the object was stored or the request arrived, in UTC; stores keep milliseconds."""
    object_key: str = ""
    """Key of the object in the object store; empty if the record describes none."""
    document: Mapping[str, Any] = field(default_factory=dict)
    """JSON of at most MAX_DOCUMENT_BYTES."""
    attachment: bytes = b""
    """Further data of at most MAX_ATTACHMENT_BYTES, such as the timing of long speech; absent in lists."""

    @property
    def key(self) -> RecordKey:
        """Owner, kind and id."""
        return RecordKey(self.owner, self.kind, self.id)

    @property
    def created_ms(self) -> int:
        """`created_at` in milliseconds since 1970."""
        return (self.created_at - _EPOCH) // _MILLISECOND

    @property
    def position(self) -> str:
        """Place of the record in lists: texts that sort as the times do, with a digest that separates equal times."""
        return f"{max(0, self.created_ms):015d}-{hashlib.sha256(self.id.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class RecordKey:
    """What identifies a record."""

    owner: str
    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class RecordPage:
    """A page of the records of one owner and kind, newest first."""

    records: tuple[Record, ...]
    """Records of this page, without attachments."""
    next_page_token: str = ""
    """Token of the next page; empty on the last page."""


class RecordStore(ABC):
    """Records that are shared by all processes that open the same store.

    Every method raises MediaError UNAVAILABLE if the database cannot be used; a write may then have taken place.
    """

    @abstractmethod
    async def create(self, record: Record) -> None:
        """Store a record; of several calls at once with the same owner, kind and id, one succeeds.

        Raises:
            MediaError: ALREADY_EXISTS, there is one; OUTPUT_TOO_LARGE, the record is too large.
        """

    @abstractmethod
    async def replace(self, record: Record) -> None:
        """Store a record in place of an earlier one, if there is one.

        Raises:
            MediaError: OUTPUT_TOO_LARGE, the record is too large.
        """

    @abstractmethod
    async def get(self, key: RecordKey) -> Record | None:
        """Return a record with its attachment, or None."""

    @abstractmethod
    async def delete(self, key: RecordKey) -> bool:
        """Delete a record and return whether it existed."""

    @abstractmethod
    async def list_page(self, owner: str, kind: str, *, page_size: int, page_token: str = "") -> RecordPage:
        """Return a page of the records of `owner`, newest first.

        Args:
            owner: The owner.
            kind: Kind of the records.
            page_size: Most records of the page, 1 to MAX_PAGE_SIZE.
            page_token: `next_page_token` of the previous page; empty for the first.

        Raises:
            MediaError: VALIDATION_ERROR, the token does not belong to this kind.
        """


def build_page(kind: str, found: list[Record], page_size: int) -> RecordPage:
    """Return the page of `found`, which has one record more than the page if another page follows."""
    shown = tuple(found[:page_size])
    return RecordPage(shown, _build_token(kind, shown[-1].position) if len(found) > page_size else "")


def parse_token(kind: str, token: str) -> str:
    """Return the position after which a page begins; a position after all records for an empty token.

    Raises:
        MediaError: VALIDATION_ERROR, the token does not belong to this kind.
    """
    if not token:
        return "~"
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    token_kind, _, position = text.partition(":")
    if token_kind != kind or not _POSITION.fullmatch(position):
        raise invalid("page_token", "must be the next_page_token of the previous page")
    return position


def dump_document(record: Record) -> str:
    """Return the document of `record` as JSON.

    Raises:
        MediaError: OUTPUT_TOO_LARGE.
    """
    data = orjson.dumps(record.document)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise _build_too_large_error()
    return data.decode()


def pack(attachment: bytes) -> bytes:
    """Return an attachment compressed; takes about 20 ms per MiB.

    Raises:
        MediaError: OUTPUT_TOO_LARGE.
    """
    if len(attachment) > MAX_ATTACHMENT_BYTES:
        raise _build_too_large_error()
    packed = zlib.compress(attachment) if attachment else b""
    if len(packed) > MAX_PACKED_BYTES:
        raise _build_too_large_error()
    return packed


def unpack(packed: bytes) -> bytes:
    """Return what `pack` compressed; a stored attachment never expands beyond MAX_ATTACHMENT_BYTES."""
    return zlib.decompressobj().decompress(packed, MAX_ATTACHMENT_BYTES) if packed else b""


def to_utc(milliseconds: int) -> datetime:
    """Return the time `milliseconds` after 1970."""
    return _EPOCH + milliseconds * _MILLISECOND


def build_unavailable_error() -> MediaError:
    """Return the error of a database that cannot be used; its cause is for the log."""
    return MediaError(
        Reason.UNAVAILABLE,
        "The database of records cannot be used at the moment; retry later.",
        retry_after_seconds=_RETRY_SECONDS,
    )


def build_exists_error() -> MediaError:
    """Return the error of `RecordStore.create` for a record that exists."""
    return MediaError(Reason.ALREADY_EXISTS, "A record with this id exists already.")


def _build_too_large_error() -> MediaError:
    return MediaError(Reason.OUTPUT_TOO_LARGE, "The record of the object is too large to be stored.")


def _build_token(kind: str, position: str) -> str:
    return base64.urlsafe_b64encode(f"{kind}:{position}".encode()).decode().rstrip("=")
