"""A fake of the Gemini API on the loopback."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fakes.image_provider import make_image

API_KEY = "G_KEY"


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that the server received."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: Any


def build_part(data: bytes, content_type: str = "image/png", **more: Any) -> dict[str, Any]:
    """Return a part of a response that contains an image."""
    return {"inlineData": {"mimeType": content_type, "data": base64.b64encode(data).decode()}, **more}


def build_answer(*parts: dict[str, Any], finish: str = "STOP") -> dict[str, Any]:
    """Return a response with one candidate."""
    content = {"content": {"role": "model", "parts": list(parts)}} if parts else {}
    return {"candidates": [{**content, "finishReason": finish, "index": 0}], "responseId": "response-1"}


class FakeGemini:
    """The state of the server, and the controls of a test."""

    def __init__(self) -> None:
        self.base_url = ""
        self.requests: list[RecordedRequest] = []
        self.answers: deque[tuple[int, Any]] = deque()
        """Status and body of the next responses; after them, images."""
        self.hangs = False
        """Whether requests get no response."""
        self.drops = False
        """Whether the server closes the connection instead of responding."""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Record a request and return the next response."""
        body = json.loads(await request.text())
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(RecordedRequest(request.method, request.path, list(request.query.items()), headers, body))
        if self.hangs:
            await asyncio.Event().wait()
        if self.drops and request.transport is not None:
            request.transport.close()
            return web.Response()
        status, content = self.answers.popleft() if self.answers else (200, build_answer(build_part(make_image())))
        return web.json_response(content, status=status)


@asynccontextmanager
async def run_gemini() -> AsyncIterator[FakeGemini]:
    """Yield a running server on a free port."""
    fake = FakeGemini()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/{path:.*}", fake.respond)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield fake
    finally:
        await runner.cleanup()
