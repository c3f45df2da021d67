"""Accepts, finds, lists, ends and watches jobs. It keeps nothing itself: any replica can answer for any job."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import nats.errors
import orjson
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError

from services.common.cancellation import raise_if_cancelled
from services.common.errors import MediaError, Reason, invalid
from services.common.log import logger
from services.jobs.ids import make_job_id, to_owner_token, to_request_token
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
from services.jobs.record import WEBHOOK, JobFilter, JobRecord, JobRequest, StoredJob, now

log = logger(__name__)

_SILENCE_SECONDS = 1.0
"""How long a watcher hears nothing before the record is read again: a lost notice can only delay."""
_MAX_CONCURRENT_READS = 32
_MAX_READ = 2048
"""Records that are read for one page, where few of them are wanted."""
DELIVERIES = "deliveries"
"""Name of the step of a webhook's job that holds what was sent."""


class JobStore:
    """Where jobs are pinned.

    Args:
        streams: Where they live.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    async def submit(self, request: JobRequest, principal: str) -> StoredJob:
        """Accept a job, or returns the one that an earlier request of the same name has made.

        Raises:
            MediaError: QUOTA_EXCEEDED; ALREADY_EXISTS, the name was used for something else; UNAVAILABLE.
        """
        with translate_nats_errors():
            job_id = await self._reserve_id(request, principal)
            record = JobRecord(
                job_id=job_id,
                principal=principal,
                kind=request.kind,
                spec=request.spec,
                created_at=now(),
                updated_at=now(),
                webhook_url=request.webhook_url,
                request_id=request.request_id,
            )
            stored = await self.read(self.build_key(principal, job_id)) if request.request_id else None
            return stored or await self._publish_new(record)

    async def open_lease(self, record: JobRecord) -> Lease:
        """Return the right to advance a job, of whose record there may be nothing but the message yet."""
        key = self.build_key(record.principal, record.job_id)
        with suppress(KeyWrongLastSequenceError):
            await self._streams.state.create(key, record.encode())
        stored = await self.read(key)
        if stored is None:
            raise nats.errors.Error("a record that was just written is not there")
        return Lease(self._streams, key, stored.record, stored.revision)

    async def get(self, job_id: str, principal: str) -> StoredJob:
        """Return a job of `principal`'s own.

        Raises:
            MediaError: JOB_NOT_FOUND, UNAVAILABLE.
        """
        with translate_nats_errors():
            stored = await self.read(self.build_key(principal, job_id))
        if stored is None or stored.record.principal != principal or stored.record.kind == WEBHOOK:
            raise invalid("id", "must be the id of a job of yours", Reason.JOB_NOT_FOUND)
        return stored

    async def list_deliveries(self, job_id: str, principal: str) -> list[Mapping[str, Any]]:
        """Return what was sent to the webhook of a job of `principal`'s own.

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
        """Return jobs of `principal`'s own, newest first, and what asks for the ones behind them.

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
        # A page may have fewer jobs than asked for, or none, and still not be the last.
        return chosen, ids[_MAX_READ - 1] if len(ids) > _MAX_READ else ""

    async def cancel(self, job_id: str, principal: str) -> StoredJob:
        """Ask for the end of a job; one that has ended stays as it is.

        Raises:
            MediaError: JOB_NOT_FOUND, UNAVAILABLE.
        """
        stored = await self.get(job_id, principal)
        if not stored.record.status.is_final:
            with translate_nats_errors():
                await self._streams.cancels.put(self.build_key(principal, job_id), b"1")
        return stored

    async def is_cancelled(self, key: str) -> bool:
        """Tell whether somebody asked for the end of a job."""
        try:
            return bool((await self._streams.cancels.get(key)).value)
        except KeyNotFoundError:
            return False

    async def watch(
        self, job_id: str, principal: str, after_revision: int = 0, *, repeat_seconds: float = math.inf
    ) -> AsyncIterator[StoredJob]:
        """Yield a job whenever it has changed, until it has ended.

        Args:
            job_id: Which one.
            principal: Whose it is.
            after_revision: The change that the caller knows; only later ones are yielded.
            repeat_seconds: After how long without a change the job is yielded again, as it is.

        Raises:
            MediaError: JOB_NOT_FOUND, UNAVAILABLE at the beginning; later, whoever is silent comes back.
        """
        key = self.build_key(principal, job_id)
        # A plain subscription to what the bucket repeats: nothing has to be rebuilt when the server comes back.
        with translate_nats_errors():
            subscription = await self._streams.client.subscribe(f"{UPDATES}.{STATE}.{key}")
        try:
            stored: StoredJob | None = await self.get(job_id, principal)
            # A revision that is none yet is of another store: everything is news.
            seen = after_revision if stored is None or after_revision <= stored.revision else 0
            sent_at = time.monotonic()
            while True:
                is_silent = time.monotonic() - sent_at >= repeat_seconds
                if stored is not None and (stored.revision > seen or is_silent):
                    seen, sent_at = stored.revision, time.monotonic()
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

    @staticmethod
    def build_key(principal: str, job_id: str) -> str:
        """Return the key of a job's record."""
        return f"{to_owner_token(principal)}.{job_id}"

    @staticmethod
    def build_subject(record: JobRecord) -> str:
        """Return the subject of a job in the queue; the server bounds how many each has."""
        # Webhooks are no wishes of the owner's, who can have as many of them as jobs that end.
        token = record.job_id if record.kind == WEBHOOK else to_owner_token(record.principal)
        return f"{RUN}.{record.kind}.{token}"

    async def _reserve_id(self, request: JobRequest, principal: str) -> str:
        """Return a new id, or the one that an earlier request of the same name has got."""
        job_id = make_job_id()
        if not request.request_id:
            return job_id
        # Not the wish itself: names outlive what was refused.
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

    async def publish(self, record: JobRecord, message_id: str) -> None:
        """Put a job into the queue, once for each `message_id`. The message carries all of it.

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

    async def _publish_new(self, record: JobRecord) -> StoredJob:
        """Return the record of a new job: the acknowledged message is the acceptance."""
        await self.publish(record, self.build_key(record.principal, record.job_id))
        try:
            lease = await self.open_lease(record)
        except (nats.errors.Error, TimeoutError):
            # It is accepted all the same: whoever takes it writes the record.
            return StoredJob(record, 0)
        return StoredJob(lease.record, lease.revision)

    async def _build_quota_error(self, record: JobRecord) -> MediaError:
        subject, used = self.build_subject(record), 0
        with suppress(nats.errors.Error, APIError):
            info = await self._streams.jetstream.stream_info(QUEUE, subjects_filter=subject)
            used = (info.state.subjects or {}).get(subject, 0)
        return MediaError(
            Reason.QUOTA_EXCEEDED,
            f"{used} of your jobs of the kind {record.kind} have not ended, as many as you may have; wait for one.",
            metadata={"in_use": str(used)},
            retry_after_seconds=RETRY_SECONDS,
        )

    async def _list_ids(self, principal: str) -> list[str]:
        """Return the ids of all of an owner's jobs, newest first.

        The server names the subjects: complete even while workers write, which a watch of the bucket is not.
        """
        prefix = f"$KV.{STATE}.{to_owner_token(principal)}."
        found = await list_subjects(self._streams.client, f"KV_{STATE}", f"{prefix}*")
        return sorted((subject.removeprefix(prefix) for subject in found), reverse=True)

    async def _read_or_none(self, key: str) -> StoredJob | None:
        """Return what is under a key, or None where that cannot be read."""
        try:
            return await self.read(key)
        except (ValueError, TypeError, KeyError):
            log.warning("a record cannot be read; a newer version may have written it", job=key)
            return None

    async def read(self, key: str) -> StoredJob | None:
        """Return what is under a key, whoever's it is; None if nothing is."""
        try:
            entry = await self._streams.state.get(key)
        except KeyNotFoundError:
            return None
        if not entry.value:
            return None
        return StoredJob(JobRecord.decode(entry.value), entry.revision or 0)


def build_webhook_request_id(job_id: str) -> str:
    """Return the name under which the job that tells the webhook of a job is asked for; no caller can use it."""
    return f"{WEBHOOK}:{job_id}"
