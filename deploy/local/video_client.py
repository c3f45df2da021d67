"""Asks the edge for a talking video as a front end would: an image, a job, its events, and the files that it made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.sse import Events

MOST_BREAKS = 10
"""How often in a row an event stream may break before anything new was told."""
_SILENCE_SECONDS = 45.0
"""Three times the longest silence of an event stream."""
_CALL = aiohttp.ClientTimeout(total=600)
_STREAM = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_SILENCE_SECONDS)
_LAST_WORD = aiohttp.ClientTimeout(total=2)
_STAGES: Mapping[str, str] = {
    "audio": "speaking",
    "video": "videoing",
    "mux": "laying speech over the video",
}
_AGAIN = "Run it again; `make doctor` says what is configured and reachable."

Tell = Callable[[str, float], None]
"""Takes what is being done, and how much of all is done in percent."""


class VideoFailed(Exception):  # noqa: N818 - reads as what happened
    """The suite gave no video; the text says why, in the suite's own words, and what to do next."""


@dataclass(frozen=True, slots=True)
class Script:
    """What the video is to be."""

    text: str
    """What is said."""
    voice: str
    """Name or id of the voice; empty for the suite's default."""
    motion: str
    """What happens to the image."""


async def paint(session: aiohttp.ClientSession, prompt: str) -> dict[str, Any]:
    """Have an image painted and returns what the suite tells of it.

    Raises:
        VideoFailed: The suite refused, or did not answer.
    """
    body = {"prompt": prompt, "imageSize": "landscape_16_9"}
    return await _call(session, "POST", "/api/image/generate", json=body)


async def upload(session: aiohttp.ClientSession, image: bytes) -> dict[str, Any]:
    """Bring an image along and returns what the suite tells of it.

    Raises:
        VideoFailed: The suite refused, or did not answer.
    """
    return await _call(session, "POST", "/api/image/upload", data=image)


async def begin(session: aiohttp.ClientSession, image_key: str, script: Script) -> str:
    """Ask for the video of an image as a job and returns the job's id.

    Raises:
        VideoFailed: The suite refused, or did not answer.
    """
    spec = {
        "video": {"imageKey": image_key, "prompt": script.motion},
        "narration": {"text": script.text, "voice": script.voice},
        "captions": "JOB_CAPTIONS_TRACK",
    }
    return str((await _call(session, "POST", "/api/jobs", json={"talkingVideo": spec}))["id"])


async def follow(session: aiohttp.ClientSession, job_id: str, tell: Tell, retry_seconds: float = 1.0) -> None:
    """Tell how far a job is until it has succeeded; whoever stops listening ends the job.

    Args:
        session: With the edge as its base, and a token.
        job_id: Which job.
        tell: Is told.
        retry_seconds: Wait before coming back to a stream that broke, until the suite names another.

    Raises:
        VideoFailed: It ended otherwise, or its events cannot be had.
    """
    try:
        job = await _wait_for_end(session, job_id, tell, Events(retry_seconds))
    except asyncio.CancelledError:
        # A video that nobody waits for must not cost anything.
        with suppress(aiohttp.ClientError, TimeoutError):
            async with session.post(f"/api/jobs/{job_id}/cancel", json={}, timeout=_LAST_WORD):
                pass
        raise
    if job["status"] == "JOB_STATUS_SUCCEEDED":
        return
    raise VideoFailed(_words_for(job))


async def fetch_result(session: aiohttp.ClientSession, job_id: str) -> dict[str, Any]:
    """Return what a job has made.

    Raises:
        VideoFailed: The suite refused, or did not answer.
    """
    found: dict[str, Any] = (await _call(session, "GET", f"/api/jobs/{job_id}"))["result"]
    return found


async def download(url: str, file: Path) -> None:
    """Write what is behind a link to `file`, without a token; a file is only there if it is whole.

    Raises:
        VideoFailed: It cannot be had or not be written, or it was cut.
    """
    draft = file.with_name(f"{file.name}.part")
    try:
        # The link says all that is needed, and may lead to a store that is not ours: it must not see the token.
        async with aiohttp.ClientSession(timeout=_STREAM) as nobody, nobody.get(url) as response:
            await _require_ok(response)
            with draft.open("wb") as target:
                async for piece in response.content.iter_any():
                    target.write(piece)
        draft.replace(file)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise VideoFailed(f"The download of {file.name} was cut off ({type(error).__name__}). {_AGAIN}") from None
    except OSError as error:
        raise VideoFailed(f"{file} cannot be written ({error.strerror}); --output names another folder.") from None
    finally:
        draft.unlink(missing_ok=True)


async def _wait_for_end(session: aiohttp.ClientSession, job_id: str, tell: Tell, events: Events) -> dict[str, Any]:
    """Return a job as it ended, over as many event streams as it takes."""
    breaks = 0
    trouble = ""
    while breaks <= MOST_BREAKS:
        if breaks:
            await asyncio.sleep(events.retry_seconds)
        breaks += 1
        trouble = "it ended before the job did"
        try:
            async with session.get(f"/api/jobs/{job_id}/events", headers=events.headers, timeout=_STREAM) as response:
                if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    trouble = await _parse_error(response)
                    continue
                await _require_ok(response)
                async for event in events.read(response.content.iter_any()):
                    breaks = 1
                    job: dict[str, Any] = json.loads(event.data)
                    tell(_get_stage(job), job["percent"])
                    if event.name == "end":
                        return job
        except (aiohttp.ClientError, TimeoutError) as error:
            trouble = type(error).__name__
    raise VideoFailed(f"The job {job_id} cannot be listened to: its stream breaks each time ({trouble}). {_AGAIN}")


def _words_for(job: Mapping[str, Any]) -> str:
    """Return what is said of a job that has ended without a video."""
    error = job.get("error")
    if error is None:
        return f"The job {job['id']} was cancelled. {_AGAIN}"
    stage = f" at the stage {error['stage']}" if error["stage"] else ""
    return (
        f"The job {job['id']} failed{stage}: {error['reason']}: {error['message']}\n"
        f"docs/errors.md says what to do about {error['reason']}, `make doctor` what is configured and reachable."
    )


def _get_stage(job: Mapping[str, Any]) -> str:
    if job["status"] == "JOB_STATUS_QUEUED":
        return "waiting for another attempt" if job["attempt"] else "waiting for a worker"
    if job["status"] == "JOB_STATUS_SUCCEEDED":
        return "done"
    return _STAGES.get(job["stage"], job["stage"])


async def _call(session: aiohttp.ClientSession, method: str, path: str, **sent: Any) -> dict[str, Any]:
    try:
        async with session.request(method, path, timeout=_CALL, **sent) as response:
            await _require_ok(response)
            found: dict[str, Any] = await response.json()
            return found
    except (aiohttp.ClientError, TimeoutError) as error:
        raise VideoFailed(f"{method} {path} was not answered ({type(error).__name__}). {_AGAIN}") from None


async def _require_ok(response: aiohttp.ClientResponse) -> None:
    if response.status != HTTPStatus.OK:
        raise VideoFailed(await _parse_error(response))


async def _parse_error(response: aiohttp.ClientResponse) -> str:
    """Return what the suite says of a refusal."""
    with suppress(aiohttp.ContentTypeError, ValueError, KeyError, TypeError):
        error = (await response.json())["error"]
        return f"{error['code']}: {error['message']} (request {error['requestId']})"
    return f"The edge answered with HTTP status {response.status}. {_AGAIN}"
