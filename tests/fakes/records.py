"""A record store in memory, with failures that a test sets."""

from __future__ import annotations

from services.common.records import BufferedRecords, BufferOptions, Record, RecordKey, RecordPage, RecordStore
from services.common.records.interface import (
    build_exists_error,
    build_page,
    build_unavailable_error,
    dump_document,
    pack,
    parse_token,
)


class FakeRecordStore(RecordStore):
    """Stores records in a dict."""

    def __init__(self) -> None:
        self.records: dict[RecordKey, Record] = {}
        self.is_down = False
        """Whether every call fails."""

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        """Owner, kind and id of all records of callers, sorted; without the places of indexes."""
        return sorted((key.owner, key.kind, key.id) for key in self.records if key.kind != "index")

    async def create(self, record: Record) -> None:
        """Store a record, unless there is one."""
        self._check(record)
        if record.key in self.records:
            raise build_exists_error()
        self.records[record.key] = record

    async def replace(self, record: Record) -> None:
        """Store a record."""
        self._check(record)
        self.records[record.key] = record

    async def get(self, key: RecordKey) -> Record | None:
        """Return a record, or None."""
        self._check()
        return self.records.get(key)

    async def delete(self, key: RecordKey) -> bool:
        """Delete a record and return whether it existed."""
        self._check()
        return self.records.pop(key, None) is not None

    async def list_page(self, owner: str, kind: str, *, page_size: int, page_token: str = "") -> RecordPage:
        """Return a page of the records, newest first."""
        self._check()
        before = parse_token(kind, page_token)
        found = [
            Record(item.owner, item.kind, item.id, item.created_at, item.object_key, item.document)
            for item in self.records.values()
            if (item.owner, item.kind) == (owner, kind) and item.position < before
        ]
        return build_page(kind, sorted(found, key=lambda item: item.position, reverse=True), page_size)

    def _check(self, record: Record | None = None) -> None:
        if self.is_down:
            raise build_unavailable_error()
        if record is not None:
            dump_document(record)
            pack(record.attachment)


def build_records(store: RecordStore | None = None) -> BufferedRecords:
    """Return records in memory, or in `store`; a write that fails is repeated after a millisecond."""
    return BufferedRecords(store or FakeRecordStore(), BufferOptions(pause_seconds=0.001, longest_pause_seconds=0.001))
