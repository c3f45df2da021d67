"""Cache entries of images, the key that identical requests share, and the store of large cached files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson

from services.common.cache import Collection, Entry
from services.common.errors import MediaError, Reason
from services.common.images import Size
from services.common.storage import ObjectSpec, ObjectStore, read_all
from services.image.planning import Candidate

COLLECTION = Collection(name="ImageCache", data_field="imageData", url_field="imageUrl")

_KEY_VERSION = 1
"""Incremented when the same request may give another image than older versions stored."""
_LARGEST_INTEGER = 2**63 - 1
_FIELDS_BYTES = 8000
"""Estimate of the memory that the fields of an entry take."""
BLOB_PREFIX = "cache/images/"
_BLOB_EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/heic": "heic",
}
_MAX_BLOB_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CachedImage:
    """A cached image; its bytes are in exactly one place: `data`, `object_key` or `url`."""

    data: bytes
    """The provider's file; empty if it is in another place."""
    object_key: str
    """Key of the file in the object store; empty if it is in another place."""
    url: str
    """URL under which the provider keeps the file for a while; empty if it does not."""
    content_type: str
    """Media type of the file."""
    size: Size
    """Size of the image."""
    seed: int | None
    """The seed that was used, 0 to 2**64 - 1; None if the provider did not report it."""
    model: str
    """Name of the model."""
    cost_units: int | None
    """What the provider charged, in its own units; None if it did not report it."""
    parameters: dict[str, Any]
    """Parameters of the request, for people reading the document."""


def build_cache_key(candidate: Candidate) -> str:
    """Return the SHA-256 of everything that decides what the provider generates."""
    spec = candidate.spec
    key_fields = {
        "version": _KEY_VERSION,
        **list_parameters(candidate),
        "imageSize": candidate.provider.describe_shape(spec),
        "source": spec.source.sha256 if spec.source else "",
        # As text: orjson writes integers of at most 64 bits, signed or unsigned.
        "seed": "" if spec.seed is None else str(spec.seed),
    }
    return hashlib.sha256(orjson.dumps(key_fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


def list_parameters(candidate: Candidate) -> dict[str, Any]:
    """Return the parameters of the provider request, under the JSON names of the API."""
    spec = candidate.spec
    return {
        "provider": candidate.provider.name,
        "model": candidate.model.name,
        "mode": spec.mode.value,
        "prompt": spec.prompt,
        "negativePrompt": spec.negative_prompt,
        "imageSize": f"{spec.size.width}x{spec.size.height}",
        "numInferenceSteps": spec.steps,
        "guidanceScale": spec.guidance_scale,
        "enableSafetyChecker": spec.safety_checker,
        "strength": spec.strength,
    }


class ImageCodec:
    """Converts cached images to entries of the cache store and back."""

    def encode(self, key: str, cached: CachedImage, created_at: datetime, expires_at: datetime) -> Entry:
        """Return the document: imageUrl, imageData, width, height, seed, model, parameters, then further fields."""
        # The stores take signed 64-bit integers; seeds may be larger.
        seed = str(cached.seed) if cached.seed is not None and cached.seed > _LARGEST_INTEGER else cached.seed
        fields = {
            "imageUrl": cached.url or None,
            "width": cached.size.width,
            "height": cached.size.height,
            "seed": seed,
            "model": cached.model,
            "parameters": cached.parameters,
            "objectKey": cached.object_key,
            "contentType": cached.content_type,
            "costUnits": cached.cost_units,
        }
        return Entry(key, fields, cached.data, created_at, expires_at)

    def decode(self, entry: Entry) -> CachedImage:
        """Return the image that `encode` wrote; raise if the document has another form."""
        fields = entry.fields
        seed = fields["seed"]
        return CachedImage(
            data=entry.data,
            object_key=fields["objectKey"],
            url=fields.get("imageUrl") or "",
            content_type=fields["contentType"],
            size=Size(fields["width"], fields["height"]),
            seed=None if seed is None else int(seed),
            model=fields["model"],
            cost_units=fields["costUnits"],
            parameters=fields["parameters"],
        )

    def size_bytes(self, cached: CachedImage) -> int:
        """Return an estimate of the memory that an image takes."""
        return len(cached.data) + _FIELDS_BYTES


class CacheBlobs:
    """Stores files that are too large for a cache entry, in folders by day of expiry; `sweep` deletes past days.

    Args:
        store: The object store.
        ttl_seconds: Lifetime of a cache entry.
        now: Clock that returns the time in UTC.
    """

    def __init__(
        self, store: ObjectStore, ttl_seconds: float, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._ttl = timedelta(seconds=ttl_seconds)
        self._now = now

    async def put(self, key: str, data: bytes, content_type: str) -> str:
        """Store `data` and return the key of the object.

        Args:
            key: Key of the cache entry.
            data: The file.
            content_type: Its media type.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        ends = (self._now() + self._ttl).date()
        object_key = f"{BLOB_PREFIX}{ends.isoformat()}/{key}.{_BLOB_EXTENSIONS[content_type]}"
        spec = ObjectSpec(content_type, cache_control="private, no-store")
        await self._store.put(object_key, data, spec, overwrite=True)
        return object_key

    async def get(self, object_key: str) -> bytes | None:
        """Return the bytes, or None if the object no longer exists.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        try:
            data, _ = await read_all(self._store, object_key, max_bytes=_MAX_BLOB_BYTES)
        except MediaError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise
        return data

    async def sweep(self) -> int:
        """Delete the objects of past days and return how many were deleted.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        today = self._now().date()
        swept = 0
        # Keys sort by day, so the first object that has not expired ends the search.
        while True:
            page = await self._store.list(BLOB_PREFIX, page_size=100)
            expired = [item.key for item in page.objects if _parse_day(item.key) < today]
            for key in expired:
                swept += await self._store.delete(key)
            if len(expired) < len(page.objects) or not page.next_page_token:
                break
        return swept


def _parse_day(key: str) -> date:
    """Return the day in `key`; the far future for a key of another form, so that it is never deleted."""
    try:
        return date.fromisoformat(key.removeprefix(BLOB_PREFIX).split("/")[0])
    except ValueError:
        return date.max
