"""Services that accept calls and never answer: every route fails in bounded time, and /readyz tells it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import grpc
import pytest
import pytest_asyncio

from gateway import OPENAPI_FILE
from gateway.suite_state import PartState, SuiteState, read_suite_state
from services.common import VERSION
from services.common.rpc.addresses import ServiceAddress
from services.common.rpc.call_limits import CallLimits
from services.common.rpc.channel import open_channel
from tests.fakes.gateway import run_gateway
from tests.fakes.replica import SPEECH, run_replica

ID = "0" * 32
LIMITS = CallLimits(read_seconds=0.05, first_message_seconds=0.05, answer_seconds=0.05, stream_seconds=600)
BOUND_SECONDS = 60.0
UPLOAD = b"not read before the service answers"
IMAGE = {"imageUrl": "https://example.com/a.png", "prompt": "A cat."}
SOURCES = {"video": {"url": "https://example.com/a.mp4"}, "audio": {"url": "https://example.com/a.mp3"}}
POSTS: dict[str, dict[str, Any] | bytes] = {
    "/api/speech": {"text": "Hello."},
    "/api/speech/stream": {"text": "Hello."},
    "/api/speech/timestamps": {"text": "Hello."},
    "/api/speech/captions": {"text": "Hello."},
    "/api/image/generate": {"prompt": "A cat."},
    "/api/image/batch": {"items": [{"generate": {"prompt": "A cat."}}]},
    "/api/image/upload": UPLOAD,
    "/api/video/generate": IMAGE,
    "/api/video/resume": {"predictionId": "rkk8h2v1q9rga0cmz1v8h0w1y0"},
    "/api/video/mux": SOURCES,
    "/api/video/mux/stream": SOURCES,
    "/api/video/probe": {"media": {"url": "https://example.com/a.mp4"}},
    "/api/jobs": {"animate": {"video": IMAGE}},
    f"/api/jobs/{ID}/cancel": {},
    "/webhooks/replicate": {},
    "/jobs_prompt_only": {"image_url": "https://example.com/a.png", "prompt": "A cat."},
}
ANSWERED_BY_THE_GATEWAY = {"/api/speech/links/{id}"}
TAGS_OF_THE_GATEWAY = {"Suite", "Media"}
READS = sorted(
    (method.upper(), path.replace("{key}", f"images/u/me/{ID}.png").replace("{voice}", "Aria").replace("{id}", ID))
    for path, operations in json.loads(OPENAPI_FILE.read_bytes())["paths"].items()
    for method, operation in operations.items()
    if method in ("get", "delete")
    and path not in ANSWERED_BY_THE_GATEWAY
    and TAGS_OF_THE_GATEWAY.isdisjoint(operation["tags"])
)


class _Silence(grpc.GenericRpcHandler):
    """Accepts calls of every method, and answers none."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return a handler that waits until its caller leaves."""

        async def wait(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> None:
            await asyncio.Event().wait()

        return grpc.stream_stream_rpc_method_handler(wait)


@asynccontextmanager
async def run_silent_service() -> AsyncIterator[str]:
    """Run a server that never answers, and yield its target."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_Silence(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def silent_suite() -> AsyncIterator[aiohttp.ClientSession]:
    async with AsyncExitStack() as stack:
        target = await stack.enter_async_context(run_silent_service())
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(target))
        yield await stack.enter_async_context(
            run_gateway(tts=channel, image=channel, video=channel, jobs=channel, limits=LIMITS)
        )


async def read_error(answer: aiohttp.ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["error"]["code"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("method", "path"), READS)
async def test_a_read_from_a_silent_service_is_bounded(
    silent_suite: aiohttp.ClientSession, method: str, path: str
) -> None:
    async with asyncio.timeout(BOUND_SECONDS), silent_suite.request(method, path) as answer:
        assert await read_error(answer) == (504, "DEADLINE_EXCEEDED")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", POSTS)
async def test_a_request_to_a_silent_service_is_bounded(silent_suite: aiohttp.ClientSession, path: str) -> None:
    body = POSTS[path]
    content: Any = {"data": body} if isinstance(body, bytes) else {"json": body}
    async with asyncio.timeout(BOUND_SECONDS), silent_suite.post(path, **content) as answer:
        assert await read_error(answer) == (504, "DEADLINE_EXCEEDED")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_silent_service_differs_from_one_that_is_down(silent_suite: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(BOUND_SECONDS), silent_suite.get("/readyz") as answer:
        assert answer.status == 503
        state = SuiteState.from_json(await answer.read())
    silent = dict.fromkeys(("tts", "image", "video", "jobs"), PartState.NO_ANSWER)
    assert state == SuiteState(VERSION, {"gateway": PartState.SERVING, **silent})


async def test_a_frozen_service_is_refused_while_health_stays_cheap() -> None:
    async with run_replica() as replica:
        address = ServiceAddress.parse(replica.name)
        async with open_channel(address.target, SPEECH) as tts, run_gateway(tts=tts) as http:
            async with http.get("/health?parts=1") as answer:
                assert answer.status == 503
                parts = (await answer.json())["parts"]
                assert (parts["tts"], parts["image"]) == ("serving", "not_serving")
            replica.send(signal.SIGSTOP)
            async with asyncio.timeout(BOUND_SECONDS):
                async with http.post("/api/speech", json={"text": "Hello."}) as answer:
                    assert await read_error(answer) == (503, "UNAVAILABLE")
                async with http.get("/health") as answer:
                    assert (answer.status, await answer.json()) == (200, {"ok": True})
                state = await asyncio.to_thread(read_suite_state, str(http._base_url), 10.0)
            assert state.version == VERSION
            assert state.parts["tts"] is not PartState.SERVING
            assert not state.is_ready
