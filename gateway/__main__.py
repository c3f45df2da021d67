"""The command `python -m gateway`: serves HTTP in front of the services, and gRPC reflection and health."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import grpc

from gateway.app import IMAGE, JOBS, SPEECH, VIDEO, Upstreams, build_app
from gateway.envoy.route_table import DIRECTORY
from gateway.http_server import RunningHttp, run_http
from gateway.reflection_and_health import AggregateHealth, add_reflection
from gateway.routes.suite import Health
from gateway.settings import GatewaySettings
from gateway.speech_links import open_speech_links
from services.common.fetch import open_fetcher
from services.common.rpc.channel import open_channel
from services.common.rpc.server import RunningServer, ServerOptions, run_server, stop_signal
from services.common.runtime import run
from services.common.storage import load_route_links, open_object_store


async def main(settings: GatewaySettings) -> None:
    """Serve HTTP, and gRPC reflection and health, until a stop signal arrives; then drain both."""
    health, links = Health(), load_route_links(settings)
    async with (
        open_channel(settings.tts_address.target, SPEECH.full_name) as tts,
        open_channel(settings.image_address.target, IMAGE.full_name) as image,
        open_channel(settings.video_address.target, VIDEO.full_name) as video,
        open_channel(settings.jobs_address.target, JOBS.full_name) as jobs,
        open_object_store(settings) as store,
        open_fetcher(settings.fetch_options) as fetcher,
        open_speech_links(tts, store, links.signer, settings.call_limits) as speech_links,
    ):
        upstreams = Upstreams(
            tts=tts,
            image=image,
            video=video,
            jobs=jobs,
            store=store,
            links=links,
            speech_links=speech_links,
            fetcher=fetcher,
        )
        app = build_app(
            upstreams,
            health,
            max_body_bytes=settings.max_body_bytes,
            limits=settings.call_limits,
            cache_seconds=settings.cache_seconds,
        )
        serving = run_http(app, settings.host, settings.port, grace_seconds=settings.drain_grace_seconds)
        async with build_directory_server(settings, upstreams) as directory, serving as http:
            await stop_signal()
            health.drain()
            async with asyncio.TaskGroup() as draining:
                draining.create_task(directory.drain())
                draining.create_task(_drain_http(http, settings.drain_notice_seconds))


def build_directory_server(
    settings: GatewaySettings, upstreams: Upstreams
) -> AbstractAsyncContextManager[RunningServer]:
    """Return the gRPC server of reflection and health for all services; entering the context starts it."""
    channels = upstreams.list_channels()

    def register(server: grpc.aio.Server) -> list[str]:
        add_reflection(server, list(channels))
        return [DIRECTORY]

    options = ServerOptions(
        host=settings.host,
        port=settings.grpc_port,
        port_variable="GATEWAY_GRPC_PORT",
        notice_seconds=settings.drain_notice_seconds,
        grace_seconds=settings.drain_grace_seconds,
    )
    return run_server(register, options, health=AggregateHealth(channels))


async def _drain_http(http: RunningHttp, notice_seconds: float) -> None:
    await asyncio.sleep(notice_seconds)
    await http.drain()


if __name__ == "__main__":
    run("gateway", "Serves HTTP in front of the services.", GatewaySettings, main)
