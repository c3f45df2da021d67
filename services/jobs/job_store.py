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
from services.jobs.ids import new_job_id, owner_token, request_token
from services.jobs.jetstream import (
    QUEUE,
    QUOTA_ERROR,
    RETRY_SECONDS,
    RUN,
    STATE,
    TOLD,
    Streams,
    answering,
    list_subjects,
)
from services.jobs.lease import Lease
from services.jobs.record import Record, now
from services.jobs.request import WEBHOOK, JobFilter, JobRequest, StoredJob

log = logger(__name__)

_SILENCE_SECONDS = 1.0
"""How long a watcher hears nothing before the record is read again: a lost notice can only delay."""
_READ_AT_ONCE = 32
_MOST_READ = 2048
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
        with answering():
            job_id = await self._id_for(request, principal)
            record = Record(
                job_id=job_id,
                principal=principal,
                kind=request.kind,
                spec=request.spec,
                created_at=now(),
                updated_at=now(),
                webhook_url=request.webhook_url,
                request_id=request.request_id,
            )
            known = await self.read(self.key(principal, job_id)) if request.request_id else None
            return known or await self._publish(record)

    async def open(self, record: Record) -> Lease:
        """Return the right to advance a job, of whose record there may be nothing but the message yet."""
        key = self.key(record.principal, record.job_id)
        with suppress(KeyWrongLastSequenceError):
            await self._streams.state.create(key, record.encode())
        known = await self.read(key)
        if known is None:
            raise nats.errors.Error("a record that was just written is not there")
        return Lease(self._streams, key, known.record, known.revision)

    async def get(self, job_id: str, principal: str) -> StoredJob:
        """Return a job of `principal`'s own.

        Raises:
            MediaError: JOB_NOT_FOUND, UNAVAILABLE.
        """
        with answering():
            known = await self.read(self.key(principal, job_id))
        if known is None or known.record.principal != principal or known.record.kind == WEBHOOK:
            raise invalid("id", "must be the id of a job of yours", Reason.JOB_NOT_FOUND)
        return known

    async def deliveries(self, job_id: str, principal: str) -> list[Mapping[str, Any]]:
        """Return what was sent to the webhook of a job of `principal`'s own.

        Raises:
            MediaError: JOB_NOT_FOUND, UNAVAILABLE.
        """
        known = await self.get(job_id, principal)
        with answering():
            try:
                name = request_token(webhook_request_id(known.record.job_id))
                entry = await self._streams.requests.get(f"{owner_token(principal)}.{name}")
            except KeyNotFoundError:
                return []
            found = await self.read(self.key(principal, str(orjson.loads(entry.value or b'[""]')[0])))
        return [] if found is None else list(found.record.steps.get(DELIVERIES, {}).get("sent", ()))

    async def page(
        self, principal: str, selection: JobFilter, page_size: int, page_token: str
    ) -> tuple[list[StoredJob], str]:
        """Return jobs of `principal`'s own, newest first, and what asks for the ones behind them.

        Raises:
            MediaError: VALIDATION_ERROR, UNAVAILABLE.
        """
        if page_token and not (len(page_token) == len(new_job_id()) and page_token.isalnum()):
            raise invalid("page_token", "must be the next_page_token of the page before")
        with answering():
            ids = [found for found in await self._ids(principal) if not page_token or found < page_token]
            chosen: list[StoredJob] = []
            for start in range(0, min(len(ids), _MOST_READ), _READ_AT_ONCE):
                some = ids[start : start + _READ_AT_ONCE]
                read = await asyncio.gather(*(self._readable(self.key(principal, found)) for found in some))
                for known in read:
                    if known is None or known.record.principal != principal or not selection.fits(known.record):
                        continue
                    if len(chosen) == page_size:
                        return chosen, chosen[-1].record.job_id
                    chosen.append(known)
        # A page may have fewer jobs than asked for, or none, and still not be the last.
        return chosen, ids[_MOST_READ - 1] if len(ids) > _MOST_READ else ""

    async def cancel(self, job_id: str, principal: str) -> StoredJob:
        """Ask for the end of a job; one that has ended stays as it is.

        Raises:
            MediaError: JOB_NOT_FOUND, UNAVAILABLE.
        """
        known = await self.get(job_id, principal)
        if not known.record.status.is_final:
            with answering():
                await self._streams.cancels.put(self.key(principal, job_id), b"1")
        return known

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
        key = self.key(principal, job_id)
        # A plain subscription to what the bucket repeats: nothing has to be rebuilt when the server comes back.
        with answering():
            told = await self._streams.client.subscribe(f"{TOLD}.{STATE}.{key}")
        try:
            known: StoredJob | None = await self.get(job_id, principal)
            # A revision that is none yet is of another store: everything is news.
            seen = after_revision if known is None or after_revision <= known.revision else 0
            told_at = time.monotonic()
            while True:
                is_silent = time.monotonic() - told_at >= repeat_seconds
                if known is not None and (known.revision > seen or is_silent):
                    seen, told_at = known.revision, time.monotonic()
                    yield known
                if known is not None and known.record.status.is_final:
                    return
                with suppress(nats.errors.TimeoutError):
                    await told.next_msg(timeout=_SILENCE_SECONDS)
                raise_if_cancelled()
                known = None
                with suppress(nats.errors.Error):
                    known = await self.read(key)
        finally:
            with suppress(nats.errors.Error):
                await told.unsubscribe()

    @staticmethod
    def key(principal: str, job_id: str) -> str:
        """Return the key of a job's record."""
        return f"{owner_token(principal)}.{job_id}"

    @staticmethod
    def subject(record: Record) -> str:
        """Return the subject of a job in the queue; the server bounds how many each has."""
        # Webhooks are no wishes of the owner's, who can have as many of them as jobs that end.
        whose = record.job_id if record.kind == WEBHOOK else owner_token(record.principal)
        return f"{RUN}.{record.kind}.{whose}"

    async def _id_for(self, request: JobRequest, principal: str) -> str:
        """Return a new id, or the one that an earlier request of the same name has got."""
        job_id = new_job_id()
        if not request.request_id:
            return job_id
        # Not the wish itself: names outlive what was refused.
        wished = orjson.dumps([request.kind, request.spec, request.webhook_url], option=orjson.OPT_SORT_KEYS)
        fingerprint = hashlib.sha256(wished).hexdigest()
        content = orjson.dumps([job_id, fingerprint])
        key = f"{owner_token(principal)}.{request_token(request.request_id)}"
        with suppress(KeyWrongLastSequenceError):
            await self._streams.requests.create(key, content)
            return job_id
        found, known = orjson.loads((await self._streams.requests.get(key)).value or b'["", ""]')
        if known != fingerprint:
            raise invalid("request_id", "was used for another job; choose another", Reason.ALREADY_EXISTS)
        return str(found)

    async def publish(self, record: Record, message_id: str) -> None:
        """Put a job into the queue, once for each `message_id`. The message carries all of it.

        Raises:
            MediaError: QUOTA_EXCEEDED.
            nats.errors.Error: The server does not answer.
        """
        subject = self.subject(record)
        try:
            await self._streams.jetstream.publish(subject, record.encode(), headers={"Nats-Msg-Id": message_id})
        except APIError as error:
            if error.err_code != QUOTA_ERROR:
                raise
            raise await self._full(record) from None

    async def _publish(self, record: Record) -> StoredJob:
        """Return the record of a new job: the acknowledged message is the acceptance."""
        await self.publish(record, self.key(record.principal, record.job_id))
        try:
            lease = await self.open(record)
        except (nats.errors.Error, TimeoutError):
            # It is accepted all the same: whoever takes it writes the record.
            return StoredJob(record, 0)
        return StoredJob(lease.record, lease.revision)

    async def _full(self, record: Record) -> MediaError:
        subject, used = self.subject(record), 0
        with suppress(nats.errors.Error, APIError):
            info = await self._streams.jetstream.stream_info(QUEUE, subjects_filter=subject)
            used = (info.state.subjects or {}).get(subject, 0)
        return MediaError(
            Reason.QUOTA_EXCEEDED,
            f"{used} of your jobs of the kind {record.kind} have not ended, as many as you may have; wait for one.",
            metadata={"in_use": str(used)},
            retry_after_seconds=RETRY_SECONDS,
        )

    async def _ids(self, principal: str) -> list[str]:
        """Return the ids of all of an owner's jobs, newest first.

        The server names the subjects: complete even while workers write, which a watch of the bucket is not.
        """
        prefix = f"$KV.{STATE}.{owner_token(principal)}."
        found = await list_subjects(self._streams.client, f"KV_{STATE}", f"{prefix}*")
        return sorted((subject.removeprefix(prefix) for subject in found), reverse=True)

    async def _readable(self, key: str) -> StoredJob | None:
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
        return StoredJob(Record.decode(entry.value), entry.revision or 0)


def webhook_request_id(job_id: str) -> str:
    """Return the name under which the job that tells the webhook of a job is asked for; no caller can use it."""
    return f"{WEBHOOK}:{job_id}"
