"""Checks all steps of a job with their services before the first one is paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

from media.image.v1 import image_pb2
from media.tts.v1 import tts_pb2
from media.video.v1 import video_pb2

from services.common.errors import MediaError
from services.jobs.clients import ServiceClients, await_reply, metadata_for_owner
from services.jobs.pipelines.step_requests import StepRequest


@dataclass(frozen=True, slots=True)
class StepChecks:
    """Has the services check the requests of steps. A check generates, stores and pays nothing."""

    services: ServiceClients
    call_seconds: float
    """Deadline of each check."""
    reads_images: bool
    """Whether source images are read and decoded, too."""

    async def check(self, requests: Sequence[StepRequest], principal: str) -> None:
        """Raise the first error, in the order of the steps, with the names of the job's fields.

        Raises:
            MediaError: A service would refuse a step; or it does not answer.
        """
        checks = (self._check(request, principal) for request in requests)
        for request, outcome in zip(requests, await asyncio.gather(*checks, return_exceptions=True), strict=True):
            if isinstance(outcome, MediaError):
                raise request.relabel_error(outcome)
            if isinstance(outcome, BaseException):
                raise outcome

    async def _check(self, request: StepRequest, principal: str) -> None:
        await await_reply(self._call(request, metadata_for_owner(principal)))

    def _call(self, request: StepRequest, metadata: list[tuple[str, str]]) -> Awaitable[Any]:
        message, seconds = request.message, self.call_seconds
        match message:
            case tts_pb2.SynthesizeStreamRequest():
                speech = tts_pb2.CheckSpeechRequest(request=message)
                return self.services.speech.CheckSpeech(speech, metadata=metadata, timeout=seconds)
            case image_pb2.GenerateImageRequest():
                image = image_pb2.CheckImageRequest(request=message)
                return self.services.images.CheckImage(image, metadata=metadata, timeout=seconds)
            case video_pb2.GenerateVideoRequest():
                is_pending = request.image_is_pending or not self.reads_images
                video = video_pb2.CheckVideoRequest(
                    request=message, image_is_pending=is_pending, burned_text=request.burned_text
                )
                return self.services.videos.CheckVideo(video, metadata=metadata, timeout=seconds)
