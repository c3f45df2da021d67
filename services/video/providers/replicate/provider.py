"""The provider replicate: creates predictions, waits for them, and downloads videos before Replicate deletes them."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pybase64

from services.common.errors import MediaError, Reason
from services.common.input_files import Downloads
from services.common.log import logger
from services.common.providers import Answer, ProviderEndpoint, ProviderHttpClient, open_session
from services.common.webhooks import Webhook, parse_secret
from services.video.progress import PROVIDER_CEILING_PERCENT, Progress, State
from services.video.providers.interface import ReportProgress, VideoProvider, VideoRequest, VideoSpec
from services.video.providers.replicate.error_mapping import (
    build_error,
    build_gone_error,
    map_failed_prediction,
    map_response,
)
from services.video.providers.replicate.prediction import (
    ENDED_BADLY,
    Prediction,
    estimate_percent,
    parse_created_at,
    parse_prediction,
    parse_webhook,
)
from services.video.providers.replicate.request import build_body, build_path, choose_model, list_models, matches_spec
from services.video.providers.replicate.settings import PROVIDER, ReplicateSettings

log = logger(__name__)

_INLINE_BYTES = 190 * 1024
"""Largest source image to send as a data URI: Replicate recommends at most 256 kB of base64."""
_POLL_ATTEMPTS = 8
"""Attempts of one poll. Polling is free, and the video is already paid for."""
_DOWNLOADS = 3
_OUTPUT = "output.mp4"
_LATEST = "/predictions"
_FILES, _SECRET = "/files", "/webhooks/default/secret"
_FINISHED_STATUSES = frozenset({"succeeded", "failed", "aborted"})

Wait = Callable[[asyncio.Event, float], Awaitable[None]]
"""Called between two polls; returns when the event is set, or after that many seconds."""


async def wait_for_event(event: asyncio.Event, seconds: float) -> None:
    """Wait until `event` is set, at most `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


class ReplicateProvider(VideoProvider):
    """Generates videos with models on Replicate.

    Args:
        client: HTTP client for the Replicate API.
        settings: Token, model and time limits.
        downloads: Downloads finished videos.
        wait: Waits between two polls; tests replace it.
    """

    name = PROVIDER
    max_source_image_bytes = 8 * 1024 * 1024

    def __init__(
        self,
        client: ProviderHttpClient,
        settings: ReplicateSettings,
        downloads: Downloads,
        wait: Wait = wait_for_event,
    ) -> None:
        self._client = client
        self._settings = settings
        self.models = list_models(settings)
        self.default_model = settings.default_model
        self._downloads = downloads
        self._wait = wait
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._secret = settings.webhook_secret
        self._secret_lock = asyncio.Lock()

    def choose_model(self, request: VideoRequest) -> str:
        """Return the model for a request."""
        if not self._settings.api_token:
            raise build_error(Reason.API_KEY_MISSING)
        return choose_model(request, self._settings)

    async def begin(self, spec: VideoSpec) -> str:
        """Create the prediction."""
        if not self._settings.api_token:
            raise build_error(Reason.API_KEY_MISSING)
        body = build_body(spec, _find_image_url(spec) or await self._upload(spec.source_image), self._settings)
        seconds = self._settings.wait_seconds
        answer = await self._request(
            "POST",
            build_path(spec.model),
            body,
            work_started=False,
            headers={"Prefer": f"wait={seconds}"} if seconds else None,
        )
        found = parse_prediction(answer.body)
        if not found.prediction_id:
            raise build_error(Reason.GENERATION_FAILED, may_be_charged=True)
        log.info("a prediction was created", prediction_id=found.prediction_id, model=spec.model)
        return found.prediction_id

    async def fetch(self, prediction_id: str, folder: Path, report: ReportProgress) -> Path:
        """Wait for the prediction and download its output."""
        try:
            async with asyncio.timeout(self._settings.timeout_seconds) as limit:
                for attempt in range(1, _DOWNLOADS + 1):
                    done = await self._wait_until_done(prediction_id, report)
                    report(Progress(State.STORING, PROVIDER_CEILING_PERCENT))
                    try:
                        return await self._download(done.output_url, folder)
                    except MediaError as error:
                        log.warning("cannot download a video", reason=error.reason.name, attempt=attempt)
                        if error.reason is not Reason.URL_UNREACHABLE or attempt == _DOWNLOADS:
                            break
                    # The file may become available a moment later.
                    await self._wait(asyncio.Event(), attempt * self._settings.longest_poll_seconds)
                raise build_error(Reason.GENERATION_FAILED, may_be_charged=True)
        except TimeoutError:
            if not limit.expired():
                raise
            raise build_error(Reason.PROVIDER_TIMEOUT, may_be_charged=True) from None

    async def find(self, spec: VideoSpec, since: datetime) -> str | None:
        """Look for a prediction with the same inputs among the latest ones."""
        answer = await self._request("GET", _LATEST, work_started=False)
        results = answer.body.get("results")
        for body in results if isinstance(results, list) else []:
            if not isinstance(body, dict) or not matches_spec(body, spec, _find_image_url(spec)):
                continue
            created_at, found = parse_created_at(body), parse_prediction(body)
            if (
                created_at is not None
                and created_at >= since
                and found.prediction_id
                and found.status not in ENDED_BADLY
            ):
                return found.prediction_id
        return None

    async def cancel(self, prediction_id: str) -> bool:
        """Cancel the prediction."""
        answer = await self._request("POST", f"/predictions/{quote(prediction_id, safe='')}/cancel", work_started=True)
        self._wake(prediction_id)
        return parse_prediction(answer.body).status not in _FINISHED_STATUSES

    async def accept_webhook(self, webhook: Webhook) -> bool:
        """Wake the tasks that wait for the prediction in a webhook, and return whether there are any.

        The webhook only triggers a poll. Its content is not used, so that old and repeated webhooks do no harm.

        Raises:
            MediaError: PERMISSION_DENIED, Replicate has not signed it; or the secret is not available.
        """
        if not self._settings.webhook_url and not self._secret:
            raise MediaError(
                Reason.PERMISSION_DENIED,
                "This service expects no webhooks: set MEDIA_PUBLIC_URL to a public https address.",
            )
        async with self._secret_lock:
            if not self._secret:
                answer = await self._request("GET", _SECRET, work_started=False)
                secret = answer.body.get("key")
                self._secret = secret if isinstance(secret, str) and parse_secret(secret) else ""
        return self._wake(parse_webhook(webhook, self._secret, time.time()))

    async def _upload(self, data: bytes) -> str:
        """Upload a source image to Replicate and return its URL."""
        form = aiohttp.MultipartWriter("form-data")
        note = form.append("{}")
        note.set_content_disposition("form-data", name="metadata")
        note.headers.popall(aiohttp.hdrs.CONTENT_TYPE)
        part = form.append(data, {aiohttp.hdrs.CONTENT_TYPE: "image/jpeg"})
        part.set_content_disposition("form-data", name="content", filename="still.jpg")
        urls = (await self._request("POST", _FILES, form, work_started=False)).body.get("urls")
        address = urls.get("get") if isinstance(urls, dict) else None
        if not isinstance(address, str):
            raise build_error(Reason.GENERATION_FAILED)
        return address

    async def _wait_until_done(self, prediction_id: str, report: ReportProgress) -> Prediction:
        """Poll the prediction until it has a video, at once after each webhook."""
        event = asyncio.Event()
        self._waiting[prediction_id].add(event)
        delay, working_since = self._settings.first_poll_seconds, time.monotonic()
        try:
            while True:
                # Before the request: a webhook that arrives during the request must not be lost.
                event.clear()
                found = parse_prediction((await self._get_prediction(prediction_id)).body)
                if found.is_done and found.output_url:
                    return found
                if found.is_done or found.status in ENDED_BADLY:
                    log.warning("a prediction failed", prediction_id=prediction_id, status=found.status)
                    raise (
                        build_gone_error()
                        if found.is_done and found.is_removed
                        else map_failed_prediction(found.status, found.error)
                    )
                if found.is_queued:
                    working_since = time.monotonic()
                report(_to_progress(found, time.monotonic() - working_since))
                await self._wait(event, delay)
                delay = min(delay * 1.5, self._settings.longest_poll_seconds)
        finally:
            self._waiting[prediction_id].discard(event)
            if not self._waiting[prediction_id]:
                del self._waiting[prediction_id]

    async def _get_prediction(self, prediction_id: str) -> Answer:
        path, delay = f"/predictions/{quote(prediction_id, safe='')}", self._settings.first_poll_seconds
        for _ in range(_POLL_ATTEMPTS - 1):
            try:
                return await self._request("GET", path, work_started=True)
            except MediaError as error:
                if error.reason not in (Reason.PROVIDER_UNAVAILABLE, Reason.PROVIDER_BUSY, Reason.PROVIDER_TIMEOUT):
                    raise
                await self._wait(asyncio.Event(), error.retry_after_seconds or delay)
                delay = min(delay * 2, 2 * self._settings.longest_poll_seconds)
        return await self._request("GET", path, work_started=True)

    async def _download(self, url: str, folder: Path) -> Path:
        path = folder / _OUTPUT
        async with self._downloads.stream(url, field="output", max_bytes=self._settings.max_video_bytes) as streamed:
            with path.open("wb", buffering=0) as file:
                async for chunk in streamed.chunks:
                    await asyncio.to_thread(file.write, chunk)
        return path

    def _wake(self, prediction_id: str) -> bool:
        waiting = self._waiting.get(prediction_id, set())
        for event in waiting:
            event.set()
        return bool(waiting)

    async def _request(
        self,
        method: str,
        path: str,
        body: dict[str, object] | aiohttp.MultipartWriter | None = None,
        *,
        work_started: bool,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        url = f"{self._settings.base_url.rstrip('/')}{path}"
        seconds = self._settings.answer_seconds + self._settings.wait_seconds
        try:
            return await self._client.request(
                method, url, body, work_started=work_started, headers=headers, timeout_seconds=seconds
            )
        except MediaError as error:
            if path in (_FILES, _SECRET) or (method, path) == ("GET", _LATEST):
                # Nothing was charged, and the error does not concern a field of the caller's request.
                plain = Reason.GENERATION_FAILED if error.reason is Reason.VALIDATION_ERROR else error.reason
                raise build_error(plain, retry_after_seconds=error.retry_after_seconds) from None
            raise


@asynccontextmanager
async def open_replicate(settings: ReplicateSettings, downloads: Downloads) -> AsyncIterator[ReplicateProvider]:
    """Open the provider; close its connections at the end."""
    async with open_session() as session:
        yield ReplicateProvider(ProviderHttpClient(session, build_endpoint(settings)), settings, downloads)


def build_endpoint(settings: ReplicateSettings) -> ProviderEndpoint:
    """Return the endpoint for the HTTP client."""
    return ProviderEndpoint(
        name=PROVIDER,
        credentials={"Authorization": f"Bearer {settings.api_token}"},
        base_urls=(settings.base_url,),
        host_suffix=".replicate.com",
        build_error=build_error,
        map_response=map_response,
    )


def _find_image_url(spec: VideoSpec) -> str:
    """Return a public URL or a data URI of the source image; empty where it must be uploaded first."""
    if spec.source_image_url or len(spec.source_image) > _INLINE_BYTES:
        return spec.source_image_url
    return f"data:image/jpeg;base64,{pybase64.b64encode(spec.source_image).decode()}"


def _to_progress(found: Prediction, working_seconds: float) -> Progress:
    if found.is_queued:
        return Progress(State.QUEUED)
    if found.percent is not None:
        return Progress(State.RUNNING, min(PROVIDER_CEILING_PERCENT, found.percent))
    return Progress(State.RUNNING, min(PROVIDER_CEILING_PERCENT, estimate_percent(working_seconds)), estimated=True)
