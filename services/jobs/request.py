"""What callers ask of jobs, and what is known of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.jobs.record import JobRecord, Status

WEBHOOK = "webhook"
"""The kind of a job that tells a webhook; nobody asks for it."""


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A record as it was read."""

    record: JobRecord
    revision: int


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job that somebody asks for."""

    kind: str
    spec: Mapping[str, Any]
    webhook_url: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are listed."""

    kind: str = ""
    """Only this kind; empty for all."""
    status: Status | None = None
    """Only this status; None for all."""

    def fits(self, record: JobRecord) -> bool:
        """Say whether a job is one of these; those that tell webhooks never are."""
        if record.kind == WEBHOOK or (self.kind and record.kind != self.kind):
            return False
        return self.status is None or record.status is self.status
