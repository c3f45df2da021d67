"""The provider fal: submits, waits, and brings the image home."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

import pybase64

from services.common.errors import MediaError, Reason
from services.common.fetch import FetchedFile
from services.common.log import logger
from services.common.providers import Answer, ProviderEndpoint, ProviderHttpClient, open_session
from services.image.providers.fal.error_mapping import failure, refusal
from services.image.providers.fal.request import MODELS, build_body
from services.image.providers.fal.settings import PROVIDER, FalSettings
from services.image.providers.interface import GeneratedImage, ImageProvider, ImageSpec, Mode

log = logger(__name__)

_CANCEL_SECONDS = 2.0
_POLL_ATTEMPTS = 3
"""How often in a row a question for the status may fail: it costs nothing to ask again."""
_DOWNLOAD_ATTEMPTS = 2

Sleep = Callable[[float], Awaitable[None]]


class Downloads(Protocol):
    """Fetches files, if they may be fetched."""

    async def fetch(self, url: str, *, field: str, max_bytes: int) -> FetchedFile:
        """Return the file at `url`; raises MediaError."""


class FalProvider(ImageProvider):
    """Draws with FLUX.

    Args:
        transport: Speaks with fal.
        settings: Key and patience.
        downloads: Fetches finished images.
        sleep: Waits so many seconds.
    """

    name = PROVIDER
    models: Mapping[Mode, Any] = {mode: fal.model for mode, fal in MODELS.items()}

    def __init__(
        self, transport: ProviderHttpClient, settings: FalSettings, downloads: Downloads, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._transport = transport
        self._settings = settings
        self._downloads = downloads
        self._sleep = sleep

    def describe_shape(self, spec: ImageSpec) -> str:
        """Return the size, which an image that is transformed has from its source."""
        return "" if spec.mode is Mode.TRANSFORM else super().describe_shape(spec)

    async def generate(self, spec: ImageSpec) -> GeneratedImage:
        """Draw: fast images at once, where leaving the connection cancels, others through the queue."""
        if not self._settings.api_key:
            raise failure(Reason.API_KEY_MISSING)
        fal = MODELS[spec.mode]
        body = build_body(spec, fal)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds) as limit:
                if spec.mode is Mode.FAST:
                    url = f"{self._settings.sync_base_url}/{fal.path}"
                    result = await self._transport.ask("POST", url, body, begun=False)
                    request_id = result.headers.get("x-fal-request-id", "")
                else:
                    result, request_id = await self._run_queued(f"{self._settings.queue_base_url}/{fal.path}", body)
                return await self._download_result(result, request_id)
        except TimeoutError:
            if not limit.expired():
                raise
            raise failure(Reason.PROVIDER_TIMEOUT, begun=True) from None

    async def download(self, url: str) -> bytes | None:
        """Return an image that fal still keeps."""
        try:
            fetched = await self._downloads.fetch(url, field="image_url", max_bytes=self._settings.max_image_bytes)
        except MediaError as error:
            if error.reason is Reason.URL_UNREACHABLE:
                # fal deletes; whatever else it is, an image that cannot be had is no image.
                return None
            raise failure(Reason.PROVIDER_UNAVAILABLE) from None
        return fetched.data

    async def _run_queued(self, url: str, body: Mapping[str, Any]) -> tuple[Answer, str]:
        submitted = (await self._submit(url, body)).body
        # Never made by us: they do not follow from the model's path.
        urls = [submitted.get(name) for name in ("status_url", "response_url", "cancel_url")]
        if not all(isinstance(item, str) for item in urls):
            raise failure(Reason.GENERATION_FAILED, begun=True)
        status_url, response_url, cancel_url = map(str, urls)
        try:
            await self._wait_for_completion(status_url)
            return await self._get(response_url), str(submitted.get("request_id", ""))
        except asyncio.CancelledError:
            await asyncio.shield(self._cancel(cancel_url))
            raise

    async def _submit(self, url: str, body: Mapping[str, Any]) -> Answer:
        """Submit; whoever leaves meanwhile leaves nothing in the queue that is drawn, and charged, for nobody."""
        submitting = asyncio.create_task(self._transport.ask("POST", url, body, begun=False))
        try:
            return await asyncio.shield(submitting)
        except asyncio.CancelledError:
            await asyncio.shield(self._cancel_submission(submitting))
            raise

    async def _cancel_submission(self, submitting: asyncio.Task[Answer]) -> None:
        with suppress(MediaError, TimeoutError):
            async with asyncio.timeout(_CANCEL_SECONDS):
                cancel_url = (await submitting).body.get("cancel_url")
            if isinstance(cancel_url, str):
                await self._cancel(cancel_url)

    async def _wait_for_completion(self, status_url: str) -> None:
        """Wait until fal has ended with the image, well or not."""
        delay = self._settings.first_poll_seconds
        mark = "&" if "?" in status_url else "?"
        while True:
            await self._sleep(delay)
            status = (await self._get(f"{status_url}{mark}logs=false")).body.get("status")
            if status == "COMPLETED":
                return
            if status not in ("IN_QUEUE", "IN_PROGRESS"):
                raise failure(Reason.GENERATION_FAILED, begun=True)
            delay = min(delay * 1.5, self._settings.longest_poll_seconds)

    async def _get(self, url: str) -> Answer:
        for _ in range(_POLL_ATTEMPTS - 1):
            try:
                return await self._transport.ask("GET", url, begun=True)
            except MediaError as error:
                if error.reason is not Reason.PROVIDER_UNAVAILABLE:
                    raise
            await self._sleep(self._settings.first_poll_seconds)
        return await self._transport.ask("GET", url, begun=True)

    async def _cancel(self, cancel_url: str) -> None:
        with suppress(MediaError, TimeoutError):
            async with asyncio.timeout(_CANCEL_SECONDS):
                await self._transport.ask("PUT", cancel_url, begun=True)

    async def _download_result(self, result: Answer, request_id: str) -> GeneratedImage:
        body = result.body
        blocked = body.get("has_nsfw_concepts")
        if isinstance(blocked, list) and blocked and blocked[0] is True:
            # The image itself is black.
            raise failure(Reason.CONTENT_BLOCKED, begun=True)
        images = body.get("images")
        image = images[0] if isinstance(images, list) and images else None
        url = image.get("url") if isinstance(image, dict) else None
        if not isinstance(url, str) or not isinstance(image, dict):
            raise failure(Reason.GENERATION_FAILED, begun=True)
        seed = body.get("seed")
        inline = url.startswith("data:")
        return GeneratedImage(
            data=_decode_data_uri(url) if inline else await self._download(url),
            content_type=str(image.get("content_type") or ""),
            seed=seed if isinstance(seed, int) and 0 <= seed < 2**64 else None,
            url="" if inline else url,
            request_id=request_id,
            cost_units=_parse_units(result.headers.get("X-Fal-Billable-Units", "")),
        )

    async def _download(self, url: str) -> bytes:
        """Return an image that is paid for: one failure on the way is not the end."""
        for attempt in range(1, _DOWNLOAD_ATTEMPTS + 1):
            try:
                fetched = await self._downloads.fetch(url, field="image_url", max_bytes=self._settings.max_image_bytes)
            except MediaError as error:
                log.warning("a finished image cannot be fetched", reason=error.reason.name, attempt=attempt)
            else:
                return fetched.data
        raise failure(Reason.GENERATION_FAILED, begun=True)


def build_endpoint(settings: FalSettings) -> ProviderEndpoint:
    """Return fal, as the transport needs to know it."""
    return ProviderEndpoint(
        name=PROVIDER,
        authorization=f"Key {settings.api_key}",
        base_urls=(settings.queue_base_url, settings.sync_base_url),
        host_suffix=".fal.run",
        failure=failure,
        refusal=refusal,
    )


@asynccontextmanager
async def open_fal(settings: FalSettings, downloads: Downloads) -> AsyncIterator[FalProvider]:
    """Yield the provider and closes its connections afterwards."""
    async with open_session() as session:
        yield FalProvider(ProviderHttpClient(session, build_endpoint(settings)), settings, downloads)


def _decode_data_uri(uri: str) -> bytes:
    try:
        return pybase64.b64decode(uri.partition(",")[2], validate=True)
    except ValueError:
        raise failure(Reason.GENERATION_FAILED, begun=True) from None


def _parse_units(text: str) -> int | None:
    """Return what fal charged, rounded up to whole units."""
    try:
        units = float(text)
    except ValueError:
        return None
    return int(-(-units // 1)) if 0 <= units < 2**53 else None
