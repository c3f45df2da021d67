"""The fal image provider: submit a request, poll its status, download the image."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pybase64

from services.common.errors import MediaError, Reason
from services.common.input_files import WholeDownloads
from services.common.log import logger
from services.common.providers import Answer, ProviderEndpoint, ProviderHttpClient, open_session
from services.common.providers.models import check_model
from services.image.providers.fal.error_mapping import build_error, map_response
from services.image.providers.fal.request import MODEL_TABLE, MODELS, build_body
from services.image.providers.fal.settings import PROVIDER, FalSettings
from services.image.providers.interface import GeneratedImage, ImageProvider, ImageSpec, Mode

log = logger(__name__)

_CANCEL_SECONDS = 2.0
_POLL_ATTEMPTS = 3
"""Attempts of one poll: unlike a submission, a poll may be repeated without cost."""
_DOWNLOAD_ATTEMPTS = 2

Sleep = Callable[[float], Awaitable[None]]


class FalProvider(ImageProvider):
    """Generates images with the FLUX models.

    Args:
        client: HTTP client for fal.
        settings: Key and time limits.
        downloads: Downloads finished images.
        sleep: Called with seconds to wait between polls.
    """

    name = PROVIDER
    models: Mapping[Mode, Any] = {mode: fal.model for mode, fal in MODELS.items()}

    def __init__(
        self,
        client: ProviderHttpClient,
        settings: FalSettings,
        downloads: WholeDownloads,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = client
        self._settings = settings
        self._downloads = downloads
        self._sleep = sleep

    def describe_shape(self, spec: ImageSpec) -> str:
        """Return the size; empty for a transformed image: fal takes its size from the source."""
        return "" if spec.mode is Mode.TRANSFORM else super().describe_shape(spec)

    def check_ready(self) -> None:
        """Raise API_KEY_MISSING if no key is configured."""
        if not self._settings.api_key:
            raise build_error(Reason.API_KEY_MISSING)

    async def generate(self, spec: ImageSpec) -> GeneratedImage:
        """Generate an image: fast ones in a synchronous call, which closing cancels, others through the queue."""
        self.check_ready()
        fal = MODELS[spec.mode]
        check_model(MODEL_TABLE, fal.path, provider=PROVIDER)
        body = build_body(spec, fal)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds) as limit:
                if spec.mode is Mode.FAST:
                    url = f"{self._settings.sync_base_url}/{fal.path}"
                    result = await self._client.request("POST", url, body, work_started=False)
                    request_id = result.headers.get("x-fal-request-id", "")
                else:
                    result, request_id = await self._run_queued(f"{self._settings.queue_base_url}/{fal.path}", body)
                return await self._download_result(result, request_id)
        except TimeoutError:
            if not limit.expired():
                raise
            raise build_error(Reason.PROVIDER_TIMEOUT, may_be_charged=True) from None

    async def download(self, url: str) -> bytes | None:
        """Return the file at `url`, or None if fal has deleted it."""
        try:
            fetched = await self._downloads.fetch(url, field="image_url", max_bytes=self._settings.max_image_bytes)
        except MediaError as error:
            if error.reason is Reason.URL_UNREACHABLE:
                # fal deletes files after a while; any other failure to reach the URL is treated in the same way.
                return None
            raise build_error(Reason.PROVIDER_UNAVAILABLE) from None
        return fetched.data

    async def _run_queued(self, url: str, body: Mapping[str, Any]) -> tuple[Answer, str]:
        submitted = (await self._submit(url, body)).body
        # Taken from the response: these URLs cannot be derived from the path of the model.
        urls = [submitted.get(name) for name in ("status_url", "response_url", "cancel_url")]
        if not all(isinstance(item, str) for item in urls):
            raise build_error(Reason.GENERATION_FAILED, may_be_charged=True)
        status_url, response_url, cancel_url = map(str, urls)
        try:
            await self._wait_for_completion(status_url)
            return await self._get(response_url), str(submitted.get("request_id", ""))
        except asyncio.CancelledError:
            await asyncio.shield(self._cancel(cancel_url))
            raise

    async def _submit(self, url: str, body: Mapping[str, Any]) -> Answer:
        """Submit a request; if the caller leaves meanwhile, cancel it, so that fal does not generate and charge it."""
        submitting = asyncio.create_task(self._client.request("POST", url, body, work_started=False))
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
        """Poll until fal has completed the request, successfully or not."""
        delay = self._settings.first_poll_seconds
        separator = "&" if "?" in status_url else "?"
        while True:
            await self._sleep(delay)
            status = (await self._get(f"{status_url}{separator}logs=false")).body.get("status")
            if status == "COMPLETED":
                return
            if status not in ("IN_QUEUE", "IN_PROGRESS"):
                raise build_error(Reason.GENERATION_FAILED, may_be_charged=True)
            delay = min(delay * 1.5, self._settings.longest_poll_seconds)

    async def _get(self, url: str) -> Answer:
        for _ in range(_POLL_ATTEMPTS - 1):
            try:
                return await self._client.request("GET", url, work_started=True)
            except MediaError as error:
                if error.reason is not Reason.PROVIDER_UNAVAILABLE:
                    raise
            await self._sleep(self._settings.first_poll_seconds)
        return await self._client.request("GET", url, work_started=True)

    async def _cancel(self, cancel_url: str) -> None:
        with suppress(MediaError, TimeoutError):
            async with asyncio.timeout(_CANCEL_SECONDS):
                await self._client.request("PUT", cancel_url, work_started=True)

    async def _download_result(self, result: Answer, request_id: str) -> GeneratedImage:
        body = result.body
        blocked = body.get("has_nsfw_concepts")
        if isinstance(blocked, list) and blocked and blocked[0] is True:
            # fal returns a black image in this case.
            raise build_error(Reason.CONTENT_BLOCKED, may_be_charged=True)
        images = body.get("images")
        image = images[0] if isinstance(images, list) and images else None
        url = image.get("url") if isinstance(image, dict) else None
        if not isinstance(url, str) or not isinstance(image, dict):
            raise build_error(Reason.GENERATION_FAILED, may_be_charged=True)
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
        """Return a finished image; try again after a failed download, because the image is already paid for."""
        for attempt in range(1, _DOWNLOAD_ATTEMPTS + 1):
            try:
                fetched = await self._downloads.fetch(url, field="image_url", max_bytes=self._settings.max_image_bytes)
            except MediaError as error:
                log.warning("cannot download a finished image", reason=error.reason.name, attempt=attempt)
            else:
                return fetched.data
        raise build_error(Reason.GENERATION_FAILED, may_be_charged=True)


def build_endpoint(settings: FalSettings) -> ProviderEndpoint:
    """Return the description of fal for the HTTP client."""
    return ProviderEndpoint(
        name=PROVIDER,
        credentials={"Authorization": f"Key {settings.api_key}"},
        base_urls=(settings.queue_base_url, settings.sync_base_url),
        host_suffix=".fal.run",
        build_error=build_error,
        map_response=map_response,
    )


@asynccontextmanager
async def open_fal(settings: FalSettings, downloads: WholeDownloads) -> AsyncIterator[FalProvider]:
    """Yield the provider; close its connections afterwards."""
    async with open_session() as session:
        yield FalProvider(ProviderHttpClient(session, build_endpoint(settings)), settings, downloads)


def _decode_data_uri(uri: str) -> bytes:
    try:
        return pybase64.b64decode(uri.partition(",")[2], validate=True)
    except ValueError:
        raise build_error(Reason.GENERATION_FAILED, may_be_charged=True) from None


def _parse_units(text: str) -> int | None:
    """Return the billable units of a response, rounded up; None if it names no units."""
    try:
        units = float(text)
    except ValueError:
        return None
    return int(-(-units // 1)) if 0 <= units < 2**53 else None
