"""gRPC clients of the services that jobs use; calls are made through the public API, as the owner of the job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from media.image.v1 import image_pb2_grpc
from media.tts.v1 import tts_pb2_grpc
from media.video.v1 import video_pb2_grpc

from services.common.errors import MediaError, Reason
from services.common.rpc.channel import call_metadata, open_stream
from services.common.rpc.status import from_rpc_error

T = TypeVar("T")

_DRAIN_SECONDS = 5.0
"""Longest wait for a service to end a stream that has told its last."""


@dataclass(frozen=True, slots=True)
class ServiceClients:
    """Stubs of the services."""

    speech: tts_pb2_grpc.TextToSpeechServiceAsyncStub
    images: image_pb2_grpc.ImageServiceAsyncStub
    videos: video_pb2_grpc.VideoServiceAsyncStub

    @classmethod
    def from_channels(cls, tts: grpc.aio.Channel, image: grpc.aio.Channel, video: grpc.aio.Channel) -> ServiceClients:
        """Return the stubs over channels."""
        return cls(
            tts_pb2_grpc.TextToSpeechServiceStub(tts),
            image_pb2_grpc.ImageServiceStub(image),
            video_pb2_grpc.VideoServiceStub(video),
        )


async def await_reply(call: Awaitable[T]) -> T:
    """Return what a call answers; raises its MediaError."""
    with _translate_errors():
        return await call


async def await_last_message(call: Any, name: str, on_event: Callable[[Any], Awaitable[None]] | None = None) -> Any:
    """Return what a stream leads to: the field `name` of its last message. Whoever stops waiting ends the call.

    Args:
        call: The stream.
        name: The field.
        on_event: Is given each message before.

    Raises:
        MediaError: What the service failed with; UNAVAILABLE, the stream ended without that.
    """
    async with aclosing(_iterate(call)) as events:
        async for event in events:
            if event.HasField(name):
                await _drain(events)
                return getattr(event, name)
            if on_event is not None:
                await on_event(event)
    raise MediaError(Reason.UNAVAILABLE, "A service ended before what it was asked for was complete.")


async def _drain(events: AsyncIterator[Any]) -> None:
    """Stay to the end of a stream: in the service's books, who leaves before it got nothing."""
    # What is known is worth no less for what comes, or does not come, behind it.
    with suppress(MediaError, TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in events:
                pass


async def _iterate(call: Any) -> AsyncGenerator[Any]:
    with _translate_errors():
        async with open_stream(call):
            async for event in call:
                yield event


def metadata_for_owner(principal: str) -> list[tuple[str, str]]:
    """Return the metadata of a call that is made for a job's owner."""
    return list(call_metadata(principal))


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None
