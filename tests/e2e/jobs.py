"""What tests of jobs through the edge ask and read."""

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
class GenerationStatus:
    """An event of a job."""

    name: str
    job: dict[str, Any]


async def uploaded(http: aiohttp.ClientSession) -> dict[str, Any]:
    """Bring an image along."""
    file = BytesIO()
    Image.new("RGB", (320, 180), "teal").save(file, "PNG")
    async with http.post("/api/image/upload", data=file.getvalue()) as answer:
        found: dict[str, Any] = await answer.json()
        assert answer.status == 200, found
    return found


def talking(image: dict[str, Any], **more: object) -> dict[str, Any]:
    video = {"imageKey": image["key"], "prompt": "zoom in", **SHORT}
    spec = {"video": video, "narration": {"text": TEXT}, "captions": "JOB_CAPTIONS_TRACK"}
    return {"talkingVideo": spec, **more}


def endless(image: dict[str, Any]) -> dict[str, Any]:
    return {"animate": {"video": {"imageKey": image["key"], "prompt": "zoom in", **LONG}}}


async def created(http: aiohttp.ClientSession, body: dict[str, Any]) -> dict[str, Any]:
    return await answered(http, "POST", "/api/jobs", json=body)


async def answered(http: aiohttp.ClientSession, method: str, path: str, **sent: Any) -> dict[str, Any]:
    async with http.request(method, path, **sent) as answer:
        found: dict[str, Any] = await answer.json()
        assert answer.status == 200, found
    return found


async def refused(http: aiohttp.ClientSession, method: str, path: str, **sent: Any) -> tuple[int, dict[str, Any]]:
    async with http.request(method, path, **sent) as answer:
        return answer.status, (await answer.json())["error"]


async def events(http: aiohttp.ClientSession, job_id: str, after: int = 0) -> AsyncIterator[GenerationStatus]:
    """Yield the events of a job; the id of each is the revision of the job."""
    reader = Events(1.0)
    headers = {"Last-Event-ID": str(after)} if after else {}
    async with http.get(f"/api/jobs/{job_id}/events", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        async for event in reader.read(answer.content.iter_any()):
            job = orjson.loads(event.data)
            assert reader.headers == {"Last-Event-ID": str(job["revision"])}
            yield GenerationStatus(event.name, job)


async def ended(http: aiohttp.ClientSession, job_id: str) -> dict[str, Any]:
    return [told async for told in events(http, job_id)][-1].job
