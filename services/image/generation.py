"""Originals, as providers draw them: from the cache, from a production that is going on, or drawn and cached."""

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
from services.image.cache import CachedImage, build_cache_key, list_parameters
from services.image.cache_blobs import CacheBlobs
from services.image.failover import Care, generate_with_failover
from services.image.planning import Candidate, Plan
from services.image.providers.interface import ImageProvider

log = logger(__name__)

CacheStatus = Literal["miss", "hit", "joined", "bypass"]

INLINE_BYTES = 256 * 1024
"""Largest file that is cached in the document itself; others go to the object store."""


class CostClaim:
    """What was paid for an image that several share; it goes to the first of them who gets the image."""

    def __init__(self) -> None:
        self._taken = False

    def claim(self) -> bool:
        """Take the cost_claim, and tells whether it was still there."""
        free, self._taken = not self._taken, True
        return free


@dataclass(frozen=True, slots=True)
class Generation:
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
    cost_claim: CostClaim = field(default_factory=CostClaim, compare=False)
    """One for all who share the image."""


class ImageGenerator:
    """Has images drawn, once for all who want the same at the same time, and keeps them for those who come later.

    Args:
        policy: How providers are treated.
        workers: Where files are looked into.
        cache: What is known of earlier images; None for nothing.
        blobs: Where the bytes of cached images are.
        store_binary: Whether bytes are cached although the provider keeps them under a URL for a while.
    """

    def __init__(
        self,
        policy: Care,
        workers: WorkerPool,
        cache: TieredCache[CachedImage] | None,
        blobs: CacheBlobs,
        *,
        store_binary: bool,
    ) -> None:
        self._policy = policy
        self._workers = workers
        self._cache = cache
        self._blobs = blobs
        self._store_binary = store_binary
        self.flights: SingleFlight[Generation] = SingleFlight(lambda generation: len(generation.data))

    async def generate(self, plan: Plan) -> Generation:
        """Return the image of `plan`.

        Raises:
            MediaError: The provider refused or failed, or delivered what is no image.
        """
        if not plan.shared:
            return (await self._generate(plan)).generation
        key = build_cache_key(plan.candidates[0])
        found, _ = await self.flights.single(key, lambda: self._find_or_generate(key, plan))
        # Not simply whoever began it: he may have left, and somebody has to be told what it cost.
        if found.cache_status == "miss" and not found.cost_claim.claim():
            return replace(found, cache_status="joined")
        return found

    async def _find_or_generate(self, key: str, plan: Plan) -> Generation:
        first = plan.candidates[0]
        if self._cache is None:
            return replace((await self._generate(plan)).generation, cache_status="miss")
        if (cached := await self._cache.get(key)) is not None:
            if (data := await self._read_bytes(cached, first.provider)) is not None:
                return Generation(data, first, cached.seed, "hit", cost_units=cached.cost_units)
            log.info("a cached image is gone and is drawn again", provider=first.provider.name)
        fresh = await self._generate(plan)
        if fresh.generation.candidate is first and (cached := await self._store_in_cache(key, fresh)) is not None:
            # Before anybody is told the end: whoever asks from then on must find it.
            self._cache.put(key, cached)
        return replace(fresh.generation, cache_status="miss")

    async def _generate(self, plan: Plan) -> _FreshGeneration:
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
        generation = Generation(
            image.data, done.candidate, image.seed, "bypass", image.request_id, image.cost_units, done.queued_seconds
        )
        return _FreshGeneration(generation, image.url, inspected)

    async def _read_bytes(self, cached: CachedImage, provider: ImageProvider) -> bytes | None:
        """Return the file of a cached image, or None if it is nowhere any more."""
        if cached.data:
            return cached.data
        try:
            if cached.object_key:
                return await self._blobs.get(cached.object_key)
            data = await provider.download(cached.url)
            if data is not None:
                await self._workers.run(inspect, data)
        except MediaError as error:
            log.warning("a cached image cannot be had", provider=provider.name, reason=error.reason.name)
            return None
        return data

    async def _store_in_cache(self, key: str, fresh: _FreshGeneration) -> CachedImage | None:
        generation = fresh.generation
        cached = CachedImage(
            data=b"",
            object_key="",
            url=fresh.url,
            content_type=fresh.inspected.content_type,
            size=fresh.inspected.size,
            seed=generation.seed,
            model=generation.candidate.model.name,
            cost_units=generation.cost_units,
            parameters=list_parameters(generation.candidate),
        )
        if fresh.url and not self._store_binary:
            return cached
        if len(generation.data) <= INLINE_BYTES:
            return replace(cached, data=generation.data)
        try:
            object_key = await self._blobs.put(key, generation.data, fresh.inspected.content_type)
        except MediaError as error:
            log.warning("an image cannot be cached", reason=error.reason.name)
            return cached if fresh.url else None
        return replace(cached, object_key=object_key)


@dataclass(frozen=True, slots=True)
class _FreshGeneration:
    generation: Generation
    url: str
    inspected: ImageInfo
