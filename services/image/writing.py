"""From finished images to the contract's messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from media.common.v1 import cache_pb2
from media.image.v1 import image_pb2

from services.common.log import request_id
from services.image.generation import CacheStatus
from services.image.image_store import StoredImage, StoredRendition
from services.image.pipeline import Image, SourceSummary
from services.image.sizes import CUSTOM, CUSTOM_DESCRIPTION, PRESETS

_CACHE_STATUSES: Mapping[CacheStatus, cache_pb2.CacheStatus] = {
    "miss": cache_pb2.CACHE_STATUS_MISS,
    "hit": cache_pb2.CACHE_STATUS_HIT,
    "joined": cache_pb2.CACHE_STATUS_JOINED,
    "bypass": cache_pb2.CACHE_STATUS_BYPASS,
}


def to_generated_image(result: Image) -> image_pb2.Image:
    """Return the message of an image that was made."""
    generation, prompt = result.generation, result.prompt
    candidate = generation.candidate
    image = to_stored_image(result.stored, result.source_summary)
    image.provider = candidate.provider.name
    image.model = candidate.model.name
    image.prompt = prompt.text
    image.prompt_metadata.CopyFrom(
        image_pb2.PromptMetadata(
            style=prompt.style,
            timestamp=_to_timestamp(result.generated_at),
            version=prompt.version,
            shortened=prompt.shortened,
        )
    )
    image.from_cache = generation.cache_status == "hit"
    image.cache_status = _CACHE_STATUSES[generation.cache_status]
    image.provider_request_id = generation.request_id
    image.ignored_fields.extend(candidate.ignored_fields)
    image.queued_seconds = generation.queued_seconds
    if generation.seed is not None:
        image.seed = generation.seed
    return image


def to_stored_image(stored: StoredImage, source_summary: SourceSummary) -> image_pb2.Image:
    """Return the message of an image that is stored, with what is true of every one."""
    main = stored.main
    return image_pb2.Image(
        image_url=main.url,
        url_expire_time=None if main.expires_at is None else _to_timestamp(main.expires_at),
        width=main.size.width,
        height=main.size.height,
        request_id=request_id.get(),
        key=main.key,
        content_type=main.content_type,
        size_bytes=main.size_bytes,
        sha256=stored.sha256,
        preview=source_summary.preview,
        variants=[_to_variant(name, variant) for name, variant in stored.variants],
        provider_dimensions=image_pb2.ImageDimensions(
            width=source_summary.source_size.width, height=source_summary.source_size.height
        ),
        fitted=source_summary.fitted,
        cache_status=cache_pb2.CACHE_STATUS_BYPASS,
    )


def list_sizes() -> dict[str, image_pb2.ImageSize]:
    """Return every size that has a name, and `custom`."""
    named = {
        name: image_pb2.ImageSize(width=preset.size.width, height=preset.size.height, description=preset.description)
        for name, preset in PRESETS.items()
    }
    return {**named, CUSTOM: image_pb2.ImageSize(description=CUSTOM_DESCRIPTION)}


def _to_variant(name: str, stored: StoredRendition) -> image_pb2.ImageVariant:
    return image_pb2.ImageVariant(
        name=name,
        image_url=stored.url,
        key=stored.key,
        width=stored.size.width,
        height=stored.size.height,
        size_bytes=stored.size_bytes,
    )


def _to_timestamp(time: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp
