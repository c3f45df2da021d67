"""The gRPC face of the video service: messages in, domain calls, messages out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

import grpc
from media.video.v1 import video_pb2, video_pb2_grpc

from services.common.errors import MediaError, Reason
from services.common.rpc.principal import principal_of
from services.common.webhooks import Webhook
from services.video.accounting import Accounting
from services.video.generation_manager import Studio
from services.video.inputs import Inputs
from services.video.mux import Muxer
from services.video.progress import Completed, Progress
from services.video.progress import told as told_by
from services.video.providers.replicate import ReplicateProvider
from services.video.reading import mux_of, order_of, source_of
from services.video.records import Record
from services.video.video_store import VideoStore
from services.video.workspace import Workspaces
from services.video.writing import generated, info_of, muxed, progress_of, told

SERVICE_NAME = video_pb2.DESCRIPTOR.services_by_name["VideoService"].full_name

Context = grpc.aio.ServicerContext[object, object]


class VideoServicer(video_pb2_grpc.VideoServiceServicer):
    """Answers media.video.v1.VideoService.

    Args:
        manager: Makes videos.
        muxer: Lays speech over them.
        inputs: Brings files and looks into them.
        workspaces: Where files are looked into.
        video_store: Keeps videos.
        replicate: Is told of webhooks.
        accounting: Writes down what calls took.
    """

    def __init__(
        self,
        manager: Studio,
        muxer: Muxer,
        inputs: Inputs,
        workspaces: Workspaces,
        video_store: VideoStore,
        replicate: ReplicateProvider,
        accounting: Accounting,
    ) -> None:
        self._manager = manager
        self._muxer = muxer
        self._inputs = inputs
        self._workspaces = workspaces
        self._video_store = video_store
        self._replicate = replicate
        self._accounting = accounting

    async def GenerateVideo(
        self, request: video_pb2.GenerateVideoRequest, context: Context
    ) -> AsyncIterator[video_pb2.GenerateVideoResponse]:
        """Makes a still move."""
        principal = principal_of(context)
        with self._accounting.watched("GenerateVideo", principal, len(request.prompt)) as account:
            async with aclosing(self._manager.generate(order_of(request), principal)) as items:
                async for item in items:
                    if isinstance(item, Completed):
                        yield video_pb2.GenerateVideoResponse(video=await self._generated(item.result))
                    else:
                        account.provider = item.provider
                        yield video_pb2.GenerateVideoResponse(progress=told(item))

    async def ResumeVideo(
        self, request: video_pb2.ResumeVideoRequest, context: Context
    ) -> AsyncIterator[video_pb2.ResumeVideoResponse]:
        """Goes on listening to a video."""
        principal = principal_of(context)
        with self._accounting.watched("ResumeVideo", principal) as account:
            found = self._manager.resume(request.prediction_id, principal, detach=request.detach)
            async with aclosing(found) as items:
                async for item in items:
                    if isinstance(item, Completed):
                        yield video_pb2.ResumeVideoResponse(video=await self._generated(item.result))
                    else:
                        account.provider = item.provider
                        yield video_pb2.ResumeVideoResponse(progress=told(item))

    async def CancelVideo(
        self, request: video_pb2.CancelVideoRequest, context: Context
    ) -> video_pb2.CancelVideoResponse:
        """Ends the work on a video."""
        principal = principal_of(context)
        if request.request_id:
            ended = await self._manager.cancel_request(request.request_id, principal)
        else:
            ended = await self._manager.cancel(request.prediction_id, principal)
        return video_pb2.CancelVideoResponse(cancelled=ended)

    async def MuxVideo(
        self, request: video_pb2.MuxVideoRequest, context: Context
    ) -> AsyncIterator[video_pb2.MuxVideoResponse]:
        """Lays speech over a video."""
        principal, mux_request = principal_of(context), mux_of(request)
        with self._accounting.watched("MuxVideo", principal):
            async with aclosing(told_by(partial(self._muxer.mux, mux_request, principal))) as items:
                async for item in items:
                    if isinstance(item, Progress):
                        yield video_pb2.MuxVideoResponse(progress=progress_of(item))
                    elif isinstance(item, bytes):
                        yield video_pb2.MuxVideoResponse(media_chunk=item)
                    else:
                        url = await self._video_store.url(item.result.video)
                        yield video_pb2.MuxVideoResponse(video=muxed(item.result, mux_request, url))

    async def ProbeMedia(self, request: video_pb2.ProbeMediaRequest, context: Context) -> video_pb2.ProbeMediaResponse:
        """Looks into a file."""
        principal = principal_of(context)
        with self._accounting.watched("ProbeMedia", principal), self._workspaces.folder() as folder:
            brought = await self._inputs.bring(source_of(request.media), folder, "media", principal)
        return video_pb2.ProbeMediaResponse(info=info_of(brought.media))

    async def DeleteVideo(
        self, request: video_pb2.DeleteVideoRequest, context: Context
    ) -> video_pb2.DeleteVideoResponse:
        """Deletes a video of the caller's own."""
        return video_pb2.DeleteVideoResponse(
            deleted_keys=await self._video_store.delete(request.key, principal_of(context))
        )

    async def ReceiveWebhook(
        self, request: video_pb2.ReceiveWebhookRequest, context: Context
    ) -> video_pb2.ReceiveWebhookResponse:
        """Wakes whoever waits for a video."""
        webhook = Webhook(request.webhook_id, request.webhook_timestamp, request.webhook_signature, request.body)
        return video_pb2.ReceiveWebhookResponse(awaited=await self._replicate.heard(webhook))

    async def _generated(self, record: Record) -> video_pb2.GeneratedVideo:
        if record.video is None:
            raise MediaError(Reason.INTERNAL)
        return generated(record, record.video, await self._video_store.url(record.video))
