"""A fake of fal.ai on the loopback: the queue, synchronous calls, and downloads."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from services.common.errors import MediaError, Reason
from services.common.fetch import FetchedFile
from services.common.images import Size
from tests.fakes.image_provider import make_image

API_KEY = "KEYID:KEYSECRET"
HUGE_SEED = 17_454_220_438_242_315_174
PRESETS = {"landscape_4_3": Size(1024, 768), "square": Size(512, 512)}


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that the server received."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: Any


@dataclass
class Run:
    """Script of one request."""

    polls: int = 1
    """Number of polls until the request is completed."""
    error: str = ""
    """Error type in the final status; empty for success."""
    status: int = 200
    """HTTP status of the result."""
    body: Any = None
    """Body of the result; None for an image."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of the result."""
    hangs: bool = False
    """Whether the request never completes."""


class FakeFal:
    """The state of the server, and the controls of a test."""

    def __init__(self) -> None:
        self.base_url = ""
        self.requests: list[RecordedRequest] = []
        """All requests to the queue and all synchronous requests, in order."""
        self.submissions: deque[tuple[int, Any]] = deque()
        """Status and body of the next responses to submissions, which are refusals."""
        self.runs: deque[Run] = deque()
        """The course of the next requests; after them, success."""
        self.admits = asyncio.Event()
        """Submissions wait for this event; it is set at first."""
        self.admits.set()
        self.broken_polls = 0
        """Number of the next polls that fail with status 502."""
        self.cancelled: list[str] = []
        """Ids of requests that were cancelled."""
        self.abandoned = 0
        """Number of synchronous requests that the client abandoned."""
        self.own_urls: dict[str, str] = {}
        """URLs that replace those of the responses to submissions."""
        self.seed = HUGE_SEED
        self.paid = 0
        """Number of images that fal started to generate."""
        self._live: dict[str, Run] = {}
        self._changed = asyncio.Condition()

    def app(self) -> web.Application:
        """Return the web application."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/fal-ai/flux/requests/{id}/status", self._status)
        app.router.add_get("/fal-ai/flux/requests/{id}", self._result)
        app.router.add_put("/fal-ai/flux/requests/{id}/cancel", self._cancel)
        app.router.add_post("/sync/{model:.+}", self._sync)
        app.router.add_post("/{model:.+}", self._submit)
        return app

    def build_result(self, run: Run) -> Any:
        """Return the body of the result of `run`."""
        if run.body is not None:
            return run.body
        return {
            "images": [{"url": f"{self.base_url}/files/a.png", "width": 64, "height": 48, "content_type": "image/png"}],
            "seed": self.seed,
            "has_nsfw_concepts": [False],
            "timings": {"inference": 0.5},
            "prompt": "as it was",
        }

    async def until(self, condition: Callable[[], bool], within_seconds: float = 30) -> None:
        """Wait until `condition` holds; it is checked at each request."""
        async with asyncio.timeout(within_seconds), self._changed:
            await self._changed.wait_for(condition)

    async def _submit(self, request: web.Request) -> web.Response:
        await self._record(request)
        await self.admits.wait()
        if self.submissions:
            status, body = self.submissions.popleft()
            return web.json_response(body, status=status)
        self.paid += 1
        request_id = f"request-{self.paid}"
        self._live[request_id] = self.runs.popleft() if self.runs else Run()
        # These URLs contain owner and app only, without the rest of the model's path.
        here = f"{self.base_url}/fal-ai/flux/requests/{request_id}"
        urls = {"response_url": here, "status_url": f"{here}/status", "cancel_url": f"{here}/cancel"}
        return web.json_response(
            {"status": "IN_QUEUE", "request_id": request_id, "queue_position": 0, **urls, **self.own_urls}
        )

    async def _status(self, request: web.Request) -> web.Response:
        await self._record(request)
        if self.broken_polls:
            self.broken_polls -= 1
            return web.Response(status=502, text="<html>nginx</html>")
        run = self._live[request.match_info["id"]]
        run.polls -= 1
        if run.hangs or run.polls > 0:
            return web.json_response({"status": "IN_PROGRESS"}, status=202)
        error = {"error": "failed", "error_type": run.error} if run.error else {}
        return web.json_response({"status": "COMPLETED", **error})

    async def _result(self, request: web.Request) -> web.Response:
        await self._record(request)
        run = self._live[request.match_info["id"]]
        return web.json_response(self.build_result(run), status=run.status, headers=run.headers)

    async def _cancel(self, request: web.Request) -> web.Response:
        await self._record(request)
        self.cancelled.append(request.match_info["id"])
        async with self._changed:
            self._changed.notify_all()
        return web.json_response({"status": "CANCELLATION_REQUESTED"}, status=202)

    async def _sync(self, request: web.Request) -> web.Response:
        await self._record(request)
        if self.submissions:
            status, body = self.submissions.popleft()
            return web.json_response(body, status=status)
        self.paid += 1
        run = self.runs.popleft() if self.runs else Run()
        if run.hangs:
            try:
                await asyncio.Event().wait()
            finally:
                self.abandoned += 1
                async with self._changed:
                    self._changed.notify_all()
        headers = {"x-fal-request-id": f"sync-{self.paid}", **run.headers}
        return web.json_response(self.build_result(run), status=run.status, headers=headers)

    async def _record(self, request: web.Request) -> None:
        text = await request.text()
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = json.loads(text) if text else None
        path = request.path.removeprefix("/sync")
        self.requests.append(RecordedRequest(request.method, path, list(request.query.items()), headers, body))
        async with self._changed:
            self._changed.notify_all()


class FakeDownloads:
    """Downloads without a network; every URL gives the same file."""

    def __init__(self) -> None:
        self.data = make_image()
        self.failures: deque[Reason] = deque()
        """Reasons of the next failures."""
        self.urls: list[str] = []

    async def fetch(self, url: str, *, field: str, max_bytes: int) -> FetchedFile:
        """Return the file, or raise the next failure."""
        self.urls.append(url)
        if self.failures:
            raise MediaError(self.failures.popleft())
        return FetchedFile(self.data, "image/png", url)


@asynccontextmanager
async def run_fal() -> AsyncIterator[FakeFal]:
    """Yield a running server on a free port."""
    fake = FakeFal()
    runner = web.AppRunner(fake.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield fake
    finally:
        await runner.cleanup()
