"""Requests for tests of jobs through the edge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import aiohttp
import orjson
from PIL import Image

from examples.talking_video.sse import Events

TEXT = "Hello! I am a cat."
SHORT = {"seconds": 1, "resolution": "512p"}
LONG = {"seconds": 60, "resolution": "1080p"}


@dataclass(frozen=True, slots=True)
class JobEvent:
    """An event of a job."""

    name: str
    job: dict[str, Any]


async def upload_image(http: aiohttp.ClientSession) -> dict[str, Any]:
    """Upload an image and return its description."""
    file = BytesIO()
    Image.new("RGB", (320, 180), "teal").save(file, "PNG")
    async with http.post("/api/image/upload", data=file.getvalue()) as response:
        found: dict[str, Any] = await response.json()
        assert response.status == 200, found
    return found


def build_talking_video(image: dict[str, Any], **more: object) -> dict[str, Any]:
    video = {"imageKey": image["key"], "prompt": "zoom in", **SHORT}
    spec = {"video": video, "narration": {"text": TEXT}, "captions": "track"}
    return {"talkingVideo": spec, **more}


def build_long_video(image: dict[str, Any]) -> dict[str, Any]:
    return {"animate": {"video": {"imageKey": image["key"], "prompt": "zoom in", **LONG}}}


async def create_job(http: aiohttp.ClientSession, body: dict[str, Any]) -> dict[str, Any]:
    return await call(http, "POST", "/api/jobs", json=body)


async def call(http: aiohttp.ClientSession, method: str, path: str, **sent: Any) -> dict[str, Any]:
    async with http.request(method, path, **sent) as response:
        found: dict[str, Any] = await response.json()
        assert response.status == 200, found
    return found


async def call_refused(http: aiohttp.ClientSession, method: str, path: str, **sent: Any) -> tuple[int, dict[str, Any]]:
    """Return status and error of a request that the suite refuses."""
    async with http.request(method, path, **sent) as response:
        return response.status, (await response.json())["error"]


async def watch_job(http: aiohttp.ClientSession, job_id: str, after: int = 0) -> AsyncIterator[JobEvent]:
    """Yield the events of a job; the id of each is the revision of the job."""
    reader = Events(1.0)
    headers = {"Last-Event-ID": str(after)} if after else {}
    async with http.get(f"/api/jobs/{job_id}/events", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        async for event in reader.read(response.content.iter_any()):
            job = orjson.loads(event.data)
            assert reader.headers == {"Last-Event-ID": str(job["revision"])}
            yield JobEvent(event.name, job)


async def wait_for_end(http: aiohttp.ClientSession, job_id: str) -> dict[str, Any]:
    """Return the job of its last event."""
    return [event async for event in watch_job(http, job_id)][-1].job
