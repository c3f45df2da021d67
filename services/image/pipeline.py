"""Turn an image request into a stored image: plan, generate, render, store. Uploads skip the first two steps."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from services.common.errors import invalid
from services.common.images import Size, identify
from services.common.resilience.failover import check_any_ready
from services.common.singleflight import SingleFlight
from services.common.worker_pool import WorkerPool
from services.image.cache import build_cache_key
from services.image.generation import Generation, ImageGenerator
from services.image.image_record import ImageOrigin
from services.image.image_store import EXTENSIONS, ImageStore, StoredImage, build_inline_image, resolve_output
from services.image.inputs import SourceImages
from services.image.planning import Candidate, Form, Plan, Planner, build_form
from services.image.prompt import FinalPrompt
from services.image.providers.interface import Mode
from services.image.rendition import Rendition, RenditionSpec, render
from services.image.request import ImageRequest, OutputRequest, Quality

_SUBSTITUTE_FORMAT = "jpeg"
"""Format of a stored upload whose own format is not written."""


@dataclass(frozen=True, slots=True)
class InputRef:
    """Reference to the image to transform; exactly one field is set."""

    url: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """The preview of a finished image, and how its source was fitted."""

    preview: str
    """A tiny copy as a data URI."""
    source_size: Size
    """Size that the provider returned, or the uploaded file had."""
    fitted: str
    """What was done to reach the size."""


@dataclass(frozen=True, slots=True)
class Image:
    """A generated image that is stored."""

    stored: StoredImage
    source_summary: SourceSummary
    generation: Generation
    prompt: FinalPrompt
    generated_at: datetime
    """Time of completion, in UTC."""


class ImagePipeline:
    """Runs image requests and uploads from start to end.

    Args:
        planner: Resolves requests to plans.
        generator: Generates images, or finds them in the cache.
        source_images: Reads images that are to be transformed.
        workers: Worker pool that renders images.
        image_store: Store of the finished images.
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
        """Generate an image and store it for the caller.

        Args:
            request: The image that the caller wants.
            principal: The caller.
            input_ref: The image to transform, for Mode.TRANSFORM.
            on_generated: Called with the generation as soon as it exists: it has a cost even if a later step fails.

        Raises:
            MediaError: Errors of the request are raised before a provider is called.
        """
        # First the checks that need no download and cost nothing.
        request = replace(request, output=resolve_output(request.output, principal))
        form = build_form(request.output, request.quality)
        if not request.output.inline:
            await self._image_store.check(request.output, form.encoding.format)
        transforms = request.mode is Mode.TRANSFORM
        source = await self._source_images.read(input_ref.url, input_ref.key, principal) if transforms else None
        plan = self._planner.plan(request, source)
        generation = await self._generator.generate(plan)
        on_generated(generation)
        rendition = await self._render(plan, generation)
        stored = await self._deliver(rendition, request, principal, plan, generation)
        return Image(stored, _summarize(rendition), generation, plan.prompt, datetime.now(UTC))

    async def check(self, request: ImageRequest, principal: str) -> Candidate:
        """Return what would generate the image first; generates, stores and pays nothing.

        Args:
            request: A request without a source image.
            principal: The caller.

        Raises:
            MediaError: Errors of the request, or API_KEY_MISSING.
        """
        request = replace(request, output=resolve_output(request.output, principal))
        plan = self._planner.plan(request)
        if not request.output.inline:
            await self._image_store.check(request.output, plan.form.encoding.format)
        check_any_ready([candidate.provider for candidate in plan.candidates])
        return plan.candidates[0]

    async def store_upload(
        self, receive: Callable[[], Awaitable[bytes]], output: OutputRequest, principal: str
    ) -> tuple[StoredImage, SourceSummary]:
        """Store an image that the caller uploads, without the metadata in its file.

        Args:
            receive: Called once to receive the file.
            output: Format and key of the stored image.
            principal: The caller.

        Raises:
            MediaError: MEDIA_INVALID, the file is not an image of a supported format; and the errors of `receive` and
                `ImageStore`.
        """
        if output.inline:
            raise invalid("output.inline", "must not be set for an upload, which is stored")
        output = resolve_output(output, principal)
        if output.format:
            # Before the file is received.
            await self._image_store.check(output, output.format)
        data = await receive()
        info = await self._workers.run(identify, data)
        own_format = info.content_type.removeprefix("image/")
        # Browsers show no HEIC.
        file_format = own_format if own_format in EXTENSIONS else _SUBSTITUTE_FORMAT
        if not output.format:
            await self._image_store.check(output, file_format)
        # PNG is lossless: a higher grade costs time and changes no pixel.
        grade: Quality = "medium" if file_format == "png" else "high"
        form = build_form(replace(output, format=output.format or file_format), grade)
        rendition = await self._workers.run(render, data, _to_rendition_spec(form, None, {}))
        stored = await self._image_store.put(rendition, output, principal, ImageOrigin())
        return stored, _summarize(rendition)

    async def _deliver(
        self, rendition: Rendition, request: ImageRequest, principal: str, plan: Plan, generation: Generation
    ) -> StoredImage:
        if request.output.inline:
            return await build_inline_image(rendition)
        candidate = generation.candidate
        origin = ImageOrigin(candidate.provider.name, candidate.model.name, generation.seed, plan.prompt.text)
        return await self._image_store.put(rendition, request.output, principal, origin)

    async def _render(self, plan: Plan, generation: Generation) -> Rendition:
        """Return the image in the caller's size and format; identical requests in flight share the work."""
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
