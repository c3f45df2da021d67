"""Leases and job stores without NATS: buckets in memory that remember every write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from services.jobs.jetstream import Streams
from services.jobs.job_store import JobStore
from services.jobs.lease import Lease
from services.jobs.record import JobRecord

CREATED_AT = "2026-11-21T09:00:00.250+00:00"
JOB_ID = "0193000000ab" + "0123456789abcdef0123"


@dataclass(frozen=True, slots=True)
class Entry:
    """Entry of a bucket."""

    value: bytes
    revision: int


class Bucket:
    """A bucket in memory with the compare-and-set of the server."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.writes: list[bytes] = []
        """All writes, in order."""

    async def get(self, key: str) -> Entry:
        """Return the entry of a key."""
        if key not in self.entries:
            raise KeyNotFoundError
        return self.entries[key]

    async def put(self, key: str, value: bytes) -> int:
        """Write without a check of the revision."""
        self.writes.append(value)
        self.entries[key] = Entry(value, len(self.writes))
        return len(self.writes)

    async def create(self, key: str, value: bytes) -> int:
        """Write a key that does not exist."""
        return await self.update(key, value, last=0)

    async def update(self, key: str, value: bytes, last: int) -> int:
        """Write a key that is still at revision `last`."""
        if (self.entries[key].revision if key in self.entries else 0) != last:
            raise KeyWrongLastSequenceError(description="wrong last sequence")
        return await self.put(key, value)


class Buckets:
    """All buckets, in the place of an open connection."""

    def __init__(self) -> None:
        self.state = Bucket()
        self.requests = Bucket()
        self.secrets = Bucket()

    @property
    def streams(self) -> Streams:
        """Connection for job stores and leases."""
        return cast(Streams, SimpleNamespace(state=self.state, requests=self.requests, secrets=self.secrets))

    @property
    def records(self) -> list[JobRecord]:
        """All written versions of records, in order."""
        return [JobRecord.decode(content) for content in self.state.writes]

    async def lease(self, record: JobRecord) -> Lease:
        """Write a record and return its lease."""
        key = JobStore.build_key(record.principal, record.job_id)
        return Lease(self.streams, key, record, await self.state.create(key, record.encode()))


def make_record(kind: str = "animate", spec: Mapping[str, Any] | None = None, **fields: Any) -> JobRecord:
    """Return the record of a job of Alice that was just accepted."""
    return JobRecord(
        **{"job_id": JOB_ID, "principal": "alice", "created_at": CREATED_AT, **fields}, kind=kind, spec=spec or {}
    )
