"""Writes the records of objects that earlier versions stored without one, so that their owners find them in lists."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.records.buffer import BufferedRecords
from services.common.records.interface import Record, RecordKey
from services.common.storage import ObjectInfo, ObjectStore

log = logger(__name__)

_KIND = "index"
_PAGE_SIZE = 100
_RETRY_SECONDS = 60.0

Describe = Callable[[ObjectInfo], Awaitable[Record | None]]
"""Called with an object; returns its record, or None for an object that is not listed, such as a variant."""


class ObjectIndex:
    """Reads all objects of a kind once, one after the other; its place is in the database, so a restart continues.

    Several processes may do so at once. An object that has a record keeps it.

    Args:
        records: The records.
        store: The object store.
        name: Name of the index.
        prefixes: Prefixes of the keys of such objects.
        describe: Builds the record of an object.
    """

    def __init__(
        self, records: BufferedRecords, store: ObjectStore, name: str, prefixes: Sequence[str], describe: Describe
    ) -> None:
        self._records = records
        self._store = store
        self._key = RecordKey("", _KIND, name)
        self._prefixes = prefixes
        self._describe = describe

    async def run(self) -> None:
        """Index all objects, then return; a store or a database that is down is tried again."""
        while True:
            try:
                return await self.index_all()
            except MediaError as error:
                log.warning("cannot index stored objects; retrying", reason=error.reason.name)
            await asyncio.sleep(_RETRY_SECONDS)

    async def index_all(self) -> None:
        """Index the objects that were not read yet.

        Raises:
            MediaError: STORAGE_FAILED, UNAVAILABLE.
        """
        place = await self._records.get(self._key)
        number, token = (place.document["prefix"], place.document["token"]) if place is not None else (0, "")
        while number < len(self._prefixes):
            page = await self._store.list(self._prefixes[number], page_size=_PAGE_SIZE, page_token=token)
            added = sum([await self._add(item.key) for item in page.objects])
            if added:
                log.info("stored objects were indexed", index=self._key.id, objects=added)
            token = page.next_page_token
            number += not token
            document = {"prefix": number, "token": token}
            await self._records.save(Record("", _KIND, self._key.id, datetime.now(UTC), document=document))

    async def _add(self, key: str) -> bool:
        """Write the record of an object that has none, and return whether it was written."""
        try:
            record = await self._describe(await self._store.head(key))
            if record is None:
                return False
            await self._records.create(record)
        except MediaError as error:
            # The object was deleted meanwhile, or has a record.
            if error.reason in (Reason.NOT_FOUND, Reason.ALREADY_EXISTS):
                return False
            raise
        return True
