"""A maintenance sweep: deletes old records, their results and orphaned objects, and requeues lost jobs."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from media.image.v1 import image_pb2
from media.tts.v1 import tts_pb2
from media.video.v1 import video_pb2
from nats.js.errors import KeyWrongLastSequenceError, NotFoundError

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.rpc.call_limits import CallLimits
from services.common.storage import ObjectStore, delete_older_than
from services.common.storage.keys import SPEECH_LINKS
from services.common.storage.settings import MAX_LIFETIME_SECONDS
from services.jobs.clients import ServiceClients, await_reply, metadata_for_owner
from services.jobs.jetstream import CANCELS, QUEUE, REQUESTS, STATE, Streams, list_subjects
from services.jobs.job_store import JobStore
from services.jobs.metrics import JobMetrics
from services.jobs.pipelines.steps import AUDIO, FINAL, IMAGE, OWN_OBJECTS, VIDEO, build_own_key
from services.jobs.record import WEBHOOK, JobRecord, Status, StoredJob, to_owner_token, to_request_token

log = logger(__name__)

SILENT_SECONDS = 600.0
"""Time without a change after which the sweep looks for an unfinished job in the queue."""
SETTLED_SECONDS = 3600.0
"""Time after the end of a job at which its orphans are deleted: calls that outlived the job have ended by then."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """Options of a sweep."""

    retention_seconds: float
    """Time that a job is stored after its last change."""
    delete_results: bool = False
    """Whether the results of a job are deleted with its record."""


class Sweep:
    """Checks all jobs of all owners. Sweeps are idempotent and may run at the same time.

    Args:
        streams: Connection with queue and buckets.
        job_store: Reads and publishes jobs.
        cleanup: Deletes results and orphans.
        store: Object store; the sweep deletes its unfinished uploads and its expired links.
        options: Retention.
        metrics: Counts the actions.
        now_seconds: Wall clock, in seconds since 1970.
    """

    def __init__(
        self,
        streams: Streams,
        job_store: JobStore,
        cleanup: Cleanup,
        store: ObjectStore,
        options: SweepOptions,
        metrics: JobMetrics,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._streams = streams
        self._job_store = job_store
        self._cleanup = cleanup
        self._store = store
        self._options = options
        self._metrics = metrics
        self._now_seconds = now_seconds
        self._reading = asyncio.Lock()
        self._queued: dict[str, set[str]] = {}
        self._actions: Mapping[str, Callable[[str, StoredJob], Awaitable[bool]]] = {
            "forgotten": self._delete_record,
            "tidied": self._delete_orphans,
            "put_back": self._requeue,
        }

    async def run(self) -> None:
        """Run one sweep; an action that fails is repeated by the next sweep.

        Raises:
            nats.errors.Error: The server does not answer.
        """
        done: Counter[str] = Counter()
        self._queued.clear()
        permits = asyncio.Semaphore(_AT_ONCE)

        async def check_with_permit(key: str) -> None:
            async with permits:
                done[await self._check_job(key)] += 1

        async with asyncio.TaskGroup() as tasks:
            for key in await self._list_keys():
                tasks.create_task(check_with_permit(key))
        drafts = await self._store.remove_stale_drafts(SETTLED_SECONDS)
        links = await delete_older_than(self._store, SPEECH_LINKS, self._now_seconds() - MAX_LIFETIME_SECONDS)
        counts = {name: done[name] for name in (*self._actions, "failed")}
        for name, count in counts.items():
            self._metrics.count_maintenance(name, count)
        log.info("a maintenance sweep ended", jobs=done.total(), drafts=drafts, links=links, **counts)

    async def _check_job(self, key: str) -> str:
        """Run the action that a job needs, and return its name; empty without an action."""
        try:
            stored = await self._job_store.read(key)
            name = "" if stored is None else self._find_action(stored.record)
            if stored is None or not name or not await self._actions[name](key, stored):
                return ""
        except MediaError as error:
            log.warning("maintenance of a job failed", job=key, reason=error.reason.name)
            return "failed"
        except KeyWrongLastSequenceError:
            # The job has changed in the meantime: a worker runs it.
            return ""
        except (ValueError, TypeError, KeyError):
            log.warning("cannot read a record; a newer version may have written it", job=key)
            return "failed"
        return name

    def _find_action(self, record: JobRecord) -> str:
        age_seconds = self._now_seconds() - datetime.fromisoformat(record.updated_at or record.created_at).timestamp()
        if not record.status.is_final:
            return "put_back" if age_seconds > SILENT_SECONDS else ""
        if age_seconds > self._options.retention_seconds:
            return "forgotten"
        left_something = record.kind != WEBHOOK and record.status is not Status.SUCCEEDED and not record.tidied
        return "tidied" if left_something and age_seconds > SETTLED_SECONDS else ""

    async def _delete_record(self, key: str, stored: StoredJob) -> bool:
        record = stored.record
        # The results of a job that was retried belong to its repetition.
        if self._options.delete_results and not record.retried_by:
            await self._cleanup.delete_results(record)
        if record.request_id:
            await self._purge(REQUESTS, f"{to_owner_token(record.principal)}.{to_request_token(record.request_id)}")
        await self._purge(CANCELS, key)
        # Delete the record last: while it exists, the next sweep repeats the steps above.
        await self._purge(STATE, key)
        return True

    async def _delete_orphans(self, key: str, stored: StoredJob) -> bool:
        await self._cleanup.delete_orphans(stored.record)
        # Not through a lease: its writes update the time of the last change.
        await self._streams.state.update(key, replace(stored.record, tidied=True).encode(), last=stored.revision)
        return True

    async def _requeue(self, key: str, stored: StoredJob) -> bool:
        """Publish a job again if the queue does not have it; return whether it was published."""
        record = stored.record
        if record.job_id in await self._list_queued_ids(self._job_store.build_subject(record)):
            return False
        current = await self._job_store.read(key)
        if current is None or current.revision != stored.revision:
            # The job has ended and left the queue since the first read.
            return False
        log.warning("requeueing a job that the queue has lost", job=record.job_id, kind=record.kind)
        await self._job_store.publish(record, f"{key}.{stored.revision}")
        return True

    async def _list_queued_ids(self, subject: str) -> set[str]:
        """Return the ids of the queued jobs of a subject, read once per sweep."""
        async with self._reading:
            if subject not in self._queued:
                self._queued[subject] = {job_id async for job_id in self._read_queued_ids(subject)}
            return self._queued[subject]

    async def _read_queued_ids(self, subject: str) -> AsyncIterator[str]:
        sequence = 1
        while True:
            try:
                message = await self._streams.jetstream.get_msg(QUEUE, seq=sequence, subject=subject, next=True)
            except NotFoundError:
                return
            # Skip unreadable messages: they are for newer workers.
            with suppress(ValueError, TypeError, KeyError):
                yield JobRecord.decode(message.data or b"").job_id
            sequence = (message.seq or sequence) + 1

    async def _list_keys(self) -> list[str]:
        prefix = f"$KV.{STATE}."
        found = await list_subjects(self._streams.client, f"KV_{STATE}", f"{prefix}>")
        return [subject.removeprefix(prefix) for subject in found]

    async def _purge(self, bucket: str, key: str) -> None:
        """Remove an entry of a bucket without the marker that a delete leaves."""
        await self._streams.jetstream.purge_stream(f"KV_{bucket}", subject=f"$KV.{bucket}.{key}")


class Cleanup:
    """Deletes media of jobs; media that do not exist any more are no error.

    Args:
        services: Clients of the services that store the media.
        limits: Time limits of each call.
    """

    def __init__(self, services: ServiceClients, limits: CallLimits) -> None:
        self._services = services
        self._limits = limits
        self._by_step: Mapping[str, Callable[[JobRecord, str], Awaitable[None]]] = {
            IMAGE: self._delete_image,
            VIDEO: self._delete_video,
            FINAL: self._delete_video,
        }

    async def delete_results(self, record: JobRecord) -> None:
        """Delete all results of a job.

        Raises:
            MediaError: A service cannot delete a result.
        """
        for step, delete in self._by_step.items():
            if step in record.steps:
                await delete(record, record.steps[step]["key"])
        if stored_audio_id := record.steps.get(AUDIO, {}).get("storedAudioId"):
            await self._delete_speech(record, stored_audio_id)

    async def delete_orphans(self, record: JobRecord) -> None:
        """Delete objects that an ended job stored without recording them.

        Raises:
            MediaError: A service cannot delete an object.
        """
        for step in OWN_OBJECTS:
            if step not in record.steps:
                await self._by_step[step](record, build_own_key(record, step))

    async def _delete_image(self, record: JobRecord, key: str) -> None:
        request = image_pb2.DeleteImageRequest(key=key)
        await self._delete(record, self._services.images.DeleteImage, request)

    async def _delete_video(self, record: JobRecord, key: str) -> None:
        request = video_pb2.DeleteVideoRequest(key=key)
        await self._delete(record, self._services.videos.DeleteVideo, request)

    async def _delete_speech(self, record: JobRecord, stored_audio_id: str) -> None:
        request = tts_pb2.DeleteStoredAudioRequest(id=stored_audio_id)
        await self._delete(record, self._services.speech.DeleteStoredAudio, request)

    async def _delete(self, record: JobRecord, method: Callable[..., Awaitable[Any]], request: object) -> None:
        try:
            await await_reply(
                method(request, metadata=metadata_for_owner(record.principal), timeout=self._limits.read_seconds)
            )
        except MediaError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
