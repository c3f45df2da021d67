"""The provider replicate: begins predictions, waits for them, and brings videos home before they vanish."""

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
from services.common.webhooks import Webhook, key_in
from services.video.progress import Progress, State
from services.video.providers.interface import Tell, VideoProvider, VideoRequest, VideoSpec
from services.video.providers.replicate.error_mapping import build_gone_error, failure, of_failed, refusal
from services.video.providers.replicate.prediction import (
    ENDED_BADLY,
    Prediction,
    estimate_percent,
    parse_created_at,
    parse_prediction,
)
from services.video.providers.replicate.request import build_body, build_path, matches_spec, model_for
from services.video.providers.replicate.settings import PROVIDER, ReplicateSettings
from services.video.providers.replicate.webhooks import prediction_in

log = logger(__name__)

_INLINE_BYTES = 190 * 1024
"""Longest still that is sent as a data URI: 256 kB as base64 are the most that Replicate recommends."""
_ASKED_AGAIN = 8
"""How often in a row a question may fail: it costs nothing to ask again, and the video is paid for."""
_DOWNLOADS = 3
_ALMOST = 97.0
_OUTPUT = "output.mp4"
_LATEST = "/predictions"
_FILES, _SECRET = "/files", "/webhooks/default/secret"
_ENDED_BY_ITSELF = frozenset({"succeeded", "failed", "aborted"})

Pause = Callable[[asyncio.Event, float], Awaitable[None]]
"""Waits until the event is set, or so many seconds."""


