"""Generate an image once for all identical requests: from the cache, from a call in flight, or from a provider.

The order of a request through this file: single flight, cache, provider (failover, limiter, retries), inspection, cache
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from services.common.cache import CacheStatus, TieredCache
from services.common.cache.blobs import CacheBlobs
from services.common.errors import MAY_BE_CHARGED_KEY, MediaError, Reason
from services.common.images import ImageInfo, inspect
from services.common.log import logger
from services.common.resilience.failover import FailureLog, try_candidates
from services.common.resilience.retry import ProviderPolicy, call_with_retries
from services.common.singleflight import SingleFlight
from services.common.worker_pool import WorkerPool
from services.image.cache import CachedImage, build_cache_key, list_parameters
from services.image.planning import Candidate, Plan
from services.image.providers.interface import GeneratedImage, ImageProvider

log = logger(__name__)

INLINE_BYTES = 256 * 1024
"""Largest file that a cache entry holds itself; larger files go to the object store."""


class CostClaim:
    """Decides which of several callers that share one generation reports its cost: the first to claim it."""

    def __init__(self) -> None:
        self._claimed = False

    def claim(self) -> bool:
        """Claim the cost; return whether this is the first claim."""
        is_first, self._claimed = not self._claimed, True
        return is_first


@dataclass(frozen=True, slots=True)
class Generation:
    """An image as a provider returned it, with its origin and its cost."""

    data: bytes
    """The file; it decodes, and is within the service's limits."""
    candidate: Candidate
    """The provider that generated the image, and the request that was sent to it."""
    seed: int | None
    """The seed that was used; None if the provider did not report it."""
    cache_status: CacheStatus
    """Where the image came from."""
    request_id: str = ""
    """The provider's id of the request; empty if it has no id or no provider was called."""
    cost_units: int | None = None
    """What the provider charged for the image, in its own units; None if it did not report it."""
    queued_seconds: float = 0.0
    """Time spent waiting for a permit of the provider's limiter."""
    cost_claim: CostClaim = field(default_factory=CostClaim, compare=False)
    """The claim that all callers of this image share."""


class ImageGenerator:
    """Generates images, shares each one between identical requests in flight, and caches it for later ones.

    Args:
        policy: Limits, retries and wait budget of the providers.
        workers: Worker pool that inspects files.
        cache: Cache of earlier images; None disables caching, not the sharing of requests in flight.
        blobs: Store of cached files that are too large for a cache entry.
        store_binary: Whether to cache the bytes although the provider keeps the file under a URL for a while.
    """

    def __init__(
        self,
        policy: ProviderPolicy,
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
        """Return the image for `plan`.

        Raises:
            MediaError: The provider refused or failed, or its file is not a usable image.
        """
        if not plan.shared:
            return (await self._call_provider(plan)).generation
        key = build_cache_key(plan.candidates[0])
        generation, _ = await self.flights.single(key, lambda: self._find_or_generate(key, plan))
        # Not simply the caller that started the call: it may have left, and one of the others must report the cost.
        if generation.cache_status == "miss" and not generation.cost_claim.claim():
            return replace(generation, cache_status="joined")
        return generation

    async def _find_or_generate(self, key: str, plan: Plan) -> Generation:
        first = plan.candidates[0]
        if self._cache is None:
            return replace((await self._call_provider(plan)).generation, cache_status="miss")
        if (cached := await self._cache.get(key)) is not None:
            if (data := await self._read_cached_file(cached, first.provider)) is not None:
                return Generation(data, first, cached.seed, "hit", cost_units=cached.cost_units)
            log.info("cached image is gone; generating again", provider=first.provider.name)
        fresh = await self._call_provider(plan)
        if fresh.generation.candidate is first and (cached := await self._to_cached_image(key, fresh)) is not None:
            # Before the flight ends: a request that comes after it must find the cache entry.
            self._cache.put(key, cached)
        return replace(fresh.generation, cache_status="miss")

    async def _read_cached_file(self, cached: CachedImage, provider: ImageProvider) -> bytes | None:
        """Return the file of a cached image, or None if it no longer exists."""
        if cached.data:
            return cached.data
        try:
            if cached.object_key:
                return await self._blobs.get(cached.object_key)
            data = await provider.download(cached.url)
            if data is not None:
                await self._workers.run(inspect, data)
        except MediaError as error:
            log.warning("cannot read cached image", provider=provider.name, reason=error.reason.name)
            return None
        return data

    async def _call_provider(self, plan: Plan) -> _FreshGeneration:
        """Return a new image of the first candidate that succeeds."""
        result = await generate_with_failover(plan.candidates, self._policy)
        image = result.image
        try:
            info = await self._workers.run(inspect, image.data)
        except MediaError as error:
            if error.reason is not Reason.MEDIA_INVALID:
                raise
            provider = result.candidate.provider.name
            raise MediaError(
                Reason.GENERATION_FAILED,
                f"{provider} returned a file that is not a usable image; try again or use another provider.",
                metadata={"provider": provider, MAY_BE_CHARGED_KEY: "true"},
            ) from None
        generation = Generation(
            image.data,
            result.candidate,
            image.seed,
            "bypass",
            image.request_id,
            image.cost_units,
            result.queued_seconds,
        )
        return _FreshGeneration(generation, image.url, info)

    async def _to_cached_image(self, key: str, fresh: _FreshGeneration) -> CachedImage | None:
        """Return the cache entry for a new image, or None if its bytes cannot be stored anywhere."""
        generation = fresh.generation
        cached = CachedImage(
            data=b"",
            object_key="",
            url=fresh.url,
            content_type=fresh.info.content_type,
            size=fresh.info.size,
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
            object_key = await self._blobs.put(key, generation.data, fresh.info.content_type)
        except MediaError as error:
            log.warning("cannot cache the bytes of an image", reason=error.reason.name)
            return cached if fresh.url else None
        return replace(cached, object_key=object_key)


@dataclass(frozen=True, slots=True)
class _FreshGeneration:
    generation: Generation
    url: str
    info: ImageInfo


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """An image, and the candidate that generated it."""

    candidate: Candidate
    image: GeneratedImage
    queued_seconds: float
    """Time spent waiting for permits of the limiters."""


async def generate_with_failover(candidates: Sequence[Candidate], policy: ProviderPolicy) -> GenerationResult:
    """Return the image of the first candidate that succeeds.

    Raises:
        MediaError: All providers failed; the error of the first candidate, with the others' reasons in its metadata.
    """
    wait_budget = policy.start_wait_budget()
    attempts = FailureLog()

    async def generate(candidate: Candidate) -> GenerationResult:
        provider = candidate.provider
        with attempts.record(provider.name):
            call_result = await call_with_retries(
                partial(provider.generate, candidate.spec),
                provider.name,
                policy,
                wait_budget,
            )
        return GenerationResult(candidate, call_result.answer, call_result.queued_seconds)

    return await try_candidates(candidates, generate, attempts)
