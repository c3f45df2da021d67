"""A fake Replicate server on the loopback: predictions, files, the webhook secret, and the videos."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import BodyPartReader, web

API_TOKEN = "r8_TOKEN"
WEBHOOK_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(range(256)) * 400

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

_KEYS = frozenset({"input", "version", "webhook", "webhook_events_filter", "stream"})
_ENDED = frozenset({"succeeded", "failed", "canceled", "aborted"})


@dataclass(frozen=True, slots=True)
class RecordedPart:
    """One part of a received form."""

    headers: Mapping[str, str]
    data: bytes


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One received request."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: Any = None
    """The JSON; None without a body."""
    parts: tuple[RecordedPart, ...] = ()
    """The form."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error response."""

    status: int = 500
    body: Any = None
    """JSON of the response; None for an HTML page."""
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    """Whether the server never responds."""
    cuts: bool = False
    """Whether the server closes the connection instead."""
    works: bool = False
    """Whether the server performs the request before it responds."""


def build_problem(status: int, detail: str, **more: Any) -> Failure:
    """Return an error in the format of Replicate."""
    return Failure(status, {"title": "Refused", "detail": detail, "status": status, **more})


def build_field_error(*names: str) -> Failure:
    """Return an error that names inputs."""
    fields = [{"type": "invalid", "field": name, "description": "is wrong"} for name in names]
    return build_problem(422, "Input validation failed", invalid_fields=fields)


UNAUTHENTICATED = build_problem(401, "You did not pass a valid authentication token")
NO_CREDIT = build_problem(402, "You have insufficient credit to run this model.")
NOT_FOUND = build_problem(404, "The requested resource could not be found.")
BAD_VERSION = build_problem(422, "Invalid version or not permitted")
THROTTLED_BY_HEADER = Failure(429, {"detail": "Request was throttled."}, {"Retry-After": "7"})
THROTTLED_BY_BODY = Failure(429, {"detail": "Request was throttled.", "status": 429, "retry_after": 11})
THROTTLED_BY_TEXT = Failure(
    429, {"detail": "Request was throttled. You have $4.20 left. Your rate limit resets in ~30s."}
)
BROKEN = build_problem(500, "Internal server error")
DOWN = Failure(503)
HANGS = Failure(hangs=True)
CUT = Failure(cuts=True)
CUT_AFTER_WORK = Failure(cuts=True, works=True)


@dataclass
class Run:
    """Scripted course of one prediction."""

    statuses: tuple[str, ...] = ("succeeded",)
    """Responses to polls, in order; the last one repeats."""
    first: str = "starting"
    """Status in the response to the creation."""
    shape: Callable[[str], Any] = lambda url: url
    """Builds the output from the URL of the video."""
    logs: str = ""
    error: str | None = None
    is_removed: bool = False
    """Whether the output has been deleted, as an hour after the end."""


@dataclass
class Prediction:
    """One created prediction."""

    prediction_id: str
    run: Run
    model: str
    """Name of the model, or the version."""
    inputs: Mapping[str, Any]
    created_at: datetime
    status: str
    polls: int = 0


