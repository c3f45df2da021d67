"""HTTP client for a talking video: creates an image and a job, follows the events, downloads the files."""

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

from examples.talking_video.sse import Events

MAX_BREAKS = 10
"""Breaks of the event stream in a row, without an event between them, after which the client gives up."""
_SILENCE_SECONDS = 45.0
"""Three times the longest silence of an event stream."""
_CALL = aiohttp.ClientTimeout(total=600)
_STREAM = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_SILENCE_SECONDS)
_CANCEL_TIMEOUT = aiohttp.ClientTimeout(total=2)
_STAGES: Mapping[str, str] = {
    "audio": "generating speech",
    "video": "generating video",
    "mux": "muxing speech and video",
}
_RETRY_HINT = "Run it again; `make doctor` shows what is configured and reachable."

ProgressCallback = Callable[[str, float], None]
"""Called with the current stage and the progress of the whole job in percent."""


class VideoError(Exception):
    """Raised when the suite generates no video; the text quotes the error of the suite and says what to do next."""


@dataclass(frozen=True, slots=True)
class Script:
    """Content of the video."""

    text: str
    """Text of the speech."""
    voice: str
    """Name or id of the voice; empty for the suite's default."""
    motion: str
    """Camera motion, as the prompt of the video."""


async def generate_image(session: aiohttp.ClientSession, prompt: str) -> dict[str, Any]:
    """Generate an image and return its description.

    Raises:
        VideoError: The suite refused the request or did not answer.
    """
    body = {"prompt": prompt, "imageSize": "landscape_16_9"}
    return await _call(session, "POST", "/api/image/generate", json=body)


async def upload_image(session: aiohttp.ClientSession, image: bytes) -> dict[str, Any]:
    """Upload an image and return its description.

    Raises:
        VideoError: The suite refused the request or did not answer.
    """
    return await _call(session, "POST", "/api/image/upload", data=image)


async def create_job(session: aiohttp.ClientSession, image_key: str, script: Script) -> str:
    """Create a job for a talking video and return its id.

    Raises:
        VideoError: The suite refused the request or did not answer.
    """
    spec = {
        "video": {"imageKey": image_key, "prompt": script.motion},
        "narration": {"text": script.text, "voice": script.voice},
        "captions": "track",
    }
    return str((await _call(session, "POST", "/api/jobs", json={"talkingVideo": spec}))["id"])


async def follow_job(
    session: aiohttp.ClientSession, job_id: str, report: ProgressCallback, retry_seconds: float = 1.0
) -> None:
    """Report the progress of a job until it succeeds. Cancelling this call cancels the job.

    Args:
        session: With the edge as its base, and a token.
        job_id: The job.
        report: Called with the stage and the percent of each event.
        retry_seconds: Wait before reconnecting after a break, until the suite sends another value.

    Raises:
        VideoError: The job failed, or its events are not available.
    """
    try:
        job = await _wait_for_end(session, job_id, report, Events(retry_seconds))
    except asyncio.CancelledError:
        # The caller no longer waits for the video, so it must not cost anything.
        with suppress(aiohttp.ClientError, TimeoutError):
            async with session.post(f"/api/jobs/{job_id}/cancel", json={}, timeout=_CANCEL_TIMEOUT):
                pass
        raise
    if job["status"] == "succeeded":
        return
    raise VideoError(_describe_failure(job))


async def fetch_result(session: aiohttp.ClientSession, job_id: str) -> dict[str, Any]:
    """Return the result of a job that has succeeded.

    Raises:
        VideoError: The suite refused the request or did not answer.
    """
    found: dict[str, Any] = (await _call(session, "GET", f"/api/jobs/{job_id}"))["result"]
    return found


async def download(url: str, file: Path) -> None:
    """Download a link to `file` without a token. The file appears only when it is complete.

    Raises:
        VideoError: The download failed or was cut off, or the file cannot be written.
    """
    draft = file.with_name(f"{file.name}.part")
    try:
        # The link is signed and may lead to a store of a third party, which must not see the token.
        async with aiohttp.ClientSession(timeout=_STREAM) as anonymous, anonymous.get(url) as response:
            await _require_ok(response)
            with draft.open("wb") as target:
                async for piece in response.content.iter_any():
                    target.write(piece)
        draft.replace(file)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise VideoError(f"The download of {file.name} was cut off ({type(error).__name__}). {_RETRY_HINT}") from None
    except OSError as error:
        raise VideoError(f"{file} cannot be written ({error.strerror}). Choose another folder with --output.") from None
    finally:
        draft.unlink(missing_ok=True)


async def _wait_for_end(
    session: aiohttp.ClientSession, job_id: str, report: ProgressCallback, events: Events
) -> dict[str, Any]:
    """Return a job in its final state; reconnect to its event stream as often as necessary."""
    breaks = 0
    trouble = ""
    while breaks <= MAX_BREAKS:
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
                    report(_get_stage(job), job["percent"])
                    if event.name == "end":
                        return job
        except (aiohttp.ClientError, TimeoutError) as error:
            trouble = type(error).__name__
    raise VideoError(
        f"The job {job_id} cannot be followed: its event stream breaks each time ({trouble}). {_RETRY_HINT}"
    )


def _describe_failure(job: Mapping[str, Any]) -> str:
    """Return the error text for a job that ended without a video."""
    error = job.get("error")
    if error is None:
        return f"The job {job['id']} was cancelled. {_RETRY_HINT}"
    stage = f" at the stage {error['stage']}" if error["stage"] else ""
    return (
        f"The job {job['id']} failed{stage}: {error['reason']}: {error['message']}\n"
        f"docs/errors.md explains {error['reason']}; `make doctor` shows what is configured and reachable."
    )


def _get_stage(job: Mapping[str, Any]) -> str:
    if job["status"] == "queued":
        return "waiting for the next attempt" if job["attempt"] else "waiting for a worker"
    if job["status"] == "succeeded":
        return "done"
    return _STAGES.get(job["stage"], job["stage"])


async def _call(session: aiohttp.ClientSession, method: str, path: str, **sent: Any) -> dict[str, Any]:
    try:
        async with session.request(method, path, timeout=_CALL, **sent) as response:
            await _require_ok(response)
            found: dict[str, Any] = await response.json()
            return found
    except (aiohttp.ClientError, TimeoutError) as error:
        raise VideoError(f"{method} {path} was not answered ({type(error).__name__}). {_RETRY_HINT}") from None


async def _require_ok(response: aiohttp.ClientResponse) -> None:
    if response.status != HTTPStatus.OK:
        raise VideoError(await _parse_error(response))


async def _parse_error(response: aiohttp.ClientResponse) -> str:
    """Return the error text of a refused request."""
    with suppress(aiohttp.ContentTypeError, ValueError, KeyError, TypeError):
        error = (await response.json())["error"]
        return f"{error['code']}: {error['message']} (request {error['requestId']})"
    return f"The edge answered with HTTP status {response.status}. {_RETRY_HINT}"
