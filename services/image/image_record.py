"""Records of stored images: what a caller gave and got, as JSON in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.common.images import Size
from services.common.records import Record
from services.common.storage import OWNER, ObjectInfo

KIND = "image"
VARIANTS = "variants"
"""Name of the metadata entry of an object that lists the names of an image's variants."""
_ORIGIN = ("provider", "model", "seed")


@dataclass(frozen=True, slots=True)
class ImageOrigin:
    """How an image was generated; all fields are empty for an upload."""

    provider: str = ""
    model: str = ""
    seed: int | None = None
    """None if the provider did not report it."""
    prompt: str = ""
    """The final prompt."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """Metadata of the object, which a public bucket may show to anyone: without the prompt."""
        entries = {"provider": self.provider, "model": self.model}
        if self.seed is not None:
            entries["seed"] = str(self.seed)
        return {name: value for name, value in entries.items() if value}


@dataclass(frozen=True, slots=True)
class VariantFile:
    """A variant of an image in the object store."""

    name: str
    key: str
    size: Size | None
    """None if unknown."""
    size_bytes: int
    """0 if unknown."""


@dataclass(frozen=True, slots=True)
class RecordedImage:
    """An image in the object store, with what is known about it."""

    key: str
    content_type: str
    size: Size | None
    """None if unknown."""
    size_bytes: int
    sha256: str
    """In hexadecimal; empty if unknown."""
    stored_at: datetime
    """In UTC."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """As the caller gave it."""
    origin: ImageOrigin = ImageOrigin()
    preview: str = ""
    """A tiny copy as a data URI; empty if unknown."""
    variants: tuple[VariantFile, ...] = ()

    @property
    def keys(self) -> list[str]:
        """Keys of the image and of its variants, in that order."""
        return [self.key, *(variant.key for variant in self.variants)]


def to_record(image: RecordedImage, owner: str) -> Record:
    """Return the record of an image."""
    document = {
        "contentType": image.content_type,
        "size": _size_to_json(image.size),
        "sizeBytes": image.size_bytes,
        "sha256": image.sha256,
        "metadata": dict(image.metadata),
        "provider": image.origin.provider,
        "model": image.origin.model,
        "seed": image.origin.seed,
        "prompt": image.origin.prompt,
        "preview": image.preview,
        "variants": [
            {
                "name": variant.name,
                "key": variant.key,
                "size": _size_to_json(variant.size),
                "sizeBytes": variant.size_bytes,
            }
            for variant in image.variants
        ],
    }
    return Record(owner, KIND, image.key, image.stored_at, image.key, document)


def from_record(record: Record) -> RecordedImage:
    """Return the image that `to_record` converted."""
    fields = record.document
    return RecordedImage(
        key=record.object_key,
        content_type=fields["contentType"],
        size=_size_from_json(fields["size"]),
        size_bytes=fields["sizeBytes"],
        sha256=fields["sha256"],
        stored_at=record.created_at,
        metadata=fields["metadata"],
        origin=ImageOrigin(fields["provider"], fields["model"], fields["seed"], fields["prompt"]),
        preview=fields["preview"],
        variants=tuple(map(_to_variant, fields["variants"])),
    )


def from_object(info: ObjectInfo) -> RecordedImage:
    """Return what the object itself tells about an image without a record."""
    given = {name: value for name, value in info.metadata.items() if name not in (OWNER, VARIANTS, *_ORIGIN)}
    seed = info.metadata.get("seed", "")
    return RecordedImage(
        key=info.key,
        content_type=info.content_type,
        size=None,
        size_bytes=info.size_bytes,
        sha256="",
        stored_at=info.modified_at,
        metadata=given,
        origin=ImageOrigin(
            info.metadata.get("provider", ""), info.metadata.get("model", ""), int(seed) if seed.isdecimal() else None
        ),
        variants=tuple(VariantFile(name, build_variant_key(info.key, name), None, 0) for name in parse_variants(info)),
    )


def build_variant_key(key: str, name: str) -> str:
    """Return the key of the variant `name` of the image at `key`."""
    stem, _, extension = key.rpartition(".")
    return f"{stem}.{name}.{extension}"


def parse_variants(info: ObjectInfo) -> list[str]:
    """Return the names of the variants of an image."""
    return [name for name in info.metadata.get(VARIANTS, "").split(",") if name]


def _to_variant(fields: Mapping[str, Any]) -> VariantFile:
    return VariantFile(fields["name"], fields["key"], _size_from_json(fields["size"]), fields["sizeBytes"])


def _size_to_json(size: Size | None) -> list[int] | None:
    return None if size is None else [size.width, size.height]


def _size_from_json(content: list[int] | None) -> Size | None:
    return None if content is None else Size(*content)