class FakeReplicate:
    """State and script of the server."""

    def __init__(self) -> None:
        self.origin = ""
        self.requests: list[RecordedRequest] = []
        """Requests to the API, in order."""
        self.downloads: list[RecordedRequest] = []
        """Requests to the host of videos."""
        self.failures: defaultdict[str, deque[Failure]] = defaultdict(deque)
        """Failures of the next requests, by kind: create, get, cancel, list, files, secret, output."""
        self.runs: deque[Run] = deque()
        """Scripts of the next predictions; later ones succeed."""
        self.predictions: dict[str, Prediction] = {}
        """Created predictions, oldest first; each one is charged."""
        self.cancelled: list[str] = []
        """Ids of predictions with a cancel request."""
        self.abandoned = 0
        """Requests that the client dropped."""
        self.video = VIDEO
        self.cut_videos = 0
        """Number of next downloads to cut in the middle."""
        self.file_answer: Any = None
        """Replacement for the response to an upload."""
        self.secret_answer: Any = {"key": WEBHOOK_SECRET}
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.responds = asyncio.Event()
        """The server responds to creations once this is set."""
        self.responds.set()
        self._changed = asyncio.Condition()

    @property
    def base_url(self) -> str:
        """Base URL of the API."""
        return f"{self.origin}/v1"

    @property
    def created(self) -> int:
        """Created predictions."""
        return len(self.predictions)

    def app(self) -> web.Application:
        """Return the server."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        routes: list[tuple[str, str, str, Answer]] = [
            ("GET", "/v1/predictions", "list", self._list),
            ("POST", "/v1/predictions", "create", self._create),
            ("POST", "/v1/models/{owner}/{name}/predictions", "create", self._create),
            ("GET", "/v1/predictions/{id}", "get", self._get),
            ("POST", "/v1/predictions/{id}/cancel", "cancel", self._cancel),
            ("POST", "/v1/files", "files", self._files),
            ("GET", "/v1/webhooks/default/secret", "secret", self._secret),
            ("GET", "/output/{id}.mp4", "output", self._output),
        ]
        for method, path, name, answer in routes:
            app.router.add_route(method, path, self._fail_or_handle(name, answer))
        return app

    def move(self, prediction_id: str, status: str) -> None:
        """Set the status of a prediction, which replaces its script."""
        self.predictions[prediction_id].run.statuses = (status,)

    def to_json(self, prediction_id: str) -> dict[str, Any]:
        """Return the JSON of a prediction."""
        found = self.predictions[prediction_id]
        is_there = found.status == "succeeded" and not found.run.is_removed
        here = f"{self.base_url}/predictions/{prediction_id}"
        return {
            "id": prediction_id,
            "model": found.model if "/" in found.model else "owner/name",
            "version": "hidden" if "/" in found.model else found.model,
            "input": found.inputs,
            "logs": found.run.logs,
            "output": found.run.shape(f"{self.origin}/output/{prediction_id}.mp4") if is_there else None,
            "data_removed": found.run.is_removed,
            "error": found.run.error if found.status in _ENDED else None,
            "source": "api",
            "status": found.status,
            "created_at": found.created_at.isoformat().replace("+00:00", "Z"),
            "urls": {"get": here, "cancel": f"{here}/cancel"},
        }

    def webhook(
        self, prediction_id: str, at_seconds: float, secret: str = WEBHOOK_SECRET
    ) -> tuple[dict[str, str], bytes]:
        """Return headers and body of a signed webhook."""
        body, sent_at = json.dumps(self.to_json(prediction_id)).encode(), str(int(at_seconds))
        return {
            "webhook-id": f"msg_{prediction_id}",
            "webhook-timestamp": sent_at,
            "webhook-signature": f"v1,{compute_signature(secret, f'msg_{prediction_id}', sent_at, body)}",
        }, body

    async def until(self, condition: Callable[[], bool], within_seconds: float = 30) -> None:
        """Wait until `condition` holds; it is checked at every request."""
        async with asyncio.timeout(within_seconds), self._changed:
            await self._changed.wait_for(condition)

    def _fail_or_handle(self, name: str, answer: Answer) -> Answer:
        """Return a handler that records requests, fails as scripted, and responds otherwise."""

        async def handle(request: web.Request) -> web.StreamResponse:
            recorded = await _record_request(request)
            (self.downloads if name == "output" else self.requests).append(recorded)
            await self._notify()
            if name != "output" and recorded.headers.get("authorization") != f"Bearer {API_TOKEN}":
                return _response(UNAUTHENTICATED)
            if not self.failures[name]:
                return await answer(request)
            failure = self.failures[name].popleft()
            if failure.works:
                await answer(request)
            if failure.hangs:
                await self._hang()
            if failure.cuts and request.transport is not None:
                request.transport.abort()
            return _response(failure)

        return handle

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.keys() - _KEYS or ("version" in body) == ("name" in request.match_info):
            return _response(build_problem(422, "Additional or missing properties"))
        prediction_id = f"p{self.created + 1}"
        run = self.runs.popleft() if self.runs else Run()
        model = body.get("version") or "{owner}/{name}".format(**request.match_info)
        self.predictions[prediction_id] = Prediction(prediction_id, run, model, body["input"], self.now(), run.first)
        await self._notify()
        await self.responds.wait()
        is_unfinished = "Prefer" in request.headers and run.first not in _ENDED
        return web.json_response(self.to_json(prediction_id), status=202 if is_unfinished else 201)

    async def _get(self, request: web.Request) -> web.Response:
        found = self.predictions.get(request.match_info["id"])
        if found is None:
            return _response(NOT_FOUND)
        found.status = found.run.statuses[min(found.polls, len(found.run.statuses) - 1)]
        found.polls += 1
        return web.json_response(self.to_json(found.prediction_id))

    async def _cancel(self, request: web.Request) -> web.Response:
        found = self.predictions.get(request.match_info["id"])
        if found is None:
            return _response(NOT_FOUND)
        self.cancelled.append(found.prediction_id)
        if found.status not in _ENDED:
            found.status = "canceled"
            self.move(found.prediction_id, "canceled")
        await self._notify()
        return web.json_response(self.to_json(found.prediction_id))

    async def _list(self, _: web.Request) -> web.Response:
        results = [self.to_json(prediction_id) for prediction_id in reversed(self.predictions)]
        return web.json_response({"next": None, "previous": None, "results": results})

    async def _files(self, _: web.Request) -> web.Response:
        usual = {"id": "file-1", "urls": {"get": f"{self.base_url}/files/file-1"}}
        return web.json_response(usual if self.file_answer is None else self.file_answer, status=201)

    async def _secret(self, _: web.Request) -> web.Response:
        return web.json_response(self.secret_answer)

    async def _output(self, request: web.Request) -> web.StreamResponse:
        if not self.cut_videos:
            return web.Response(body=self.video, content_type="video/mp4")
        self.cut_videos -= 1
        half = web.StreamResponse(headers={"Content-Type": "video/mp4", "Content-Length": str(len(self.video))})
        await half.prepare(request)
        await half.write(self.video[: len(self.video) // 2])
        if request.transport is not None:
            request.transport.close()
        return half

    async def _hang(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.abandoned += 1
            await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def compute_signature(secret: str, webhook_id: str, sent_at: str, body: bytes) -> str:
    """Return the signature of a webhook in base64, without its version."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return base64.b64encode(hmac.digest(key, f"{webhook_id}.{sent_at}.".encode() + body, hashlib.sha256)).decode()


async def _record_request(request: web.Request) -> RecordedRequest:
    parts: list[RecordedPart] = []
    body: Any = None
    if request.content_type.startswith("multipart/"):
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            parts.append(RecordedPart(dict(part.headers), bytes(await part.read())))
    elif text := await request.text():
        body = json.loads(text)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return RecordedRequest(request.method, request.path, list(request.query.items()), headers, body, tuple(parts))


def _response(failure: Failure) -> web.Response:
    if failure.body is None:
        return web.Response(status=failure.status, text="<html>nginx</html>", headers=failure.headers)
    return web.json_response(failure.body, status=failure.status, headers=failure.headers)


@asynccontextmanager
async def run_replicate() -> AsyncIterator[FakeReplicate]:
    """Yield a server on a port of its own."""
    fake = FakeReplicate()
    runner = web.AppRunner(fake.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield fake
    finally:
        await runner.cleanup()
