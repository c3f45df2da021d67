"""The data of a job: ids, request, record and list filter. Records are stored as JSON in NATS."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import orjson

from services.common.errors import FieldViolation

WEBHOOK = "webhook"
"""Kind of a job that delivers a webhook. The worker creates it; callers cannot request or list it."""
_MAX_ATTEMPTS_LISTED = 20
_PLAIN_PRINCIPAL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HASHED_LETTERS = 40
_PARTS = 1 << 16
"""Parts of a millisecond in an id."""


class Status(Enum):
    """Status of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the status cannot change any more."""
        return self in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Failure of an attempt, or of the job."""

    reason: str
    """Name of a `Reason`."""
    message: str
    stage: str
    details: tuple[FieldViolation, ...] = ()
    """The wrong fields, with their paths in the request of the failed step."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of the job by a worker."""

    number: int
    began_at: str
    """ISO 8601, in UTC."""
    ended_at: str = ""
    """Empty while it runs, or if its worker crashed."""
    failure: JobFailure | None = None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """The stored state of a job. Immutable: a lease writes the next version."""

    job_id: str
    """32 hexadecimal digits, in the order of creation."""
    principal: str
    """Owner: the principal that created it."""
    kind: str
    """animate, talking_video, headline, story or webhook."""
    spec: Mapping[str, Any]
    """The spec message of the contract as JSON."""
    created_at: str
    """ISO 8601, in UTC."""
    updated_at: str = ""
    status: Status = Status.QUEUED
    stage: str = ""
    percent: float = 0.0
    attempt: int = 0
    attempts: tuple[Attempt, ...] = ()
    """The latest attempts."""
    failed_attempts: int = 0
    """Attempts that failed; attempts that ended with a crash of the worker do not count."""
    failing_since: str = ""
    """Time of the first failure since the last finished step; empty without one."""
    steps: Mapping[str, Any] = field(default_factory=dict)
    """Results of the finished steps, by name: the checkpoint."""
    intents: tuple[str, ...] = ()
    """Steps with a started paid call; written before the call, so that a crash cannot hide it."""
    failure: JobFailure | None = None
    worker: str = ""
    """Name of the worker that runs it; empty between attempts."""
    delivery: int = 0
    """Delivery number of the message with which that worker received it."""
    webhook_url: str = ""
    request_id: str = ""
    retry_of: str = ""
    """Id of the failed job that this one repeats; empty for other jobs."""
    video_of: str = ""
    """Id of the job whose unstored video a repetition requests; empty to request a video of its own."""
    retried_by: str = ""
    """Id of the repetition of this failed job, which uses its results; empty without one."""
    tidied: bool = False
    """Whether a sweep has deleted objects that the job stored without recording them."""

    def encode(self) -> bytes:
        """Return the record as JSON."""
        return orjson.dumps(self, default=_to_plain)

    @classmethod
    def decode(cls, data: bytes) -> JobRecord:
        """Return the record in `data`; fields of newer versions of the suite are ignored."""
        content = _select_known_fields(cls, orjson.loads(data))
        attempts = (_select_known_fields(Attempt, item) for item in content["attempts"])
        return cls(
            **{
                **content,
                "status": Status(content["status"]),
                "attempts": tuple(Attempt(**{**item, "failure": _parse_failure(item["failure"])}) for item in attempts),
                "intents": tuple(content["intents"]),
                "failure": _parse_failure(content["failure"]),
            }
        )

    def start_attempt(self, worker: str, delivery: int) -> JobRecord:
        """Return the record with a new attempt by `worker`, which received this delivery."""
        number = self.attempt + 1
        return replace(
            self,
            status=Status.RUNNING,
            attempt=number,
            attempts=(*self.attempts, Attempt(number, format_now()))[-_MAX_ATTEMPTS_LISTED:],
            worker=worker,
            delivery=delivery,
            failure=None,
        )

    def end_attempt(self, status: Status, failure: JobFailure | None = None) -> JobRecord:
        """Return the record with its attempt ended; a final status ends the job as well."""
        attempts = self.attempts
        if attempts and not attempts[-1].ended_at:
            attempts = (*attempts[:-1], replace(attempts[-1], ended_at=format_now(), failure=failure))
        done = status is Status.SUCCEEDED
        return replace(
            self,
            status=status,
            attempts=attempts,
            failed_attempts=self.failed_attempts + (failure is not None),
            failing_since=self.failing_since or (format_now() if failure is not None else ""),
            worker="",
            failure=failure,
            percent=100.0 if done else self.percent,
            stage="" if done else self.stage,
        )


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A record as it was read from the bucket."""

    record: JobRecord
    revision: int
    """Number of its last change; 0 while the record is not written yet."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job as a caller requests it."""

    kind: str
    spec: Mapping[str, Any]
    webhook_url: str = ""
    request_id: str = ""
    repeated: JobRecord | None = None
    """The failed job that this one repeats."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Selects the jobs of a list."""

    kind: str = ""
    """Only this kind; empty for all."""
    status: Status | None = None
    """Only this status; None for all."""

    def matches(self, record: JobRecord) -> bool:
        """Return whether the list includes a job; jobs that deliver webhooks are never listed."""
        if record.kind == WEBHOOK or (self.kind and record.kind != self.kind):
            return False
        return self.status is None or record.status is self.status


def format_now() -> str:
    """Return the current UTC time as ISO 8601 text with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def make_job_id(now_seconds: float | None = None) -> str:
    """Return a new id: 12 digits of milliseconds, 4 of fractions of one, and 16 random digits.

    The fractions sort jobs that are accepted within the same millisecond.
    """
    seconds = time.time() if now_seconds is None else now_seconds
    return f"{int(seconds * 1000 * _PARTS):016x}{secrets.token_hex(8)}"


def to_owner_token(principal: str) -> str:
    """Return the token of `principal` in subjects and keys; different principals have different tokens.

    Args:
        principal: Name of the owner, as verified at the edge; any text.
    """
    if _PLAIN_PRINCIPAL.fullmatch(principal):
        return principal
    # Hash names with characters that have a meaning in NATS; the equals sign keeps hashes apart from plain names.
    return f"={hashlib.sha256(principal.encode()).hexdigest()[:_HASHED_LETTERS]}"


def to_request_token(request_id: str) -> str:
    """Return the token of a caller's request id in keys."""
    return hashlib.sha256(request_id.encode()).hexdigest()[:_HASHED_LETTERS]


def _to_plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def _select_known_fields(kind: type[JobRecord | Attempt | JobFailure], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of `content` that are fields of `kind`."""
    return {each.name: content[each.name] for each in fields(kind) if each.name in content}


def _parse_failure(content: Mapping[str, Any] | None) -> JobFailure | None:
    if content is None:
        return None
    details = tuple(FieldViolation(item["field"], item["description"]) for item in content.get("details", ()))
    return JobFailure(**{**_select_known_fields(JobFailure, content), "details": details})
