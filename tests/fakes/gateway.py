"""The gateway's application in front of whatever a test has; the rest leads nowhere."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import grpc

from gateway.app import Reach, Upstreams, build_app
from gateway.http_server import running_http
from gateway.routes.health import Health
from services.common.fetch import FetchOptions, open_fetcher
from services.common.fetch.addresses import AddressPolicy
from services.common.rpc.channel import open_channel
from services.common.storage import StorageSettings, open_object_store

_NOWHERE = "127.0.0.1:9"


@asynccontextmanager
async def gateway_before(
    *,
    tts: grpc.aio.Channel | None = None,
    image: grpc.aio.Channel | None = None,
    video: grpc.aio.Channel | None = None,
    jobs: grpc.aio.Channel | None = None,
    storage: StorageSettings | None = None,
    fetch_allow: Sequence[str] = (),
    health: Health | None = None,
    max_body_bytes: int = 16 * 1024,
) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a session whose base URL is a gateway.

    Args:
        tts: The speech service; none if not given.
        image: The image service; none if not given.
        video: The video service; none if not given.
        jobs: The service of jobs; none if not given.
        storage: The object store; an empty folder if not given.
        fetch_allow: Private places that /debug/head may look at.
        health: What GET /health says.
        max_body_bytes: Largest JSON body.
    """
    async with AsyncExitStack() as stack:
        nowhere = await stack.enter_async_context(open_channel(_NOWHERE))
        if storage is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            storage = StorageSettings(storage="local", storage_dir=folder)
        store = await stack.enter_async_context(open_object_store(storage))
        fetcher = await stack.enter_async_context(open_fetcher(FetchOptions(AddressPolicy.parse(fetch_allow), 5)))
        app = build_app(
            Upstreams(tts=tts or nowhere, image=image or nowhere, video=video or nowhere, jobs=jobs or nowhere),
            Reach(store, fetcher),
            health or Health(),
            max_body_bytes=max_body_bytes,
            call_seconds=30,
        )
        http = await stack.enter_async_context(running_http(app, "127.0.0.1", 0, grace_seconds=1))
        yield await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{http.port}"))
