"""A job in hand without a server of jobs: its record is in memory, and every write of it is kept."""

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
    """What a bucket holds under a key."""

    value: bytes
    revision: int


class Bucket:
    """A bucket in memory that compares and sets as the server does."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.writes: list[bytes] = []
        """Everything that was ever written, in order."""

    async def get(self, key: str) -> Entry:
        """Return what is under a key."""
        if key not in self.entries:
            raise KeyNotFoundError
        return self.entries[key]

    async def put(self, key: str, value: bytes) -> int:
        """Write, whatever is there."""
        self.writes.append(value)
        self.entries[key] = Entry(value, len(self.writes))
        return len(self.writes)

    async def create(self, key: str, value: bytes) -> int:
        """Write where nothing is."""
        return await self.update(key, value, last=0)

    async def update(self, key: str, value: bytes, last: int) -> int:
        """Write where nobody else has since `last`."""
        if (self.entries[key].revision if key in self.entries else 0) != last:
            raise KeyWrongLastSequenceError(description="wrong last sequence")
        return await self.put(key, value)


class Buckets:
    """All of them, in the place of an open connection."""

    def __init__(self) -> None:
        self.state = Bucket()
        self.requests = Bucket()
        self.secrets = Bucket()

    @property
    def streams(self) -> Streams:
        """What boards and leases are given."""
        return cast(Streams, SimpleNamespace(state=self.state, requests=self.requests, secrets=self.secrets))

    @property
    def records(self) -> list[JobRecord]:
        """Every record that was ever written, in order."""
        return [JobRecord.decode(content) for content in self.state.writes]

    async def lease(self, record: JobRecord) -> Lease:
        """Write a record and returns the right to advance it."""
        key = JobStore.build_key(record.principal, record.job_id)
        return Lease(self.streams, key, record, await self.state.create(key, record.encode()))


def make_record(kind: str = "animate", spec: Mapping[str, Any] | None = None, **fields: Any) -> JobRecord:
    """Return the record of a job of Alice's, as it is when it is accepted."""
    return JobRecord(
        **{"job_id": JOB_ID, "principal": "alice", "created_at": CREATED_AT, **fields}, kind=kind, spec=spec or {}
    )
