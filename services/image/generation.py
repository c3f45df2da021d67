"""Originals, as providers draw them: from the cache, from a production that is going on, or drawn and kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from services.common.cache import TieredCache
from services.common.errors import MediaError, Reason
from services.common.images import ImageInfo, inspect
from services.common.log import logger
from services.common.resilience.error_metadata import MAY_BE_CHARGED_KEY
from services.common.singleflight import SingleFlight
from services.common.worker_pool import WorkerPool
from services.image.cache import CachedImage, cache_key, parameters
from services.image.cache_blobs import CacheObjects
from services.image.failover import Care, generate_with_failover
from services.image.planning import Candidate, Plan
from services.image.providers.interface import ImageProvider

log = logger(__name__)

CacheStatus = Literal["miss", "hit", "joined", "bypass"]

INLINE_BYTES = 256 * 1024
"""Largest file that is kept in the document itself; others go to the object store."""


class Bill:
    """What was paid for an image that several share; it goes to the first of them who gets the image."""

    def __init__(self) -> None:
        self._taken = False

    def take(self) -> bool:
        """Take the bill, and tells whether it was still there."""
        free, self._taken = not self._taken, True
        return free


@dataclass(frozen=True, slots=True)
class Original:
    """An image as a provider drew it."""

    data: bytes
    """The file; it decodes, and is within the service's limits."""
    candidate: Candidate
    """Who drew it, and what was asked."""
    seed: int | None
    """The seed that was used; None if not told."""
    cache_status: CacheStatus
    """Where it came from."""
    request_id: str = ""
    """The provider's id of the request; empty if it has none or nobody was asked."""
    cost_units: int | None = None
    """What was charged for it when it was drawn, in the provider's units; None if not told."""
    queued_seconds: float = 0.0
    """Time spent waiting for the provider's turn."""
    bill: Bill = field(default_factory=Bill, compare=False)
    """One for all who share the image."""


class ImageGenerator:
    """Has images drawn, once for all who want the same at the same time, and keeps them for those who come later.

    Args:
        policy: How providers are treated.
        workers: Where files are looked into.
        cache: What is known of earlier images; None for nothing.
        objects: Where the bytes of kept images are.
        store_binary: Whether bytes are kept although the provider keeps them under a URL for a while.
    """

    def __init__(
        self,
        policy: Care,
        workers: WorkerPool,
        cache: TieredCache[CachedImage] | None,
        objects: CacheObjects,
        *,
        store_binary: bool,
    ) -> None:
        self._policy = policy
        self._workers = workers
        self._cache = cache
        self._objects = objects
        self._store_binary = store_binary
        self.flights: SingleFlight[Original] = SingleFlight(lambda original: len(original.data))

    async def original(self, plan: Plan) -> Original:
        """Return the image of `plan`.

        Raises:
            MediaError: The provider refused or failed, or delivered what is no image.
        """
        if not plan.shared:
            return (await self._generate(plan)).original
        key = cache_key(plan.candidates[0])
        found, _ = await self.flights.single(key, lambda: self._find_or_generate(key, plan))
        # Not simply whoever began it: he may have left, and somebody has to be told what it cost.
        if found.cache_status == "miss" and not found.bill.take():
            return replace(found, cache_status="joined")
        return found

    async def _find_or_generate(self, key: str, plan: Plan) -> Original:
        first = plan.candidates[0]
        if self._cache is None:
            return replace((await self._generate(plan)).original, cache_status="miss")
        if (kept := await self._cache.get(key)) is not None:
            if (data := await self._read_bytes(kept, first.provider)) is not None:
                return Original(data, first, kept.seed, "hit", cost_units=kept.cost_units)
            log.info("a kept image is gone and is drawn again", provider=first.provider.name)
        made = await self._generate(plan)
        if made.original.candidate is first and (kept := await self._store_in_cache(key, made)) is not None:
            # Before anybody is told the end: whoever asks from then on must find it.
            self._cache.put(key, kept)
        return replace(made.original, cache_status="miss")

    async def _generate(self, plan: Plan) -> _Made:
        done = await generate_with_failover(plan.candidates, self._policy)
        image = done.image
        try:
            inspected = await self._workers.run(inspect, image.data)
        except MediaError as error:
            if error.reason is not Reason.MEDIA_INVALID:
                raise
            provider = done.candidate.provider.name
            raise MediaError(
                Reason.GENERATION_FAILED,
                f"{provider} delivered something that is not a usable image; try again or use another provider.",
                metadata={"provider": provider, MAY_BE_CHARGED_KEY: "true"},
            ) from None
        original = Original(
            image.data, done.candidate, image.seed, "bypass", image.request_id, image.cost_units, done.queued_seconds
        )
        return _Made(original, image.url, inspected)

    async def _read_bytes(self, kept: CachedImage, provider: ImageProvider) -> bytes | None:
        """Return the file of a kept image, or None if it is nowhere any more."""
        if kept.data:
            return kept.data
        try:
            if kept.object_key:
                return await self._objects.get(kept.object_key)
            data = await provider.download(kept.url)
            if data is not None:
                await self._workers.run(inspect, data)
        except MediaError as error:
            log.warning("a kept image cannot be had", provider=provider.name, reason=error.reason.name)
            return None
        return data

    async def _store_in_cache(self, key: str, made: _Made) -> CachedImage | None:
        original = made.original
        kept = CachedImage(
            data=b"",
            object_key="",
            url=made.url,
            content_type=made.inspected.content_type,
            size=made.inspected.size,
            seed=original.seed,
            model=original.candidate.model.name,
            cost_units=original.cost_units,
            parameters=parameters(original.candidate),
        )
        if made.url and not self._store_binary:
            return kept
        if len(original.data) <= INLINE_BYTES:
            return replace(kept, data=original.data)
        try:
            object_key = await self._objects.put(key, original.data, made.inspected.content_type)
        except MediaError as error:
            log.warning("an image cannot be kept", reason=error.reason.name)
            return kept if made.url else None
        return replace(kept, object_key=object_key)


@dataclass(frozen=True, slots=True)
class _Made:
    original: Original
    url: str
    inspected: ImageInfo
