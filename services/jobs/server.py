"""The process of the jobs API: opens NATS and the object store, and serves until stopped."""

from __future__ import annotations

from contextlib import AsyncExitStack

import grpc
from media.jobs.v1 import jobs_pb2_grpc

from services.common.diagnostics import log_diagnostics
from services.common.rpc.channel import open_channel
from services.common.rpc.server import serve
from services.common.storage import load_route_links, open_object_store
from services.jobs.clients import IMAGE, SPEECH, VIDEO, ServiceClients
from services.jobs.diagnostics import diagnose_jobs
from services.jobs.jetstream import StreamOptions, open_streams
from services.jobs.job_store import JobStore
from services.jobs.service import SERVICE_NAME, JobServicer
from services.jobs.settings import JobsSettings, QueueSettings
from services.jobs.webhooks import SigningSecrets


async def main(settings: JobsSettings) -> None:
    """Serve until the process is asked to stop."""
    log_diagnostics(diagnose_jobs(settings))
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_object_store(settings))
        streams = await stack.enter_async_context(
            open_streams(build_stream_options(settings), "services.jobs", buffer_writes=False)
        )
        servicer = JobServicer(
            JobStore(streams),
            store,
            load_route_links(settings),
            await open_services(stack, settings),
            SigningSecrets(streams),
            settings.max_characters,
            settings.fetch_options.allowed,
        )

        def register(server: grpc.aio.Server) -> list[str]:
            jobs_pb2_grpc.add_JobServiceServicer_to_server(servicer, server)
            return [SERVICE_NAME]

        await serve(register, settings.server_options())


async def open_services(stack: AsyncExitStack, settings: QueueSettings) -> ServiceClients:
    """Return clients of the services that jobs call; leaving the stack closes their channels."""
    channels = [
        await stack.enter_async_context(open_channel(address.target, service))
        for address, service in (
            (settings.tts_address, SPEECH),
            (settings.image_address, IMAGE),
            (settings.video_address, VIDEO),
        )
    ]
    return ServiceClients.from_channels(*channels)


def build_stream_options(settings: QueueSettings) -> StreamOptions:
    """Return the options of the NATS streams."""
    return StreamOptions(
        servers=settings.nats_servers,
        credentials=settings.nats_credentials,
        replicas=settings.replicas,
        quota=settings.quota,
        retention_seconds=settings.retention_days * 86_400,
    )
