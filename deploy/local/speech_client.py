"""Asks the edge for speech as a front end would: audio while it is made, and the timing of its characters."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

_HTTP_OK = 200


class SpeechFailed(Exception):  # noqa: N818 - reads as what happened
    """The suite gave no speech; the text says why, in the suite's own words."""


@dataclass(frozen=True, slots=True)
class Audio:
    """What was written to a file."""

    size_bytes: int
    first_byte_seconds: float
    """From the request to the first audio."""
    provider: str
    """Who spoke."""


@dataclass(slots=True)
class Timing:
    """When each character is heard."""

    duration_seconds: float = 0.0
    """Length of the audio."""
    alignment: dict[str, list[Any]] = field(
        default_factory=lambda: {
            "characters": [],
            "character_start_times_seconds": [],
            "character_end_times_seconds": [],
        }
    )
    """The normalized alignment of the whole text: three lists of the same length."""


async def save_speech(session: aiohttp.ClientSession, request: Mapping[str, str], file: Path) -> Audio:
    """Writes the audio of `request` to `file` as it arrives; a file is only there if it is whole.

    Raises:
        SpeechFailed: The suite refused, or the stream was cut.
    """
    draft = file.with_name(f"{file.name}.part")
    began = time.monotonic()
    first_byte_seconds, size_bytes = 0.0, 0
    try:
        async with session.post("/api/speech/stream", json=dict(request)) as response:
            await _require_ok(response)
            with draft.open("wb") as target:
                async for piece in response.content.iter_any():
                    first_byte_seconds = first_byte_seconds or time.monotonic() - began
                    size_bytes += target.write(piece)
            provider = response.headers.get("X-Media-Provider", "")
        draft.replace(file)
    except aiohttp.ClientError as error:
        raise SpeechFailed(f"The speech was cut off ({type(error).__name__}).") from None
    finally:
        draft.unlink(missing_ok=True)
    return Audio(size_bytes, first_byte_seconds, provider)


async def fetch_timing(session: aiohttp.ClientSession, request: Mapping[str, str]) -> Timing:
    """Returns when each character of `request` is heard.

    Raises:
        SpeechFailed: The suite refused, or the stream was cut.
    """
    timing = Timing()
    whole = False
    try:
        async with session.post("/api/speech/timestamps", json=dict(request)) as response:
            await _require_ok(response)
            async for line in _lines(response.content):
                _raise_failure(line)
                for name, values in (line.get("alignment") or {}).items():
                    timing.alignment[name] += values
                if done := line.get("done"):
                    timing.duration_seconds, whole = done["durationSeconds"], True
    except aiohttp.ClientError as error:
        raise SpeechFailed(f"The timing was cut off ({type(error).__name__}).") from None
    if not whole:
        raise SpeechFailed("The timing ended before it was complete.")
    return timing


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """Yields the JSON object of each line; a line holds audio and may exceed what `readline` takes."""
    rest = b""
    async for piece in content.iter_any():
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield json.loads(line)


async def _require_ok(response: aiohttp.ClientResponse) -> None:
    if response.status != _HTTP_OK:
        with suppress(aiohttp.ContentTypeError, ValueError):
            _raise_failure(await response.json())
        raise SpeechFailed(f"The edge answered with HTTP status {response.status}.")


def _raise_failure(answer: Mapping[str, Any]) -> None:
    if error := answer.get("error"):
        raise SpeechFailed(f"{error['code']}: {error['message']} (request {error['requestId']})")
