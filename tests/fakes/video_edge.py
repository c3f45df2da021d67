"""A fake edge for talking videos: finishes jobs at once, follows a script, and records its requests."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

JOB_ID = "01a1fd7f5066810c597218e532510227"
FILES = {"image.png": b"image", "a.mp3": b"speech", "b.mp4": b"video", "c.mp4": b"video with speech"}
ALIGNMENT = {
    "characters": ["H", "i"],
    "character_start_times_seconds": [0.0, 0.5],
    "character_end_times_seconds": [0.5, 1.0],
}
RETRY_MILLISECONDS = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error response to a scripted request."""

    status: int
    code: str = ""
    """Reason; empty for a response that does not come from the suite."""

    def response(self) -> web.Response:
        """Return the HTTP response."""
        if not self.code:
            return web.Response(status=self.status, text="Bad Gateway")
        error = {"code": self.code, "message": "Not this one.", "details": [], "requestId": "r1"}
        return web.json_response({"success": False, "error": error}, status=self.status)


def make_job(stage: str, percent: float, status: str = "RUNNING", *, attempt: int = 1) -> dict[str, Any]:
    """Return the JSON of a job, as in an event."""
    fields = {"id": JOB_ID, "kind": "talking_video", "status": status.lower()}
    return {**fields, "stage": stage, "percent": percent, "attempt": attempt}


def make_failed_job(reason: str, stage: str) -> dict[str, Any]:
    """Return the JSON of a failed job."""
    error = {"reason": reason, "message": "Change the prompt.", "stage": stage}
    return make_job(stage, 15, "FAILED") | {"error": error}


SUCCEEDED = make_job("", 100, "SUCCEEDED")
CHANGES = (
    make_job("", 0, "QUEUED", attempt=0),
    make_job("audio", 1),
    make_job("video", 15),
    make_job("mux", 85),
    SUCCEEDED,
)
_FINAL = ("succeeded", "failed", "cancelled")


class VideoEdge:
    """Serves the routes that a talking video needs."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        """Path and body of each POST, in order."""
        self.last_event_ids: list[str] = []
        """The Last-Event-ID of each listener; empty without one."""
        self.changes: Sequence[dict[str, Any]] = CHANGES
        """The job after each change; revisions count from 1."""
        self.breaks: deque[int] = deque()
        """Number of events before the connection of each next listener breaks; later listeners get all events."""
        self.refusals: dict[str, deque[Refusal]] = {}
        """Error responses to the next requests, by path."""
        self.cut: set[str] = set()
        """Names of files with a cut download."""
        self.timed = True
        """Whether the result contains an alignment."""
        self.token_paths: set[str] = set()
        """Paths of files that were requested with a token, although links need none."""

    def app(self) -> web.Application:
        """Return the web application."""
        app = web.Application(middlewares=[self._check])
        app.add_routes(
            [
                web.get("/health", self._health),
                web.post("/api/image/{how}", self._image),
                web.post("/api/jobs", self._accept),
                web.get("/api/jobs/{id}", self._job),
                web.get("/api/jobs/{id}/events", self._events),
                web.post("/api/jobs/{id}/cancel", self._accept),
                web.get("/media/{name}", self._file),
            ]
        )
        return app

    @web.middleware
    async def _check(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if waiting := self.refusals.get(request.path):
            return waiting.popleft().response()
        if request.path.startswith("/api/") and not request.headers.get("Authorization", "").startswith("Bearer "):
            return Refusal(401, "UNAUTHENTICATED").response()
        if request.method == "POST":
            sent = await request.read()
            self.requests.append((request.path, orjson.loads(sent) if request.content_type.endswith("json") else sent))
        return await handler(request)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def _image(self, request: web.Request) -> web.Response:
        link = self._link(request, "image.png")
        size = {"width": 1024, "height": 576}
        return web.json_response({"key": "images/image.png", "imageUrl": link, "provider": "embedded", **size})

    async def _accept(self, _: web.Request) -> web.Response:
        return web.json_response({"success": True, **CHANGES[0]})

    async def _job(self, request: web.Request) -> web.Response:
        video = {"durationSeconds": 2.0, "width": 640, "height": 360}
        result: dict[str, Any] = {
            "audio": self._medium(request, "a.mp3", "espeak") | {"durationSeconds": 1.0, "width": 0, "height": 0},
            "video": self._medium(request, "b.mp4", "embedded") | video,
            "final": self._medium(request, "c.mp4", "") | video,
        }
        if self.timed:
            result["alignment"] = ALIGNMENT
        return web.json_response({"success": True, **SUCCEEDED, "result": result})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        last_id = request.headers.get("Last-Event-ID", "")
        self.last_event_ids.append(last_id)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"retry: %d\n\n: still here\n\n" % RETRY_MILLISECONDS)
        later = list(enumerate(self.changes, start=1))[int(last_id or 0) :]
        breaks = self.breaks.popleft() if self.breaks else None
        for revision, change in later[:breaks]:
            name = "end" if change["status"] in _FINAL else "job"
            await response.write(b"id: %d\nevent: %s\ndata: %s\n\n" % (revision, name.encode(), orjson.dumps(change)))
        if breaks is not None and request.transport is not None:
            request.transport.close()
        return response

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if "Authorization" in request.headers:
            self.token_paths.add(request.path)
        response = web.StreamResponse()
        response.content_length = len(FILES[name])
        await response.prepare(request)
        if name not in self.cut:
            await response.write(FILES[name])
        elif request.transport is not None:
            await response.write(FILES[name][:3])
            request.transport.close()
        return response

    def _medium(self, request: web.Request, name: str, provider: str) -> dict[str, Any]:
        return {"key": f"some/where/{name}", "url": self._link(request, name), "provider": provider}

    @staticmethod
    def _link(request: web.Request, name: str) -> str:
        return f"http://{request.host}/media/{name}"


@asynccontextmanager
async def run_video_edge() -> AsyncIterator[tuple[VideoEdge, str]]:
    """Yield a running edge and its URL."""
    edge = VideoEdge()
    async with TestServer(edge.app()) as server:
        yield edge, str(server.make_url("/"))
