"""The Gemini image provider: one HTTP request per image."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

import orjson

from services.common.errors import Reason
from services.common.providers import ProviderEndpoint, ProviderHttpClient, open_session
from services.common.providers.models import check_model
from services.image.providers.gemini.request import MODELS, build_body, describe_shape, fold_seed, get_shapes
from services.image.providers.gemini.response import build_error, map_response, parse_image
from services.image.providers.gemini.settings import PROVIDER, GeminiSettings
from services.image.providers.interface import GeneratedImage, ImageProvider, ImageSpec, Mode, Model, ModelListing

_MAX_SIDE_PIXELS = 4096


def _get_today() -> date:
    return datetime.now(UTC).date()


class GeminiProvider(ImageProvider):
    """Generates images with a Gemini model, which supports a prompt, a source, an aspect ratio and a seed.

    Args:
        client: HTTP client of the API.
        settings: Key, model and time limits.
        today: Returns the date, in UTC.
    """

    name = PROVIDER

    def __init__(
        self, client: ProviderHttpClient, settings: GeminiSettings, today: Callable[[], date] = _get_today
    ) -> None:
        self._client = client
        self._today = today
        self._settings = settings
        model = Model(settings.model_id, _MAX_SIDE_PIXELS, takes_safety_checker=True)
        self.models: Mapping[Mode, Model] = dict.fromkeys(Mode, model)

    def check_ready(self) -> None:
        """Raise API_KEY_MISSING if no key is configured, MODEL_RETIRED if Google has ended the model."""
        if not self._settings.api_key:
            raise build_error(Reason.API_KEY_MISSING)
        model_id = self._settings.model_id
        check_model(MODELS, model_id, provider=PROVIDER, variable="GEMINI_IMAGE_MODEL", today=self._today())

    async def generate(self, spec: ImageSpec) -> GeneratedImage:
        """Generate an image; a cancelled call closes the connection, which may not stop Gemini."""
        settings = self._settings
        self.check_ready()
        try:
            async with asyncio.timeout(settings.timeout_seconds) as limit:
                content = await self._post(spec)
        except TimeoutError:
            if not limit.expired():
                raise
            raise build_error(Reason.PROVIDER_TIMEOUT, may_be_charged=True) from None
        # In a thread: decoding megabytes of base64 would block the event loop.
        image = await asyncio.to_thread(parse_image, content)
        seed = None if spec.seed is None else fold_seed(spec.seed)
        return GeneratedImage(
            image.data, image.content_type, seed, request_id=image.response_id, cost_units=image.tokens
        )

    def list_models(self) -> Sequence[ModelListing]:
        """Return the known models, and the configured one."""
        chosen = self._settings.model_id
        return [
            ModelListing(
                model_id,
                modes=tuple(Mode),
                is_default=model_id == chosen,
                aspect_ratios=get_shapes(model_id).ratios,
                resolutions=get_shapes(model_id).resolutions,
                max_side_pixels=_MAX_SIDE_PIXELS,
                end_date=MODELS[model_id].end_date if model_id in MODELS else "",
                successor=MODELS[model_id].successor if model_id in MODELS else "",
            )
            for model_id in dict.fromkeys((chosen, *MODELS))
        ]

    def describe_shape(self, spec: ImageSpec) -> str:
        """Return aspect ratio and resolution: the API takes no size in pixels."""
        return describe_shape(spec, self._settings.model_id)

    async def _post(self, spec: ImageSpec) -> bytes:
        settings = self._settings
        url = f"{settings.base_url}/{settings.api_version}/models/{settings.model_id}:generateContent"
        body = await asyncio.to_thread(lambda: orjson.dumps(build_body(spec, settings.model_id)))
        async with self._client.open_response("POST", url, body, work_started=False) as response:
            return await response.read_all(settings.max_answer_bytes)


@asynccontextmanager
async def open_gemini(settings: GeminiSettings) -> AsyncIterator[GeminiProvider]:
    """Yield the provider; close its connections afterwards."""
    endpoint = ProviderEndpoint(
        name=PROVIDER,
        credentials={"x-goog-api-key": settings.api_key},
        base_urls=(settings.base_url,),
        build_error=build_error,
        map_response=map_response,
    )
    async with open_session() as session:
        yield GeminiProvider(ProviderHttpClient(session, endpoint), settings)
