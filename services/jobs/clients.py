"""gRPC clients of the services that jobs call, on behalf of the owner of the job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from media.image.v1 import image_pb2, image_pb2_grpc
from media.tts.v1 import tts_pb2, tts_pb2_grpc
from media.video.v1 import video_pb2, video_pb2_grpc

from services.common.errors import MediaError, Reason
from services.common.rpc.call_limits import limit_wait
from services.common.rpc.channel import call_metadata, open_stream
from services.common.rpc.status import from_rpc_error

T = TypeVar("T")

SPEECH = tts_pb2.DESCRIPTOR.services_by_name["TextToSpeechService"].full_name
IMAGE = image_pb2.DESCRIPTOR.services_by_name["ImageService"].full_name
VIDEO = video_pb2.DESCRIPTOR.services_by_name["VideoService"].full_name

_DRAIN_SECONDS = 5.0
"""Longest wait for the end of a stream after its result."""


@dataclass(frozen=True, slots=True)
class ServiceClients:
    """Stubs of the services that pipelines call."""

    speech: tts_pb2_grpc.TextToSpeechServiceAsyncStub
    images: image_pb2_grpc.ImageServiceAsyncStub
    videos: video_pb2_grpc.VideoServiceAsyncStub

    @classmethod
    def from_channels(cls, tts: grpc.aio.Channel, image: grpc.aio.Channel, video: grpc.aio.Channel) -> ServiceClients:
        """Return stubs that use the given channels; the caller closes them."""
        return cls(
            tts_pb2_grpc.TextToSpeechServiceStub(tts),
            image_pb2_grpc.ImageServiceStub(image),
            video_pb2_grpc.VideoServiceStub(video),
        )


async def await_reply(call: Awaitable[T]) -> T:
    """Return the reply of a unary call; raise the MediaError of the service."""
    with _translate_errors():
        return await call


async def await_last_message(
    call: Any, name: str, first_message_seconds: float, on_event: Callable[[Any], Awaitable[None]] | None = None
) -> Any:
    """Return the field `name` of the last message of a stream. Cancelling the caller cancels the call.

    Args:
        call: The stream.
        name: Field that only the last message has.
        first_message_seconds: Longest wait for the first message.
        on_event: Called with each message before the last one.

    Raises:
        MediaError: Failure of the service; UNAVAILABLE if the stream ended without the field; DEADLINE_EXCEEDED if
            it does not begin in time.
    """
    async with aclosing(_iterate(call, first_message_seconds)) as events:
        async for event in events:
            if event.HasField(name):
                await _drain(events)
                return getattr(event, name)
            if on_event is not None:
                await on_event(event)
    raise MediaError(Reason.UNAVAILABLE, "A service ended its stream before the result; retry.")


async def _drain(events: AsyncIterator[Any]) -> None:
    """Read a stream to its end: the service accounts a call that the client leaves early as cancelled."""
    # The result is complete already: an error after it does not matter.
    with suppress(MediaError, TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in events:
                pass


async def _iterate(call: Any, first_message_seconds: float) -> AsyncGenerator[Any]:
    with _translate_errors():
        async with open_stream(call):
            events = aiter(call)
            async with limit_wait(first_message_seconds):
                first = await anext(events, None)
            if first is None:
                return
            yield first
            async for event in events:
                yield event


def metadata_for_owner(principal: str) -> list[tuple[str, str]]:
    """Return the metadata of a call on behalf of the owner of a job."""
    return list(call_metadata(principal))


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None
