"""The stored objects of one kind: each has a record, by which its owner finds and lists it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.records.buffer import BufferedRecords
from services.common.records.interface import MAX_PAGE_SIZE, Record, RecordKey, RecordPage
from services.common.storage import ObjectStore, ObjectUrl
from services.common.storage.keys import list_input_keys

log = logger(__name__)

DEFAULT_PAGE_SIZE = 20
_PARALLEL_URLS = 8


@dataclass(frozen=True, slots=True)
class Catalog:
    """Records of the objects of one kind, and the objects that they describe.

    The object is written before its record and deleted before it. So a crash leaves an object without a record, which
    its owner can still read by its key, or a record without an object, which the next `find` deletes.
    """

    kind: str
    """Kind of the records."""
    records: BufferedRecords
    """The records of all kinds."""
    store: ObjectStore
    """The objects."""

    async def find(self, owner: str, record_id: str) -> Record | None:
        """Return the record of an object that exists; delete the record of one that does not.

        Raises:
            MediaError: UNAVAILABLE, STORAGE_FAILED.
        """
        record = await self.records.get(RecordKey(owner, self.kind, record_id))
        if record is None or await self._exists(record.object_key):
            return record
        # Deleted by a rule of the bucket, or by a call that ended before it deleted the record.
        log.info("the record of an object that is gone was deleted", kind=self.kind)
        await self.records.delete(record.key)
        return None

    async def delete_record(self, owner: str, record_id: str) -> bool:
        """Delete the record of a deleted object and return whether it existed.

        Raises:
            MediaError: UNAVAILABLE.
        """
        return await self.records.delete(RecordKey(owner, self.kind, record_id))

    async def delete_orphan(self, key: str, owner: str) -> bool:
        """Delete the record of an object that is gone, for kinds whose ids are keys; return whether there was one.

        Args:
            key: Key of the object, whole or below the prefix of `owner`.
            owner: The owner.

        Raises:
            MediaError: UNAVAILABLE; VALIDATION_ERROR, it is no key.
        """
        return any([await self.delete_record(owner, candidate) for candidate in list_input_keys(key, owner, "key")])

    async def list_page(self, owner: str, page_size: int, page_token: str) -> RecordPage:
        """Return a page of the records of `owner`, newest first.

        Args:
            owner: The owner.
            page_size: Most records, up to MAX_PAGE_SIZE; 0 for DEFAULT_PAGE_SIZE.
            page_token: Token of the page; empty for the first.

        Raises:
            MediaError: VALIDATION_ERROR, the token is not one of this list; UNAVAILABLE.
        """
        size = min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        return await self.records.list_page(owner, self.kind, page_size=size, page_token=page_token)

    async def build_urls(self, keys: Sequence[str]) -> list[ObjectUrl]:
        """Return a new URL of each object, in the order of `keys`; some stores need a call for each.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        permits = asyncio.Semaphore(_PARALLEL_URLS)

        async def build(key: str) -> ObjectUrl:
            async with permits:
                return await self.store.url(key)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(build(key)) for key in keys]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _exists(self, key: str) -> bool:
        try:
            await self.store.head(key)
        except MediaError as error:
            if error.reason is Reason.NOT_FOUND:
                return False
            raise
        return True