async def pause(news: asyncio.Event, seconds: float) -> None:
    """Wait until something is told, or `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return


class ReplicateProvider(VideoProvider):
    """Makes videos with models on Replicate.

    Args:
        transport: Speaks with Replicate.
        settings: Token, model and patience.
        downloads: Fetches finished videos.
        wait: Waits between two questions.
    """

    name = PROVIDER
    max_source_image_bytes = 8 * 1024 * 1024

    def __init__(
        self, transport: ProviderHttpClient, settings: ReplicateSettings, downloads: Downloads, wait: Pause = pause
    ) -> None:
        self._transport = transport
        self._settings = settings
        self._downloads = downloads
        self._wait = wait
        self._news: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._secret = settings.webhook_secret
        self._asking = asyncio.Lock()

    def model_for(self, request: VideoRequest) -> str:
        """Return the model."""
        if not self._settings.api_token:
            raise failure(Reason.API_KEY_MISSING)
        return model_for(request, self._settings)

    async def begin(self, spec: VideoSpec) -> str:
        """Create the prediction."""
        if not self._settings.api_token:
            raise failure(Reason.API_KEY_MISSING)
        body = build_body(spec, _address(spec) or await self._upload(spec.source_image), self._settings)
        seconds = self._settings.wait_seconds
        answer = await self._ask(
            "POST",
            build_path(spec.model),
            body,
            begun=False,
            headers={"Prefer": f"wait={seconds}"} if seconds else None,
        )
        found = parse_prediction(answer.body)
        if not found.prediction_id:
            raise failure(Reason.GENERATION_FAILED, begun=True)
        log.info("a prediction was created", prediction_id=found.prediction_id, model=spec.model)
        return found.prediction_id

    async def bring(self, prediction_id: str, folder: Path, tell: Tell) -> Path:
        """Wait for the prediction and fetches its output."""
        try:
            async with asyncio.timeout(self._settings.timeout_seconds) as limit:
                for attempt in range(1, _DOWNLOADS + 1):
                    done = await self._wait_until_done(prediction_id, tell)
                    tell(Progress(State.STORING, _ALMOST))
                    try:
                        return await self._download(done.output_url, folder)
                    except MediaError as error:
                        log.warning("a video cannot be fetched", reason=error.reason.name, attempt=attempt)
                        if error.reason is not Reason.URL_UNREACHABLE or attempt == _DOWNLOADS:
                            break
                    # It may be a moment late.
                    await self._wait(asyncio.Event(), attempt * self._settings.longest_poll_seconds)
                raise failure(Reason.GENERATION_FAILED, begun=True)
        except TimeoutError:
            if not limit.expired():
                raise
            raise failure(Reason.PROVIDER_TIMEOUT, begun=True) from None

    async def find(self, spec: VideoSpec, since: datetime) -> str | None:
        """Look among the latest predictions for one with the same inputs."""
        answer = await self._ask("GET", _LATEST, begun=False)
        results = answer.body.get("results")
        for body in results if isinstance(results, list) else []:
            if not isinstance(body, dict) or not matches_spec(body, spec, _address(spec)):
                continue
            begun, found = parse_created_at(body), parse_prediction(body)
            if begun is not None and begun >= since and found.prediction_id and found.status not in ENDED_BADLY:
                return found.prediction_id
        return None

    async def cancel(self, prediction_id: str) -> bool:
        """Cancel the prediction."""
        answer = await self._ask("POST", f"/predictions/{quote(prediction_id, safe='')}/cancel", begun=True)
        self._wake(prediction_id)
        return parse_prediction(answer.body).status not in _ENDED_BY_ITSELF

    async def accept_webhook(self, webhook: Webhook) -> bool:
        """Wake whoever waits for the video that a webhook tells of, and tells whether anybody did.

        What it says is not believed beyond that: Replicate is asked, so that old and repeated ones do no harm.

        Raises:
            MediaError: PERMISSION_DENIED, it is not signed by Replicate; or the secret cannot be had.
        """
        if not self._settings.webhook_url and not self._secret:
            raise MediaError(Reason.PERMISSION_DENIED, "Nobody was asked for webhooks here.")
        async with self._asking:
            if not self._secret:
                answer = await self._ask("GET", _SECRET, begun=False)
                secret = answer.body.get("key")
                self._secret = secret if isinstance(secret, str) and key_in(secret) else ""
        return self._wake(prediction_in(webhook, self._secret, time.time()))

    def _wake(self, prediction_id: str) -> bool:
        waiting = self._news.get(prediction_id, set())
        for news in waiting:
            news.set()
        return bool(waiting)

    async def _wait_until_done(self, prediction_id: str, tell: Tell) -> Prediction:
        """Wait until there is a video."""
        news = asyncio.Event()
        self._news[prediction_id].add(news)
        delay, working_since = self._settings.first_poll_seconds, time.monotonic()
        try:
            while True:
                # Before the question: what is told while it is on its way must not be missed.
                news.clear()
                found = parse_prediction((await self._get_prediction(prediction_id)).body)
                if found.is_done and found.output_url:
                    return found
                if found.is_done or found.status in ENDED_BADLY:
                    log.warning("a prediction failed", prediction_id=prediction_id, status=found.status)
                    raise (
                        build_gone_error()
                        if found.is_done and found.is_removed
                        else of_failed(found.status, found.error)
                    )
                if found.is_queued:
                    working_since = time.monotonic()
                tell(_progress(found, time.monotonic() - working_since))
                await self._wait(news, delay)
                delay = min(delay * 1.5, self._settings.longest_poll_seconds)
        finally:
            self._news[prediction_id].discard(news)
            if not self._news[prediction_id]:
                del self._news[prediction_id]

    async def _get_prediction(self, prediction_id: str) -> Answer:
        path, delay = f"/predictions/{quote(prediction_id, safe='')}", self._settings.first_poll_seconds
        for _ in range(_ASKED_AGAIN - 1):
            try:
                return await self._ask("GET", path, begun=True)
            except MediaError as error:
                if error.reason not in (Reason.PROVIDER_UNAVAILABLE, Reason.PROVIDER_BUSY, Reason.PROVIDER_TIMEOUT):
                    raise
                await self._wait(asyncio.Event(), error.retry_after_seconds or delay)
                delay = min(delay * 2, 2 * self._settings.longest_poll_seconds)
        return await self._ask("GET", path, begun=True)

    async def _download(self, url: str, folder: Path) -> Path:
        path = folder / _OUTPUT
        async with self._downloads.stream(url, field="output", max_bytes=self._settings.max_video_bytes) as streamed:
            with path.open("wb", buffering=0) as file:
                async for chunk in streamed.chunks:
                    await asyncio.to_thread(file.write, chunk)
        return path

    async def _upload(self, data: bytes) -> str:
        """Return an address of a still that is brought to Replicate."""
        form = aiohttp.MultipartWriter("form-data")
        note = form.append("{}")
        note.set_content_disposition("form-data", name="metadata")
        note.headers.popall(aiohttp.hdrs.CONTENT_TYPE)
        part = form.append(data, {aiohttp.hdrs.CONTENT_TYPE: "image/jpeg"})
        part.set_content_disposition("form-data", name="content", filename="still.jpg")
        urls = (await self._ask("POST", _FILES, form, begun=False)).body.get("urls")
        address = urls.get("get") if isinstance(urls, dict) else None
        if not isinstance(address, str):
            raise failure(Reason.GENERATION_FAILED)
        return address

    async def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, object] | aiohttp.MultipartWriter | None = None,
        *,
        begun: bool,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        url = f"{self._settings.base_url.rstrip('/')}{path}"
        seconds = self._settings.answer_seconds + self._settings.wait_seconds
        try:
            return await self._transport.ask(method, url, body, begun=begun, headers=headers, timeout_seconds=seconds)
        except MediaError as error:
            if path in (_FILES, _SECRET) or (method, path) == ("GET", _LATEST):
                # Nothing was charged, and no field of the caller's was looked at.
                plain = Reason.GENERATION_FAILED if error.reason is Reason.VALIDATION_ERROR else error.reason
                raise failure(plain, retry_after_seconds=error.retry_after_seconds) from None
            raise


@asynccontextmanager
async def open_replicate(settings: ReplicateSettings, downloads: Downloads) -> AsyncIterator[ReplicateProvider]:
    """Yield the provider and closes its connections afterwards."""
    async with open_session() as session:
        yield ReplicateProvider(ProviderHttpClient(session, peer(settings)), settings, downloads)


def peer(settings: ReplicateSettings) -> ProviderEndpoint:
    """Return Replicate, as the transport needs to know it."""
    return ProviderEndpoint(
        name=PROVIDER,
        authorization=f"Bearer {settings.api_token}",
        base_urls=(settings.base_url,),
        host_suffix=".replicate.com",
        failure=failure,
        refusal=refusal,
    )


def _address(spec: VideoSpec) -> str:
    """Return where the still is without anything being done for it; empty where it must be brought to Replicate."""
    if spec.source_image_url or len(spec.source_image) > _INLINE_BYTES:
        return spec.source_image_url
    return f"data:image/jpeg;base64,{pybase64.b64encode(spec.source_image).decode()}"


def _progress(found: Prediction, working_seconds: float) -> Progress:
    if found.is_queued:
        return Progress(State.QUEUED)
    if found.percent is not None:
        return Progress(State.RUNNING, min(_ALMOST, found.percent))
    return Progress(State.RUNNING, min(_ALMOST, estimate_percent(working_seconds)), estimated=True)
