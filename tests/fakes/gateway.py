"""Runs the gateway in front of the services that a test starts; calls to the other services fail."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import grpc

from gateway.app import Upstreams, build_app
from gateway.http_server import run_http
from gateway.routes.suite import Health
from gateway.speech_links import open_speech_links
from services.common.fetch import FetchOptions, open_fetcher
from services.common.fetch.addresses import AddressPolicy
from services.common.rpc.call_limits import DEFAULT_CALL_LIMITS, CallLimits
from services.common.rpc.channel import open_channel
from services.common.storage import StorageSettings, load_route_links, open_object_store

_NOWHERE = "127.0.0.1:9"


@asynccontextmanager
async def run_gateway(
    *,
    tts: grpc.aio.Channel | None = None,
    image: grpc.aio.Channel | None = None,
    video: grpc.aio.Channel | None = None,
    jobs: grpc.aio.Channel | None = None,
    storage: StorageSettings | None = None,
    fetch_allow: Sequence[str] = (),
    health: Health | None = None,
    max_body_bytes: int = 16 * 1024,
    limits: CallLimits = DEFAULT_CALL_LIMITS,
) -> AsyncIterator[aiohttp.ClientSession]:
    """Run a gateway and yield an HTTP session with its address as base URL.

    Args:
        tts: Channel to the speech service; without it, calls fail.
        image: Channel to the image service; without it, calls fail.
        video: Channel to the video service; without it, calls fail.
        jobs: Channel to the job service; without it, calls fail.
        storage: The object store; an empty folder if not given.
        fetch_allow: Private addresses that /debug/head may read.
        health: State behind GET /health.
        max_body_bytes: Largest JSON body.
        limits: Time limits of calls to the services.
    """
    async with AsyncExitStack() as stack:
        nowhere = await stack.enter_async_context(open_channel(_NOWHERE))
        if storage is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            storage = StorageSettings(storage="local", storage_dir=folder)
        store = await stack.enter_async_context(open_object_store(storage))
        fetcher = await stack.enter_async_context(open_fetcher(FetchOptions(AddressPolicy.parse(fetch_allow), 5)))
        links = load_route_links(storage)
        speech_links = open_speech_links(tts or nowhere, store, links.signer, limits)
        app = build_app(
            Upstreams(
                tts=tts or nowhere,
                image=image or nowhere,
                video=video or nowhere,
                jobs=jobs or nowhere,
                store=store,
                links=links,
                speech_links=await stack.enter_async_context(speech_links),
                fetcher=fetcher,
            ),
            health or Health(),
            max_body_bytes=max_body_bytes,
            limits=limits,
            cache_seconds=storage.cache_seconds,
        )
        http = await stack.enter_async_context(run_http(app, "127.0.0.1", 0, grace_seconds=1))
        yield await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{http.port}"))
