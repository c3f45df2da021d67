"""A stand-in for the Gemini API on the loopback."""

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
    """What the server was sent."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: Any


def part(data: bytes, content_type: str = "image/png", **more: Any) -> dict[str, Any]:
    """Return a part of an answer that holds an image."""
    return {"inlineData": {"mimeType": content_type, "data": base64.b64encode(data).decode()}, **more}


def answer(*parts: dict[str, Any], finish: str = "STOP") -> dict[str, Any]:
    """Return an answer with one candidate."""
    content = {"content": {"role": "model", "parts": list(parts)}} if parts else {}
    return {"candidates": [{**content, "finishReason": finish, "index": 0}], "responseId": "response-1"}


class FakeGemini:
    """The state of the server, and the means to tell it how to behave."""

    def __init__(self) -> None:
        self.base_url = ""
        self.requests: list[RecordedRequest] = []
        self.answers: deque[tuple[int, Any]] = deque()
        """Status and body of the next answers; beyond them, images."""
        self.hangs = False
        """Whether it never answers."""
        self.drops = False
        """Whether it closes the connection in place of an answer."""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        body = json.loads(await request.text())
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(RecordedRequest(request.method, request.path, list(request.query.items()), headers, body))
        if self.hangs:
            await asyncio.Event().wait()
        if self.drops and request.transport is not None:
            request.transport.close()
            return web.Response()
        status, content = self.answers.popleft() if self.answers else (200, answer(part(make_image())))
        return web.json_response(content, status=status)


@asynccontextmanager
async def running_gemini() -> AsyncIterator[FakeGemini]:
    """Yield a server on a port of its own."""
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
