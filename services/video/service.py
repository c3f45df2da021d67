"""The gRPC servicer of the video service: converts messages and calls the generation manager and the muxer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

import grpc
from media.video.v1 import video_pb2, video_pb2_grpc

from services.common.errors import MediaError, Reason
from services.common.rpc.metadata import get_principal
from services.common.webhooks import Webhook
from services.video.accounting import Accounting
from services.video.caption_fonts import check_characters
from services.video.converters import (
    to_generated_video,
    to_generation_progress,
    to_generation_request,
    to_media_info,
    to_mux_request,
    to_muxed_video,
    to_progress,
    to_recorded_video,
    to_source,
    to_video_models,
)
from services.video.generation_manager import GenerationManager
from services.video.inputs import Inputs
from services.video.mux import Muxer
from services.video.progress import Completed, Progress, stream_progress
from services.video.providers.replicate import ReplicateProvider
from services.video.records import GenerationRecord
from services.video.video_store import VideoStore
from services.video.workspace import Workspaces

SERVICE_NAME = video_pb2.DESCRIPTOR.services_by_name["VideoService"].full_name

Context = grpc.aio.ServicerContext[object, object]


class VideoServicer(video_pb2_grpc.VideoServiceServicer):
    """Implements media.video.v1.VideoService.

    Args:
        manager: Runs generations.
        muxer: Adds speech to videos.
        inputs: Fetches and probes files.
        workspaces: Gives each probe a folder.
        video_store: Deletes videos and signs their URLs.
        replicate: Receives webhooks.
        accounting: Records usage and metrics of each call.
    """

    def __init__(
        self,
        manager: GenerationManager,
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
        """Generate a video from an image."""
        principal = get_principal(context)
        with self._accounting.record_call("GenerateVideo", principal, len(request.prompt)) as account:
            async with aclosing(self._manager.generate(to_generation_request(request, principal), principal)) as items:
                async for item in items:
                    if isinstance(item, Completed):
                        account.cache_status = item.result.cache_status
                        yield video_pb2.GenerateVideoResponse(video=await self._to_message(item.result))
                    else:
                        account.provider = item.provider
                        yield video_pb2.GenerateVideoResponse(progress=to_generation_progress(item))

    async def CheckVideo(self, request: video_pb2.CheckVideoRequest, context: Context) -> video_pb2.CheckVideoResponse:
        """Return what would generate the video."""
        principal = get_principal(context)
        if request.burned_text:
            await asyncio.to_thread(check_characters, request.burned_text, "burned_text")
        provider, model = await self._manager.check(
            to_generation_request(request.request, principal), principal, image_is_pending=request.image_is_pending
        )
        return video_pb2.CheckVideoResponse(provider=provider.name, model=model)

    async def ResumeVideo(
        self, request: video_pb2.ResumeVideoRequest, context: Context
    ) -> AsyncIterator[video_pb2.ResumeVideoResponse]:
        """Join a running generation, or return its video."""
        principal = get_principal(context)
        with self._accounting.record_call("ResumeVideo", principal) as account:
            found = self._manager.resume(request.prediction_id, principal, detach=request.detach)
            async with aclosing(found) as items:
                async for item in items:
                    if isinstance(item, Completed):
                        yield video_pb2.ResumeVideoResponse(video=await self._to_message(item.result))
                    else:
                        account.provider = item.provider
                        yield video_pb2.ResumeVideoResponse(progress=to_generation_progress(item))

    async def CancelVideo(
        self, request: video_pb2.CancelVideoRequest, context: Context
    ) -> video_pb2.CancelVideoResponse:
        """Cancel a generation."""
        principal = get_principal(context)
        if request.request_id:
            cancelled = await self._manager.cancel_request(request.request_id, principal)
        else:
            cancelled = await self._manager.cancel(request.prediction_id, principal)
        return video_pb2.CancelVideoResponse(cancelled=cancelled)

    async def ReceiveWebhook(
        self, request: video_pb2.ReceiveWebhookRequest, context: Context
    ) -> video_pb2.ReceiveWebhookResponse:
        """Wake the generation that a provider's webhook names."""
        webhook = Webhook(request.webhook_id, request.webhook_timestamp, request.webhook_signature, request.body)
        return video_pb2.ReceiveWebhookResponse(awaited=await self._replicate.accept_webhook(webhook))

    async def MuxVideo(
        self, request: video_pb2.MuxVideoRequest, context: Context
    ) -> AsyncIterator[video_pb2.MuxVideoResponse]:
        """Add speech to a video."""
        principal = get_principal(context)
        mux_request = to_mux_request(request, principal)
        with self._accounting.record_call("MuxVideo", principal):
            async with aclosing(stream_progress(partial(self._muxer.mux, mux_request, principal))) as items:
                async for item in items:
                    if isinstance(item, Progress):
                        yield video_pb2.MuxVideoResponse(progress=to_progress(item))
                    elif isinstance(item, bytes):
                        yield video_pb2.MuxVideoResponse(media_chunk=item)
                    else:
                        url = await self._video_store.get_url(item.result.video)
                        yield video_pb2.MuxVideoResponse(video=to_muxed_video(item.result, mux_request, url))

    async def ProbeMedia(self, request: video_pb2.ProbeMediaRequest, context: Context) -> video_pb2.ProbeMediaResponse:
        """Return the streams of a media file."""
        principal = get_principal(context)
        with self._accounting.record_call("ProbeMedia", principal), self._workspaces.open_folder() as folder:
            local = await self._inputs.fetch(to_source(request.media), folder, "media", principal)
        return video_pb2.ProbeMediaResponse(info=to_media_info(local.media))

    async def ListVideoModels(
        self, request: video_pb2.ListVideoModelsRequest, context: Context
    ) -> video_pb2.ListVideoModelsResponse:
        """Return the known models of all providers."""
        models = [model for provider in self._manager.providers for model in to_video_models(provider)]
        return video_pb2.ListVideoModelsResponse(models=models)

    async def GetVideo(self, request: video_pb2.GetVideoRequest, context: Context) -> video_pb2.GetVideoResponse:
        """Return a video of the caller, with a new URL."""
        found = await self._video_store.find(request.key, get_principal(context))
        url = await self._video_store.get_url(found.video)
        return video_pb2.GetVideoResponse(video=to_recorded_video(found, url))

    async def ListVideos(self, request: video_pb2.ListVideosRequest, context: Context) -> video_pb2.ListVideosResponse:
        """Return a page of the caller's videos, newest first."""
        found, token = await self._video_store.list_page(get_principal(context), request.page_size, request.page_token)
        urls = await self._video_store.get_urls([item.video for item in found])
        return video_pb2.ListVideosResponse(
            videos=[to_recorded_video(item, url) for item, url in zip(found, urls, strict=True)],
            next_page_token=token,
        )

    async def DeleteVideo(
        self, request: video_pb2.DeleteVideoRequest, context: Context
    ) -> video_pb2.DeleteVideoResponse:
        """Delete a video of the caller."""
        return video_pb2.DeleteVideoResponse(
            deleted_keys=await self._video_store.delete(request.key, get_principal(context))
        )

    async def _to_message(self, record: GenerationRecord) -> video_pb2.GeneratedVideo:
        if record.video is None:
            raise MediaError(Reason.INTERNAL)
        return to_generated_video(record, record.video, await self._video_store.get_url(record.video))
