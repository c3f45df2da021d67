"""Moves records of earlier versions, which lay as JSON files beside the media, into the database.

Such a file is at records/<folder>/<owner>/<id>.json in the object store: in a public bucket, a guess of its name
is enough to read it. Every service moves the folders that it owns when it starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.records.interface import MAX_ATTACHMENT_BYTES, Record, RecordKey, RecordPage, RecordStore
from services.common.storage import OWNER, ObjectStore, read_all
from services.common.storage.keys import USERS, list_prefixes

log = logger(__name__)

ROOT = "records"
_SUFFIX = ".json"
_PAGE_SIZE = 100
_PASS_SECONDS = 3600.0
_RETRY_SECONDS = 60.0

Convert = Callable[[RecordKey, bytes, datetime], Sequence[Record]]
"""Converts the content of a file, and the time when it was written, to records.

Raises ValueError, KeyError or TypeError for a content of another form.
"""


@dataclass(frozen=True, slots=True)
class OldFolder:
    """A folder of files; each is a record, named by its id."""

    folder: str
    """Name of the folder below `records/`."""
    convert: Convert
    """Converts one file."""


class MigratingRecords(RecordStore):
    """A record store that also finds the records that are still files in the object store.

    `run` moves them in the background. Until it has found no more files for an hour, a read of an absent record looks
    for its file. A record of the database is always newer than the file of the same id. Several processes may move the
    same files at once, and a pass that was interrupted is continued by the next.

    Args:
        records: The database.
        store: The object store.
        folders: Folders by the kind of their records.
    """

    def __init__(self, records: RecordStore, store: ObjectStore, folders: Mapping[str, OldFolder]) -> None:
        self._records = records
        self._store = store
        self._folders = dict(folders)
        self._is_active = bool(folders)

    async def create(self, record: Record) -> None:
        """Create the record unless there is one, in the database or as a file."""
        # The file first: its move would otherwise find the new record and discard the old one.
        await self._move(record.key)
        await self._records.create(record)

    async def replace(self, record: Record) -> None:
        """Store a record in the database; the next pass deletes its file."""
        await self._records.replace(record)

    async def get(self, key: RecordKey) -> Record | None:
        """Return a record; one that is still a file is moved first."""
        found = await self._records.get(key)
        if found is not None or not await self._move(key):
            return found
        return await self._records.get(key)

    async def delete(self, key: RecordKey) -> bool:
        """Delete a record, and its file first: the file would bring the record back."""
        path = await self._find_file(key)
        had_file = path is not None and await self._store.delete(path)
        return await self._records.delete(key) or had_file

    async def list_page(self, owner: str, kind: str, *, page_size: int, page_token: str = "") -> RecordPage:
        """Return a page of the records in the database."""
        return await self._records.list_page(owner, kind, page_size=page_size, page_token=page_token)

    async def run(self) -> None:
        """Move all files, again an hour later for those of a process that was still stopping, and then return."""
        is_first = True
        while self._is_active:
            try:
                moved = await self.move_all()
            except MediaError as error:
                log.warning("cannot move records into the database; retrying", reason=error.reason.name)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if not moved and not is_first:
                self._is_active = False
                return
            is_first = False
            await asyncio.sleep(_PASS_SECONDS)

    async def move_all(self) -> int:
        """Move files until none is left that can be moved, and return the number of moved files.

        Raises:
            MediaError: STORAGE_FAILED, UNAVAILABLE.
        """
        total = 0
        for kind, old in self._folders.items():
            # A store may skip objects of the next page when objects of this page are deleted.
            while moved := await self._move_folder(kind, old):
                total += moved
        return total

    async def _move_folder(self, kind: str, old: OldFolder) -> int:
        moved = failed = 0
        token = ""
        while True:
            page = await self._store.list(f"{ROOT}/{old.folder}/", page_size=_PAGE_SIZE, page_token=token)
            for item in page.objects:
                is_moved = await self._move_file(item.key, kind, old)
                moved += is_moved
                failed += not is_moved
            token = page.next_page_token
            if not token:
                break
        if moved or failed:
            log.info("records were moved into the database", kind=kind, moved=moved, failed=failed)
        return moved

    async def _move(self, key: RecordKey) -> bool:
        """Move the file of a record, if there is one, and return whether it was moved."""
        path = await self._find_file(key)
        if path is None:
            return False
        return await self._move_file(path, key.kind, self._folders[key.kind], key.owner)

    async def _move_file(self, path: str, kind: str, old: OldFolder, owner: str | None = None) -> bool:
        """Create the records of a file, unless there are newer ones, and delete the file.

        Args:
            path: Key of the file.
            kind: Kind of the record.
            old: Folder of the file.
            owner: Owner of the record; None takes it from the metadata of the file.

        Returns:
            Whether the file was moved. One that cannot be read is left as it is.
        """
        try:
            data, info = await read_all(self._store, path, max_bytes=MAX_ATTACHMENT_BYTES)
            whose = info.metadata[OWNER] if owner is None else owner
            record_id = path.rpartition("/")[2].removesuffix(_SUFFIX)
            records = await asyncio.to_thread(old.convert, RecordKey(whose, kind, record_id), data, info.modified_at)
        except (ValueError, KeyError, TypeError):
            return False
        except MediaError as error:
            # Another process moved it, or it is larger than any record.
            if error.reason in (Reason.NOT_FOUND, Reason.PAYLOAD_TOO_LARGE):
                return False
            raise
        for record in records:
            await self._create_missing(record)
        await self._store.delete(path)
        return True

    async def _create_missing(self, record: Record) -> None:
        try:
            await self._records.create(record)
        except MediaError as error:
            if error.reason is not Reason.ALREADY_EXISTS:
                raise

    async def _find_file(self, key: RecordKey) -> str | None:
        """Return where the file of a record is; None without a file."""
        if not self._is_active or key.kind not in self._folders:
            return None
        for prefix in list_prefixes(key.owner):
            owner = prefix.removeprefix(f"{USERS}/")
            path = f"{ROOT}/{self._folders[key.kind].folder}/{owner}{key.id}{_SUFFIX}"
            if await self._exists(path):
                return path
        return None

    async def _exists(self, path: str) -> bool:
        try:
            await self._store.head(path)
        except MediaError as error:
            # An id that is not a valid segment of a key never had a file.
            if error.reason in (Reason.NOT_FOUND, Reason.VALIDATION_ERROR):
                return False
            raise
        return True
