"""A fake of the ElevenLabs API on the loopback: all four speech endpoints, and the voices of the account."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from services.tts.formats import FORMATS
from tests.fakes.elevenlabs_answers import Answer, build_field_errors, build_refusal
from tests.fakes.provider_audio import SECONDS_PER_CHARACTER, build_speech

API_KEY = "fake-elevenlabs-key"
CONTEXT_FIELDS = ("previous_text", "next_text", "previous_request_ids", "next_request_ids")

_RANGES = {"stability": (0, 1), "similarity_boost": (0, 1), "style": (0, 1), "speed": (0.7, 1.2)}


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One received request."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    json: Any


class FakeElevenLabs:
    """The state of the server, and settings for its behaviour."""

    def __init__(self) -> None:
        self.base_url = ""
        self.requests: list[RecordedRequest] = []
        """All requests, in order."""
        self.calls = 0
        """Requests for speech, including refused ones."""
        self.open_streams = 0
        """Speech requests in progress."""
        self.most_open_streams = 0
        """The most concurrent speech requests, without refused ones."""
        self.concurrency_limit = 20
        """Concurrent speech requests of the account, as reported in every response."""
        self.refuses_above_limit = False
        """Whether requests beyond the limit are refused."""
        self.abandoned = 0
        """Requests for speech whose connection the client closed before the end."""
        self.connections: set[int] = set()
        """Connection number of each speech request."""
        self.answers: deque[Answer] = deque()
        """Answers of the next requests for speech, before those by voice."""
        self.answers_by_voice: dict[str, Answer] = {}
        """Responses by voice; requests for other voices succeed."""
        self.account_voices: list[dict[str, Any]] = []
        """The voices of the listing."""
        self.first_page_extra = 0
        """Additional voices of the first page beyond its size, as in the real API."""
        self.repeat_token = False
        """Whether the listing repeats its page token forever."""
        self.voices_answer = Answer()
        """Response to requests for the listing."""
        self.other_voices: set[str] = set()
        """Ids of voices that the account can use and does not list."""
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], bool], within_seconds: float = 30) -> None:
        """Wait until `condition` holds; it is checked whenever a request begins or ends."""
        async with asyncio.timeout(within_seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def wait_until_closed(self, within_seconds: float = 30) -> None:
        """Wait until no speech request is in progress."""
        await self.until(lambda: self.open_streams == 0, within_seconds)

    def application(self) -> web.Application:
        """Return the routes."""
        app = web.Application(client_max_size=4 << 20)
        for suffix in ("", "/stream", "/with-timestamps", "/stream/with-timestamps"):
            app.router.add_post(f"/v1/text-to-speech/{{voice_id}}{suffix}", self._speech)
        app.router.add_get("/v2/voices", self._voices)
        app.router.add_get("/v1/voices/{voice_id}", self._voice)
        return app

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        body = await self._record(request)
        self.calls += 1
        self.connections.add(id(request.protocol))
        self.open_streams += 1
        self._changed.set()
        try:
            if self.refuses_above_limit and self.open_streams > self.concurrency_limit:
                return _error_response(build_refusal(429, "concurrent_limit_exceeded"))
            self.most_open_streams = max(self.most_open_streams, self.open_streams)
            return await self._respond(
                request, body, _find_request_error(request, body) or self._choose_answer(request)
            )
        except (asyncio.CancelledError, ConnectionError):
            self.abandoned += 1
            raise
        finally:
            self.open_streams -= 1
            self._changed.set()

    async def _record(self, request: web.Request) -> Any:
        body = await request.read()
        try:
            content = json.loads(body) if body else None
        except ValueError:
            content = None
        query = list(request.query.items())
        self.requests.append(RecordedRequest(request.method, request.path, query, request.headers, content))
        return content

    def _choose_answer(self, request: web.Request) -> Answer:
        if self.answers:
            return self.answers.popleft()
        return self.answers_by_voice.get(request.match_info["voice_id"], Answer())

    async def _respond(self, request: web.Request, body: dict[str, Any], answer: Answer) -> web.StreamResponse:
        if answer.head_control:
            await answer.head_control.step()
        if answer.status != 200:
            return _error_response(answer)
        pieces, content_type = _pieces(request, body["text"], answer)
        response = web.StreamResponse(
            headers=CIMultiDict(
                {
                    "Content-Type": answer.content_type or content_type,
                    "request-id": f"request-{self.calls}",
                    "character-cost": str(len(body["text"])),
                    "current-concurrent-requests": str(self.open_streams),
                    "maximum-concurrent-requests": str(self.concurrency_limit),
                }
                | dict(answer.headers)
            )
        )
        if "/stream" in request.path:
            response.enable_chunked_encoding()
        else:
            response.content_length = sum(map(len, pieces))
        await response.prepare(request)
        await _write(request, response, pieces, answer)
        return response

    async def _voice(self, request: web.Request) -> web.Response:
        await self._record(request)
        refusal = _find_key_error(request) or (self.voices_answer if self.voices_answer.status != 200 else None)
        if refusal:
            return _error_response(refusal)
        voice_id = request.match_info["voice_id"]
        listed = next((item for item in self.account_voices if item["voice_id"] == voice_id), None)
        if listed is None and voice_id not in self.other_voices:
            # The API answers 400, not 404.
            return _error_response(build_refusal(400, "voice_not_found"))
        return web.json_response(listed or {"voice_id": voice_id, "name": "Shared"})

    async def _voices(self, request: web.Request) -> web.Response:
        await self._record(request)
        self._changed.set()
        answer = self.voices_answer
        if answer.head_control:
            await answer.head_control.step()
        refusal = _find_key_error(request) or (answer if answer.status != 200 else None)
        if refusal:
            return _error_response(refusal)
        if answer.lines is not None:
            return web.Response(body=b"".join(answer.lines), content_type="application/json")
        start = int(request.query.get("next_page_token", "0"))
        end = start + int(request.query.get("page_size", "10")) + (self.first_page_extra if start == 0 else 0)
        has_more = end < len(self.account_voices) or self.repeat_token
        token = str(start if self.repeat_token and start else end)
        # The count of the real API is unreliable.
        page = {"voices": self.account_voices[start:end], "has_more": has_more, "total_count": 1}
        return web.json_response(page | {"next_page_token": token if has_more else None})


@asynccontextmanager
async def run_elevenlabs() -> AsyncIterator[FakeElevenLabs]:
    """Serve the API on a free port of the loopback; leaving the context ends all requests."""
    fake = FakeElevenLabs()
    # Without handler_cancellation, a handler that waits would not notice that the client has disconnected.
    runner = web.AppRunner(fake.application(), handler_cancellation=True, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield fake
    finally:
        await runner.cleanup()


def _error_response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body,
        headers={"Content-Type": answer.content_type or "application/json", **answer.headers},
    )


def _find_key_error(request: web.Request) -> Answer | None:
    key = request.headers.get("xi-api-key", "")
    if not key:
        return build_refusal(401, "needs_authorization")
    return None if key == API_KEY else build_refusal(401, "invalid_api_key")


def _find_request_error(request: web.Request, body: Any) -> Answer | None:
    """Return the error of the API for an invalid request."""
    if refusal := _find_key_error(request):
        return refusal
    if not isinstance(body, dict) or not isinstance(body.get("text"), str):
        return build_field_errors(("body", "text"))
    name = request.query.get("output_format", "mp3_44100_128")
    if name not in FORMATS or (name.startswith("wav_") and "/stream" in request.path):
        return build_field_errors(("query", "output_format"))
    for setting, (least, most) in _RANGES.items():
        if not least <= body.get("voice_settings", {}).get(setting, most) <= most:
            return build_refusal(400, "invalid_voice_settings", param=f"voice_settings.{setting}")
    if body.get("model_id") == "eleven_v3" and any(name in body for name in CONTEXT_FIELDS):
        return build_refusal(400, "invalid_parameters")
    return None


def _pieces(request: web.Request, text: str, answer: Answer) -> tuple[list[bytes], str]:
    output_format = FORMATS[request.query.get("output_format", "mp3_44100_128")]
    timed = request.path.endswith("/with-timestamps")
    content_type = "application/json" if timed else output_format.content_type.partition(";")[0]
    if answer.lines is not None:
        return list(answer.lines), content_type
    audio = build_speech(text, output_format) if answer.audio is None else answer.audio
    if not audio:
        return [], content_type
    if not timed:
        return cut(audio, answer.pieces), content_type
    count = answer.pieces if "/stream" in request.path else 1
    return _lines(audio, text, count, clock_restarts=answer.clock_restarts), content_type


def cut(audio: bytes, pieces: int) -> list[bytes]:
    """Return `audio` in `count` pieces of about the same size."""
    size = max(1, math.ceil(len(audio) / pieces))
    return [audio[start : start + size] for start in range(0, len(audio), size)]


def _lines(audio: bytes, text: str, count: int, *, clock_restarts: bool) -> list[bytes]:
    size = max(1, math.ceil(len(text) / count))
    lines = []
    for index, part in enumerate(cut(audio, count)):
        start = index * size
        characters = text[start : start + size]
        times = [(0 if clock_restarts else start) + position for position in range(len(characters))]
        lines.append(line(part, characters, [position * SECONDS_PER_CHARACTER for position in times]))
    return lines


def line(audio: bytes, characters: str | list[str] = "", starts: list[float] | None = None) -> bytes:
    """Return one line of the streams with timestamps; each character lasts SECONDS_PER_CHARACTER."""
    starts = starts or []
    timing = {
        "character_start_times_seconds": starts,
        "character_end_times_seconds": [start + SECONDS_PER_CHARACTER for start in starts],
    }
    content = {
        "audio_base64": base64.b64encode(audio).decode(),
        "alignment": {"characters": list(characters), **timing} if characters else None,
        "normalized_alignment": {"characters": [item.upper() for item in characters], **timing} if characters else None,
    }
    return json.dumps(content).encode() + b"\n"


async def _write(request: web.Request, response: web.StreamResponse, pieces: list[bytes], answer: Answer) -> None:
    for index, piece in enumerate(pieces):
        if answer.body_control:
            await answer.body_control.step()
        if index and answer.pace_seconds:
            await asyncio.sleep(answer.pace_seconds)
        if index == answer.cut_after_pieces:
            _cut_within(request, piece, chunked=response.chunked)
            return
        await response.write(piece)


def _cut_within(request: web.Request, piece: bytes, *, chunked: bool) -> None:
    """Announce a chunk, send half of it and close the connection."""
    if request.transport is not None:
        head = f"{len(piece):x}\r\n".encode() if chunked else b""
        request.transport.write(head + piece[: len(piece) // 2])
        request.transport.close()
