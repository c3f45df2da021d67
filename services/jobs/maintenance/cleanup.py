"""Delete the results of jobs through the services that store them, on behalf of the owners."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from media.image.v1 import image_pb2
from media.tts.v1 import tts_pb2
from media.video.v1 import video_pb2

from services.common.errors import MediaError, Reason
from services.jobs.clients import ServiceClients, await_reply, metadata_for_owner
from services.jobs.pipelines.steps import AUDIO, FINAL, IMAGE, OWN_OBJECTS, VIDEO, build_own_key
from services.jobs.record import JobRecord


class Cleanup:
    """Delete media of jobs; media that do not exist any more are no error.

    Args:
        services: Clients of the services that store the media.
        call_seconds: Deadline of each call.
    """

    def __init__(self, services: ServiceClients, call_seconds: float) -> None:
        self._services = services
        self._call_seconds = call_seconds
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
                method(request, metadata=metadata_for_owner(record.principal), timeout=self._call_seconds)
            )
        except MediaError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
