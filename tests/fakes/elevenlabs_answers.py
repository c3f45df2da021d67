"""The responses of the fake ElevenLabs server: correct, wrong, late or cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field


class StepControl:
    """Holds the server before each step until the test releases it.

    Args:
        permits: Steps that pass without being held.
    """

    def __init__(self, permits: int = 0) -> None:
        self._permits = asyncio.Semaphore(permits)
        self._held = asyncio.Event()

    def release(self, steps: int = 1) -> None:
        """Let the server continue for `steps` steps."""
        for _ in range(steps):
            self._permits.release()

    async def step(self) -> None:
        """Wait for a permit; called by the server."""
        if self._permits.locked():
            self._held.set()
        await self._permits.acquire()

    async def wait_until_held(self, within_seconds: float = 30) -> None:
        """Wait until the server has been held at least once."""
        async with asyncio.timeout(within_seconds):
            await self._held.wait()


@dataclass(frozen=True, slots=True)
class Answer:
    """Response to one request; the default succeeds."""

    status: int = 200
    """HTTP status; any other than 200 sends `body`."""
    body: bytes = b""
    """The body of an error."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers."""
    content_type: str = ""
    """Media type instead of the right one."""
    audio: bytes | None = None
    """Audio instead of that of the text; b"" for a body without a byte."""
    lines: tuple[bytes, ...] | None = None
    """Exact pieces of the body, which replace all other content."""
    pieces: int = 4
    """Number of pieces (or lines) of the audio."""
    clock_restarts: bool = False
    """Whether the times of each line begin at zero again."""
    cut_after_pieces: int | None = None
    """Number of pieces before the one in which the server closes the connection."""
    head_control: StepControl | None = None
    """Holds the status line back."""
    body_control: StepControl | None = None
    """Holds each piece back."""
    pace_seconds: float = 0.0
    """Time between two pieces, for measurements."""


def build_refusal(status: int, code: str, *, param: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """Return an error in the current shape of the API."""
    detail = {
        "type": "some_error",
        "code": code,
        "message": "SECRET provider words",
        "status": code,
        "request_id": "r-1",
    }
    return _error(status, {"detail": detail | ({"param": param} if param else {})}, headers)


def build_legacy_error(status: int, code: str, *, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an error in the API's legacy shape."""
    return _error(status, {"detail": {"status": code, "message": "SECRET provider words"}}, headers)


def build_field_errors(*places: tuple[str, ...]) -> Answer:
    """Return the API's answer to a body or query of the wrong form."""
    items = [{"loc": place, "msg": "SECRET provider words", "type": "value_error"} for place in places]
    return _error(422, {"detail": items})


def build_text_error(status: int, words: str = "SECRET provider words") -> Answer:
    """Return an error with plain text as its detail."""
    return _error(status, {"detail": words})


def build_html_error(status: int) -> Answer:
    """Return an error as a proxy in front of the API sends it."""
    return Answer(status, b"<html>SECRET bad gateway</html>", content_type="text/html")


def _error(status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(body).encode(), headers or {}, "application/json")
