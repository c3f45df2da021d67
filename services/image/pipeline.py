"""The way of an image: from a wish through an original and its rendition to the caller's own object."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from services.common.images import Size, inspect
from services.common.singleflight import SingleFlight
from services.common.worker_pool import WorkerPool
from services.image.cache import cache_key
from services.image.generation import ImageGenerator, Original
from services.image.image_store import ImageStore, StoredImage
from services.image.planning import Form, Plan, Planner, build_form
from services.image.prompt import FinalPrompt
from services.image.providers.interface import Mode
from services.image.rendition import Rendition, RenditionSpec, render
from services.image.request import ImageRequest, OutputRequest, Quality
from services.image.source_images import SourceImages


@dataclass(frozen=True, slots=True)
class Given:
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

    shelved: StoredImage
    source_summary: SourceSummary
    original: Original
    prompt: FinalPrompt
    made_at: datetime
    """When, in UTC."""


class Studio:
    """Makes images.

    Args:
        planner: Makes wishes definite.
        originals: Has images drawn.
        sources: Reads given images.
        workers: Where images are brought into form.
        image_store: Where they go.
    """

    def __init__(
        self,
        planner: Planner,
        originals: ImageGenerator,
        sources: SourceImages,
        workers: WorkerPool,
        image_store: ImageStore,
    ) -> None:
        self._planner = planner
        self._originals = originals
        self._sources = sources
        self._workers = workers
        self._image_store = image_store
        self.flights: SingleFlight[Rendition] = SingleFlight(_weight)

    async def make(
        self, request: ImageRequest, principal: str, given: Given, drawn: Callable[[Original], None]
    ) -> Image:
        """Make an image and stores it for the caller.

        Args:
            request: What is wanted.
            principal: Who calls.
            given: The image to transform, for Mode.TRANSFORM.
            drawn: Is told of the original, which has its price whatever becomes of it.

        Raises:
            MediaError: Whatever is wrong with the request is said before anybody is paid.
        """
        # Told before anything is fetched, let alone paid.
        form = build_form(request.output, request.quality)
        await self._image_store.check(request.output, principal, form.encoding.format)
        transforms = request.mode is Mode.TRANSFORM
        source = await self._sources.source(given.url, given.key, principal) if transforms else None
        plan = self._planner.plan(request, source)
        original = await self._originals.original(plan)
        drawn(original)
        rendition = await self._rendition(plan, original)
        said = {"provider": original.candidate.provider.name, "model": original.candidate.model.name}
        if original.seed is not None:
            said["seed"] = str(original.seed)
        shelved = await self._image_store.put(rendition, request.output, principal, said)
        return Image(shelved, _source_summary(rendition), original, plan.prompt, datetime.now(UTC))

    async def keep(
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
        named = inspected.content_type.removeprefix("image/")
        if not output.format:
            await self._image_store.check(output, principal, named)
        # Of a PNG no effort changes a pixel.
        grade: Quality = "medium" if named == "png" else "high"
        form = build_form(replace(output, format=output.format or named), grade)
        rendition = await self._workers.run(render, data, _spec(form, None, {}))
        shelved = await self._image_store.put(rendition, output, principal, {})
        return shelved, _source_summary(rendition)

    async def _rendition(self, plan: Plan, original: Original) -> Rendition:
        notes = {"Software": f"media-suite, {original.candidate.provider.name}"}
        if original.seed is not None:
            notes["Seed"] = str(original.seed)
        spec = _spec(plan.form, plan.size, notes)
        if not plan.shared:
            return await self._workers.run(render, original.data, spec)
        key = hashlib.sha256(f"{cache_key(original.candidate)} {spec!r}".encode()).hexdigest()
        rendition, _ = await self.flights.single(key, lambda: self._workers.run(render, original.data, spec))
        return rendition


def _spec(form: Form, size: Size | None, notes: dict[str, str]) -> RenditionSpec:
    return RenditionSpec(size=size, fit=form.fit, encoding=form.encoding, notes=notes, variants=form.variants)


def _source_summary(rendition: Rendition) -> SourceSummary:
    return SourceSummary(rendition.preview, rendition.source_size, rendition.fitted)


def _weight(rendition: Rendition) -> int:
    return len(rendition.main.data) + sum(len(copy.data) for _, copy in rendition.variants)
