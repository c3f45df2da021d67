"""The job store: accepts, reads, lists, cancels and watches jobs. All state is in NATS."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import nats.errors
import orjson
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError

from services.common.cancellation import raise_if_cancelled
from services.common.errors import MediaError, Reason, invalid
from services.common.log import logger
from services.jobs.jetstream import (
    QUEUE,
    QUOTA_ERROR,
    RETRY_SECONDS,
    RUN,
    STATE,
    UPDATES,
    Streams,
    list_subjects,
    translate_nats_errors,
)
from services.jobs.lease import Lease
from services.jobs.record import (
    WEBHOOK,
    JobFilter,
    JobRecord,
    JobRequest,
    Status,
    StoredJob,
    format_now,
    make_job_id,
    to_owner_token,
    to_request_token,
)

log = logger(__name__)

_SILENCE_SECONDS = 1.0
"""Time without a notification after which a watcher reads the record: a lost notification only delays."""
_MAX_CONCURRENT_READS = 32
_MAX_READ = 2048
"""Maximum number of records that one page reads when its filter matches few of them."""
RETRY = "retry"
"""Prefix of the request ids of repetitions; the contract does not let callers use such ids."""
_UNSTORED = frozenset({Reason.STORAGE_FAILED.name, Reason.STORAGE_REFUSED.name})
"""Failures after which a provider may have a finished video that could not be stored."""
DELIVERIES = "deliveries"
"""Step of a webhook job; its result lists the deliveries."""


class JobStore:
    """Stores jobs in NATS; safe for concurrent use by any number of processes.

    Args:
        streams: Connection; the caller closes it.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    async def submit(self, request: JobRequest, principal: str) -> StoredJob:
        """Accept a job, or return the existing job of the same request id.

        Raises:
            MediaError: QUOTA_EXCEEDED; ALREADY_EXISTS, another job has the request id; UNAVAILABLE.
        """
        with translate_nats_errors():
            job_id = await self._reserve_id(request, principal)
            record = JobRecord(
                job_id=job_id,
                principal=principal,
                kind=request.kind,
                spec=request.spec,
                created_at=format_now(),
                updated_at=format_now(),
                webhook_url=request.webhook_url,
                request_id=request.request_id,
                **_list_taken_over(request.repeated),
            )
            stored = await self.read(self.build_key(principal, job_id)) if request.request_id else None
            return stored or await self._publish_new(record)

    async def has_request(self, request_id: str, principal: str) -> bool:
        """Return whether `principal` has used this request id for a job.

        Raises:
            MediaError: UNAVAILABLE.
        """
        with translate_nats_errors(), suppress(KeyNotFoundError):
            await self._streams.requests.get(f"{to_owner_token(principal)}.{to_request_token(request_id)}")
            return True
        return False

    async def open_lease(self, record: JobRecord) -> Lease:
        """Return the lease of a job. Create the record if only the queued message exists so far."""
        key = self.build_key(record.principal, record.job_id)
        with suppress(KeyWrongLastSequenceError):
            await self._streams.state.create(key, record.encode())
        stored = await self.read(key)
        if stored is None:
            raise nats.errors.Error("cannot read a record that was just written")
        return Lease(self._streams, key, stored.record, stored.revision)

    async def get(self, job_id: str, principal: str) -> StoredJob:
        """Return a job of `principal`.

        Raises:
            MediaError: JOB_NOT_FOUND, UNAVAILABLE.
        """
        with translate_nats_errors():
            stored = await self.read(self.build_key(principal, job_id))
        if stored is None or stored.record.principal != principal or stored.record.kind == WEBHOOK:
            raise invalid("id", "must be the id of one of your jobs", Reason.JOB_NOT_FOUND)
        return stored

    async def list_deliveries(self, job_id: str, principal: str) -> list[Mapping[str, Any]]:
        """Return the deliveries to the webhook of a job of `principal`.

        Raises:
            MediaError: JOB_NOT_FOUND, UNAVAILABLE.
        """
        stored = await self.get(job_id, principal)
        with translate_nats_errors():
            try:
                name = to_request_token(build_webhook_request_id(stored.record.job_id))
                entry = await self._streams.requests.get(f"{to_owner_token(principal)}.{name}")
            except KeyNotFoundError:
                return []
            found = await self.read(self.build_key(principal, str(orjson.loads(entry.value or b'[""]')[0])))
        return [] if found is None else list(found.record.steps.get(DELIVERIES, {}).get("sent", ()))

    async def list_page(
        self, principal: str, job_filter: JobFilter, page_size: int, page_token: str
    ) -> tuple[list[StoredJob], str]:
        """Return a page of the jobs of `principal`, newest first, and the token of the next page.

        Raises:
            MediaError: VALIDATION_ERROR, UNAVAILABLE.
        """
        if page_token and not (len(page_token) == len(make_job_id()) and page_token.isalnum()):
            raise invalid("page_token", "must be the next_page_token of the previous page")
        with translate_nats_errors():
            ids = [found for found in await self._list_ids(principal) if not page_token or found < page_token]
            chosen: list[StoredJob] = []
            for start in range(0, min(len(ids), _MAX_READ), _MAX_CONCURRENT_READS):
                some = ids[start : start + _MAX_CONCURRENT_READS]
                read = await asyncio.gather(*(self._read_or_none(self.build_key(principal, found)) for found in some))
                for stored in read:
                    if stored is None or stored.record.principal != principal or not job_filter.matches(stored.record):
                        continue
                    if len(chosen) == page_size:
                        return chosen, chosen[-1].record.job_id
                    chosen.append(stored)
        # A page may have fewer jobs than requested, even none, and still have a next page.
        return chosen, ids[_MAX_READ - 1] if len(ids) > _MAX_READ else ""

    async def cancel(self, job_id: str, principal: str) -> StoredJob:
        """Request the cancellation of a job; a job that has ended does not change.

        Raises:
            MediaError: JOB_NOT_FOUND, UNAVAILABLE.
        """
        stored = await self.get(job_id, principal)
        if not stored.record.status.is_final:
            with translate_nats_errors():
                await self._streams.cancels.put(self.build_key(principal, job_id), b"1")
        return stored

    async def retry(self, job_id: str, principal: str) -> StoredJob:
        """Create the repetition of a failed job, or return the existing one.

        Raises:
            MediaError: JOB_NOT_FOUND; VALIDATION_ERROR, the job has not failed; QUOTA_EXCEEDED, UNAVAILABLE.
        """
        failed = (await self.get(job_id, principal)).record
        if failed.status is not Status.FAILED:
            raise invalid("id", f"must be the id of a failed job; this one is {failed.status.value}")
        request = JobRequest(failed.kind, failed.spec, failed.webhook_url, f"{RETRY}:{job_id}", failed)
        created = await self.submit(request, principal)
        await self._mark_retried(self.build_key(principal, job_id), created.record.job_id)
        return created

    async def _mark_retried(self, key: str, retried_by: str) -> None:
        """Store the id of the repetition: its results must outlive the failed job."""
        with translate_nats_errors():
            while (stored := await self.read(key)) is not None and not stored.record.retried_by:
                with suppress(KeyWrongLastSequenceError):
                    changed = replace(stored.record, retried_by=retried_by)
                    await self._streams.state.update(key, changed.encode(), last=stored.revision)

    async def is_cancelled(self, key: str) -> bool:
        """Return whether the cancellation of a job was requested."""
        try:
            return bool((await self._streams.cancels.get(key)).value)
        except KeyNotFoundError:
            return False

    async def watch(
        self, job_id: str, principal: str, after_revision: int = 0, *, repeat_seconds: float = math.inf
    ) -> AsyncIterator[StoredJob]:
        """Yield a job at each change until it has ended.

        Args:
            job_id: Id of the job.
            principal: Owner of the job.
            after_revision: Last revision that the caller knows; only later ones are yielded.
            repeat_seconds: Time without a change after which the unchanged job is yielded again.

        Raises:
            MediaError: JOB_NOT_FOUND or UNAVAILABLE at the start; later outages only delay.
        """
        key = self.build_key(principal, job_id)
        # Subscribe to the republished records: unlike a watch of the bucket, this survives a restart of the server.
        with translate_nats_errors():
            subscription = await self._streams.client.subscribe(f"{UPDATES}.{STATE}.{key}")
        try:
            stored: StoredJob | None = await self.get(job_id, principal)
            # A revision from the future belongs to another store, such as before a restore: yield everything.
            last_revision = after_revision if stored is None or after_revision <= stored.revision else 0
            sent_at = time.monotonic()
            while True:
                is_silent = time.monotonic() - sent_at >= repeat_seconds
                if stored is not None and (stored.revision > last_revision or is_silent):
                    last_revision, sent_at = stored.revision, time.monotonic()
                    yield stored
                if stored is not None and stored.record.status.is_final:
                    return
                with suppress(nats.errors.TimeoutError):
                    await subscription.next_msg(timeout=_SILENCE_SECONDS)
                raise_if_cancelled()
                stored = None
                with suppress(nats.errors.Error):
                    stored = await self.read(key)
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def publish(self, record: JobRecord, message_id: str) -> None:
        """Publish a job to the queue, once per `message_id`. The message holds the whole record.

        Raises:
            MediaError: QUOTA_EXCEEDED.
            nats.errors.Error: The server does not answer.
        """
        subject = self.build_subject(record)
        try:
            await self._streams.jetstream.publish(subject, record.encode(), headers={"Nats-Msg-Id": message_id})
        except APIError as error:
            if error.err_code != QUOTA_ERROR:
                raise
            raise await self._build_quota_error(record) from None

    async def read(self, key: str) -> StoredJob | None:
        """Return the job under a key without a check of its owner; None if it is missing."""
        try:
            entry = await self._streams.state.get(key)
        except KeyNotFoundError:
            return None
        if not entry.value:
            return None
        return StoredJob(JobRecord.decode(entry.value), entry.revision or 0)

    @staticmethod
    def build_key(principal: str, job_id: str) -> str:
        """Return the key of a job's record."""
        return f"{to_owner_token(principal)}.{job_id}"

    @staticmethod
    def build_subject(record: JobRecord) -> str:
        """Return the subject of a job in the queue; the server limits the messages per subject."""
        # Webhooks do not count against the quota of the owner: each has a subject of its own.
        token = record.job_id if record.kind == WEBHOOK else to_owner_token(record.principal)
        return f"{RUN}.{record.kind}.{token}"

    async def _reserve_id(self, request: JobRequest, principal: str) -> str:
        """Return a new id, or the id that is reserved for the same request id."""
        job_id = make_job_id()
        if not request.request_id:
            return job_id
        # Store a hash, not the request: the entry outlives rejected requests.
        request_json = orjson.dumps([request.kind, request.spec, request.webhook_url], option=orjson.OPT_SORT_KEYS)
        fingerprint = hashlib.sha256(request_json).hexdigest()
        content = orjson.dumps([job_id, fingerprint])
        key = f"{to_owner_token(principal)}.{to_request_token(request.request_id)}"
        with suppress(KeyWrongLastSequenceError):
            await self._streams.requests.create(key, content)
            return job_id
        found, known_fingerprint = orjson.loads((await self._streams.requests.get(key)).value or b'["", ""]')
        if known_fingerprint != fingerprint:
            raise invalid("request_id", "was used for another job; choose another", Reason.ALREADY_EXISTS)
        return str(found)

    async def _publish_new(self, record: JobRecord) -> StoredJob:
        """Publish a new job and return it; the job is accepted once the message is acknowledged."""
        await self.publish(record, self.build_key(record.principal, record.job_id))
        try:
            lease = await self.open_lease(record)
        except (nats.errors.Error, TimeoutError):
            # The job is accepted all the same: the worker that receives it writes the record.
            return StoredJob(record, 0)
        return StoredJob(lease.record, lease.revision)

    async def _build_quota_error(self, record: JobRecord) -> MediaError:
        subject, used = self.build_subject(record), 0
        with suppress(nats.errors.Error, APIError):
            info = await self._streams.jetstream.stream_info(QUEUE, subjects_filter=subject)
            used = (info.state.subjects or {}).get(subject, 0)
        return MediaError(
            Reason.QUOTA_EXCEEDED,
            f"You have {used} unfinished jobs of the kind {record.kind}, the maximum; wait until one has ended.",
            metadata={"in_use": str(used)},
            retry_after_seconds=RETRY_SECONDS,
        )

    async def _list_ids(self, principal: str) -> list[str]:
        """Return the ids of all jobs of an owner, newest first.

        Lists the subjects of the stream: complete also while workers write, unlike the keys of the bucket.
        """
        prefix = f"$KV.{STATE}.{to_owner_token(principal)}."
        found = await list_subjects(self._streams.client, f"KV_{STATE}", f"{prefix}*")
        return sorted((subject.removeprefix(prefix) for subject in found), reverse=True)

    async def _read_or_none(self, key: str) -> StoredJob | None:
        """Return the job under a key; None if it is missing or unreadable."""
        try:
            return await self.read(key)
        except (ValueError, TypeError, KeyError):
            log.warning("cannot read a record; a newer version may have written it", job=key)
            return None


def _list_taken_over(failed: JobRecord | None) -> dict[str, Any]:
    """Return the fields of a record that a repetition takes over from the failed job."""
    if failed is None:
        return {}
    # After any other failure the provider has cancelled or failed the video, so that its id has no video to find.
    has_lost_video = failed.failure is not None and failed.failure.reason in _UNSTORED
    return {
        "retry_of": failed.job_id,
        "video_of": (failed.video_of or failed.job_id) if has_lost_video else "",
        "steps": failed.steps,
        "percent": failed.percent,
    }


def build_webhook_request_id(job_id: str) -> str:
    """Return the request id of the webhook job of a job; the contract does not let callers use such ids."""
    return f"{WEBHOOK}:{job_id}"
