"""Fakes of the services that jobs call, over gRPC: they record calls and reply as a test scripts."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from media.common.v1 import alignment_pb2
from media.image.v1 import image_pb2, image_pb2_grpc
from media.tts.v1 import tts_pb2, tts_pb2_grpc
from media.video.v1 import video_pb2, video_pb2_grpc

from services.common.errors import MediaError
from services.common.rpc.metadata import get_principal
from services.jobs.clients import ServiceClients
from tests.fakes.grpc_server import run_test_server

STORED_AUDIO_ID = "0b9d3a5e-52a7-4d0c-9a36-3f0e6a9b8c11"
AUDIO_KEY, VIDEO_KEY = "audio/2026/11/speech.mp3", "videos/2026/11/video.mp4"
ALIGNMENT = alignment_pb2.Alignment(
    characters=["H", "i"], character_start_times_seconds=[0.0, 0.1], character_end_times_seconds=[0.1, 0.2]
)

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """One received call."""

    method: str
    request: Any
    principal: str
    seconds_left: float
    """Seconds until the deadline of the call."""


class FakeServices:
    """Script and log that all fake services share."""

    def __init__(self) -> None:
        self.calls: list[ReceivedCall] = []
        """Every call, in order."""
        self.checks: list[ReceivedCall] = []
        """Every check of a request, in order."""
        self.failures: defaultdict[str, deque[MediaError]] = defaultdict(deque)
        """Errors of the next calls, by method."""
        self.blocked: dict[str, asyncio.Event] = {}
        """Methods that reply only after the event is set."""
        self.percents: Sequence[float] = (0.0, 50.0, 100.0)
        """Progress that video streams report before the result."""
        self.truncated: set[str] = set()
        """Streams that end without an error and without a result."""
        self.abandoned: list[str] = []
        """Methods with a call that the client cancelled, in order."""
        self.endings: dict[str, asyncio.Event | MediaError] = {}
        """Streams that end after the event, or with the error, once the result is sent."""
        self.drained: list[str] = []
        """Streams that the client read to the end, in order."""

    @property
    def methods(self) -> list[str]:
        """Names of the methods that were called, in order."""
        return [call.method for call in self.calls]

    def last(self, method: str) -> ReceivedCall:
        """Return the last call of a method."""
        return [call for call in self.calls if call.method == method][-1]

    async def record_call(self, method: str, request: Any, context: Context) -> None:
        """Record a call, and raise its scripted error."""
        self.calls.append(ReceivedCall(method, request, get_principal(context), context.time_remaining() or 0.0))
        if self.failures[method]:
            raise self.failures[method].popleft()

    async def record_check(self, method: str, request: Any, context: Context) -> None:
        """Record a check, and raise its scripted error."""
        self.checks.append(ReceivedCall(method, request, get_principal(context), context.time_remaining() or 0.0))
        if self.failures[method]:
            raise self.failures[method].popleft()

    async def pass_limiter(self, method: str) -> None:
        """Wait for the event of a blocked method."""
        if method in self.blocked:
            await self._wait(method, self.blocked[method])

    async def end_stream(self, method: str) -> None:
        """End a stream as scripted."""
        match self.endings.get(method):
            case asyncio.Event() as limiter:
                await self._wait(method, limiter)
            case MediaError() as error:
                raise error
        self.drained.append(method)

    async def _wait(self, method: str, limiter: asyncio.Event) -> None:
        try:
            await limiter.wait()
        except asyncio.CancelledError:
            self.abandoned.append(method)
            raise


class _Speech(tts_pb2_grpc.TextToSpeechServiceServicer):
    def __init__(self, fake: FakeServices) -> None:
        self._fake = fake

    async def CheckSpeech(  # noqa: N802 - named by the contract
        self, request: tts_pb2.CheckSpeechRequest, context: Context
    ) -> tts_pb2.CheckSpeechResponse:
        await self._fake.record_check("CheckSpeech", request, context)
        return tts_pb2.CheckSpeechResponse()

    async def SynthesizeStream(  # noqa: N802 - named by the contract
        self, request: tts_pb2.SynthesizeStreamRequest, context: Context
    ) -> AsyncIterator[tts_pb2.SynthesizeStreamResponse]:
        await self._fake.record_call("SynthesizeStream", request, context)
        await self._fake.pass_limiter("SynthesizeStream")
        yield tts_pb2.SynthesizeStreamResponse(chunk=tts_pb2.SpeechChunk(audio=b"sound", alignment=ALIGNMENT))
        if "SynthesizeStream" not in self._fake.truncated:
            yield tts_pb2.SynthesizeStreamResponse(done=tts_pb2.SpeechDone(stored_audio=_build_stored_audio()))
            await self._fake.end_stream("SynthesizeStream")

    async def GetStoredAudio(  # noqa: N802 - named by the contract
        self, request: tts_pb2.GetStoredAudioRequest, context: Context
    ) -> tts_pb2.GetStoredAudioResponse:
        await self._fake.record_call("GetStoredAudio", request, context)
        await self._fake.pass_limiter("GetStoredAudio")
        stored = _build_stored_audio()
        stored.alignment.CopyFrom(ALIGNMENT)
        return tts_pb2.GetStoredAudioResponse(stored_audio=stored)


class _Images(image_pb2_grpc.ImageServiceServicer):
    def __init__(self, fake: FakeServices) -> None:
        self._fake = fake

    async def CheckImage(  # noqa: N802 - named by the contract
        self, request: image_pb2.CheckImageRequest, context: Context
    ) -> image_pb2.CheckImageResponse:
        await self._fake.record_check("CheckImage", request, context)
        return image_pb2.CheckImageResponse()

    async def GenerateImage(  # noqa: N802 - named by the contract
        self, request: image_pb2.GenerateImageRequest, context: Context
    ) -> image_pb2.GenerateImageResponse:
        await self._fake.record_call("GenerateImage", request, context)
        await self._fake.pass_limiter("GenerateImage")
        image = image_pb2.Image(
            key=request.output.object_key,
            content_type="image/webp",
            width=1024,
            height=576,
            prompt=f"final: {request.prompt}",
            provider="fal",
            model="flux-dev",
        )
        return image_pb2.GenerateImageResponse(image=image)


class _Videos(video_pb2_grpc.VideoServiceServicer):
    def __init__(self, fake: FakeServices) -> None:
        self._fake = fake

    async def CheckVideo(  # noqa: N802 - named by the contract
        self, request: video_pb2.CheckVideoRequest, context: Context
    ) -> video_pb2.CheckVideoResponse:
        await self._fake.record_check("CheckVideo", request, context)
        return video_pb2.CheckVideoResponse()

    async def GenerateVideo(  # noqa: N802 - named by the contract
        self, request: video_pb2.GenerateVideoRequest, context: Context
    ) -> AsyncIterator[video_pb2.GenerateVideoResponse]:
        await self._fake.record_call("GenerateVideo", request, context)
        for percent in self._fake.percents:
            yield video_pb2.GenerateVideoResponse(progress=video_pb2.VideoProgress(percent=percent))
        await self._fake.pass_limiter("GenerateVideo")
        if "GenerateVideo" not in self._fake.truncated:
            generated = video_pb2.GeneratedVideo(
                file=_build_video(VIDEO_KEY), provider="replicate", model="minimax/hailuo-02"
            )
            yield video_pb2.GenerateVideoResponse(video=generated)
            await self._fake.end_stream("GenerateVideo")

    async def MuxVideo(  # noqa: N802 - named by the contract
        self, request: video_pb2.MuxVideoRequest, context: Context
    ) -> AsyncIterator[video_pb2.MuxVideoResponse]:
        await self._fake.record_call("MuxVideo", request, context)
        for percent in self._fake.percents:
            yield video_pb2.MuxVideoResponse(progress=video_pb2.VideoProgress(percent=percent))
        await self._fake.pass_limiter("MuxVideo")
        if "MuxVideo" not in self._fake.truncated:
            yield video_pb2.MuxVideoResponse(video=video_pb2.MuxedVideo(file=_build_video(request.object_key)))
            await self._fake.end_stream("MuxVideo")

    async def CancelVideo(  # noqa: N802 - named by the contract
        self, request: video_pb2.CancelVideoRequest, context: Context
    ) -> video_pb2.CancelVideoResponse:
        await self._fake.record_call("CancelVideo", request, context)
        await self._fake.pass_limiter("CancelVideo")
        return video_pb2.CancelVideoResponse(cancelled=True)


@asynccontextmanager
async def serve_fake_services(fake: FakeServices) -> AsyncIterator[ServiceClients]:
    """Run all fake services on a free port, and yield the stubs with which jobs call them."""

    def register(server: grpc.aio.Server) -> list[str]:
        tts_pb2_grpc.add_TextToSpeechServiceServicer_to_server(_Speech(fake), server)  # type: ignore[abstract] # jobs call no other method
        image_pb2_grpc.add_ImageServiceServicer_to_server(_Images(fake), server)  # type: ignore[abstract] # as above
        video_pb2_grpc.add_VideoServiceServicer_to_server(_Videos(fake), server)  # type: ignore[abstract] # as above
        return []

    async with run_test_server(register) as running:
        yield ServiceClients.from_channels(running.channel, running.channel, running.channel)


def _build_stored_audio() -> tts_pb2.StoredAudio:
    return tts_pb2.StoredAudio(
        id=STORED_AUDIO_ID,
        key=AUDIO_KEY,
        content_type="audio/mpeg",
        duration_seconds=2.5,
        metadata=tts_pb2.StoredAudioMetadata(provider="elevenlabs", model_id="eleven_multilingual_v2"),
    )


def _build_video(key: str) -> video_pb2.VideoFile:
    return video_pb2.VideoFile(key=key, content_type="video/mp4", duration_seconds=6.0, width=1364, height=768)
