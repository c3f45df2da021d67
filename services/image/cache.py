"""Cache entries of images, the key that identical requests share, and the store of large cached files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from services.common.cache import Collection, Entry
from services.common.images import Size
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
