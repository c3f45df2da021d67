"""The services that jobs are made with, spoken to as everybody else does: through their stubs, in the owner's name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from media.image.v1 import image_pb2_grpc
from media.tts.v1 import tts_pb2_grpc
from media.video.v1 import video_pb2_grpc

from services.common.channel import call_metadata, open_stream
from services.common.status import from_rpc_error

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """Stubs of the services."""

    speech: tts_pb2_grpc.TextToSpeechServiceAsyncStub
    pictures: image_pb2_grpc.ImageServiceAsyncStub
    films: video_pb2_grpc.VideoServiceAsyncStub

    @classmethod
    def over(cls, tts: grpc.aio.Channel, image: grpc.aio.Channel, video: grpc.aio.Channel) -> Services:
        """Returns the stubs over channels."""
        return cls(
            tts_pb2_grpc.TextToSpeechServiceStub(tts),
            image_pb2_grpc.ImageServiceStub(image),
            video_pb2_grpc.VideoServiceStub(video),
        )


async def answered(call: Awaitable[T]) -> T:
    """Returns what a call answers; raises its MediaError."""
    with _explained():
        return await call


async def told(call: Any) -> AsyncIterator[Any]:
    """Yields what a stream tells; raises its MediaError. Whoever stops listening ends the call."""
    with _explained():
        async with open_stream(call):
            async for event in call:
                yield event


def in_the_name_of(principal: str) -> list[tuple[str, str]]:
    """Returns the metadata of a call that is made for a job's owner."""
    return list(call_metadata(principal))


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None
