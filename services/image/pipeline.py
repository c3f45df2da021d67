"""The way of an image: from a wish through an generation and its rendition to the caller's own object."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from services.common.images import Size, inspect
from services.common.singleflight import SingleFlight
from services.common.worker_pool import WorkerPool
from services.image.cache import build_cache_key
from services.image.generation import Generation, ImageGenerator
from services.image.image_store import ImageStore, StoredImage
from services.image.inputs import SourceImages
from services.image.planning import Form, Plan, Planner, build_form
from services.image.prompt import FinalPrompt
from services.image.providers.interface import Mode
from services.image.rendition import Rendition, RenditionSpec, render
from services.image.request import ImageRequest, OutputRequest, Quality


@dataclass(frozen=True, slots=True)
class InputRef:
    """Where the image is that is to be transformed; one of the two."""

    url: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """What is known of a finished image beside its bytes."""

    preview: str
    """A tiny copy as a data URI."""
    source_size: Size
    """Size that the provider returned, or the uploaded file had."""
    fitted: str
    """What was done to reach the size."""


@dataclass(frozen=True, slots=True)
class Image:
    """A finished image that was made."""

    stored: StoredImage
    source_summary: SourceSummary
    generation: Generation
    prompt: FinalPrompt
    generated_at: datetime
    """When, in UTC."""


class ImagePipeline:
    """Makes images.

    Args:
        planner: Makes wishes definite.
        generator: Has images drawn.
        source_images: Reads given images.
        workers: Where images are brought into form.
        image_store: Where they go.
    """

    def __init__(
        self,
        planner: Planner,
        generator: ImageGenerator,
        source_images: SourceImages,
        workers: WorkerPool,
        image_store: ImageStore,
    ) -> None:
        self._planner = planner
        self._generator = generator
        self._source_images = source_images
        self._workers = workers
        self._image_store = image_store
        self.flights: SingleFlight[Rendition] = SingleFlight(_count_bytes)

    async def generate(
        self, request: ImageRequest, principal: str, input_ref: InputRef, on_generated: Callable[[Generation], None]
    ) -> Image:
        """Make an image and stores it for the caller.

        Args:
            request: What is wanted.
            principal: Who calls.
            input_ref: The image to transform, for Mode.TRANSFORM.
            on_generated: Is told of the generation, which has its price whatever becomes of it.

        Raises:
            MediaError: Whatever is wrong with the request is said before anybody is paid.
        """
        # Told before anything is fetched, let alone paid.
        form = build_form(request.output, request.quality)
        await self._image_store.check(request.output, principal, form.encoding.format)
        transforms = request.mode is Mode.TRANSFORM
        source = await self._source_images.read(input_ref.url, input_ref.key, principal) if transforms else None
        plan = self._planner.plan(request, source)
        generation = await self._generator.generate(plan)
        on_generated(generation)
        rendition = await self._render(plan, generation)
        metadata = {"provider": generation.candidate.provider.name, "model": generation.candidate.model.name}
        if generation.seed is not None:
            metadata["seed"] = str(generation.seed)
        stored = await self._image_store.put(rendition, request.output, principal, metadata)
        return Image(stored, _summarize(rendition), generation, plan.prompt, datetime.now(UTC))

    async def store_upload(
        self, receive: Callable[[], Awaitable[bytes]], output: OutputRequest, principal: str
    ) -> tuple[StoredImage, SourceSummary]:
        """Store an image that the caller brings along, without the metadata in it.

        Args:
            receive: Receives the file.
            output: In which form and where it is kept.
            principal: Who calls.

        Raises:
            MediaError: MEDIA_INVALID, the file is no image of a known kind; what `receive` and `ImageStore` raise.
        """
        if output.format:
            # Told before the file is taken.
            await self._image_store.check(output, principal, output.format)
        data = await receive()
        inspected = await self._workers.run(inspect, data)
        file_format = inspected.content_type.removeprefix("image/")
        if not output.format:
            await self._image_store.check(output, principal, file_format)
        # Of a PNG no effort changes a pixel.
        grade: Quality = "medium" if file_format == "png" else "high"
        form = build_form(replace(output, format=output.format or file_format), grade)
        rendition = await self._workers.run(render, data, _to_rendition_spec(form, None, {}))
        stored = await self._image_store.put(rendition, output, principal, {})
        return stored, _summarize(rendition)

    async def _render(self, plan: Plan, generation: Generation) -> Rendition:
        notes = {"Software": f"media-suite, {generation.candidate.provider.name}"}
        if generation.seed is not None:
            notes["Seed"] = str(generation.seed)
        spec = _to_rendition_spec(plan.form, plan.size, notes)
        if not plan.shared:
            return await self._workers.run(render, generation.data, spec)
        key = hashlib.sha256(f"{build_cache_key(generation.candidate)} {spec!r}".encode()).hexdigest()
        rendition, _ = await self.flights.single(key, lambda: self._workers.run(render, generation.data, spec))
        return rendition


def _to_rendition_spec(form: Form, size: Size | None, notes: dict[str, str]) -> RenditionSpec:
    return RenditionSpec(size=size, fit=form.fit, encoding=form.encoding, notes=notes, variants=form.variants)


def _summarize(rendition: Rendition) -> SourceSummary:
    return SourceSummary(rendition.preview, rendition.source_size, rendition.fitted)


def _count_bytes(rendition: Rendition) -> int:
    return len(rendition.main.data) + sum(len(copy.data) for _, copy in rendition.variants)
