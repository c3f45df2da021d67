"""The Gemini image provider: one HTTP request per image."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import orjson

from services.common.errors import Reason
from services.common.log import logger
from services.image.providers.gemini.request import build_body, describe_shape, fold_seed
from services.image.providers.gemini.response import failure, parse_image, refusal
from services.image.providers.gemini.settings import PROVIDER, GeminiSettings
from services.image.providers.interface import GeneratedImage, ImageProvider, ImageSpec, Mode, Model

log = logger(__name__)

_CONNECT_SECONDS = 10.0
_MAX_SIDE_PIXELS = 4096
_OK = 200


class GeminiProvider(ImageProvider):
    """Generates images with a Gemini model, which supports a prompt, a source, an aspect ratio and a seed.

    Args:
        session: HTTP session for the API.
        settings: Key, model and time limits.
    """

    name = PROVIDER

    def __init__(self, session: aiohttp.ClientSession, settings: GeminiSettings) -> None:
        self._session = session
        self._settings = settings
        model = Model(settings.model_id, _MAX_SIDE_PIXELS, takes_safety_checker=True)
        self.models: Mapping[Mode, Model] = dict.fromkeys(Mode, model)

    async def generate(self, spec: ImageSpec) -> GeneratedImage:
        """Generate an image; a cancelled call closes the connection, which may not stop Gemini."""
        settings = self._settings
        if not settings.api_key:
            raise failure(Reason.API_KEY_MISSING)
        try:
            async with asyncio.timeout(settings.timeout_seconds) as limit:
                content = await self._post(spec)
        except TimeoutError:
            if not limit.expired():
                raise
            raise failure(Reason.PROVIDER_TIMEOUT, begun=True) from None
        # In a thread: decoding megabytes of base64 would block the event loop.
        image = await asyncio.to_thread(parse_image, content)
        seed = None if spec.seed is None else fold_seed(spec.seed)
        return GeneratedImage(image.data, image.content_type, seed, request_id=image.response_id)

    def describe_shape(self, spec: ImageSpec) -> str:
        """Return aspect ratio and resolution: the API takes no size in pixels."""
        return describe_shape(spec, self._settings.model_id)

    async def _post(self, spec: ImageSpec) -> bytes:
        settings = self._settings
        url = f"{settings.base_url}/{settings.api_version}/models/{settings.model_id}:generateContent"
        body = await asyncio.to_thread(lambda: orjson.dumps(build_body(spec, settings.model_id)))
        headers = {"x-goog-api-key": settings.api_key, "Content-Type": "application/json"}
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                content = bytearray()
                async for chunk in response.content.iter_any():
                    content += chunk
                    if len(content) > settings.max_answer_bytes:
                        raise failure(Reason.GENERATION_FAILED, begun=True)
                if response.status != _OK:
                    raise refusal(response.status, bytes(content))
                return bytes(content)
        except aiohttp.ClientConnectorError as error:
            log.warning("cannot connect to gemini", error_type=type(error).__name__)
            raise failure(Reason.PROVIDER_UNAVAILABLE) from None
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            # The request may have arrived, so a second one could be charged, too.
            log.warning("gemini closed the connection", error_type=type(error).__name__)
            raise failure(Reason.PROVIDER_UNAVAILABLE, begun=True) from None


@asynccontextmanager
async def open_gemini(settings: GeminiSettings) -> AsyncIterator[GeminiProvider]:
    """Yield the provider; close its connections afterwards."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield GeminiProvider(session, settings)
