"""Store finished images for their owners, each with a record: choose keys, return URLs, find, list, delete."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from services.common.cache.interface import digest
from services.common.errors import MediaError, Reason, invalid
from services.common.images import Size
from services.common.input_files import find_owned
from services.common.log import logger
from services.common.records import BufferedRecords, Record, RecordKey
from services.common.records.catalog import Catalog
from services.common.storage import IMMUTABLE, OWNER, REPLACEABLE, ObjectInfo, ObjectSpec, ObjectStore, ObjectUrl
from services.common.storage.keys import (
    build_content_key,
    check_new_key,
    new_key,
    resolve_own_key,
)
from services.image.image_record import (
    KIND,
    VARIANTS,
    ImageOrigin,
    RecordedImage,
    VariantFile,
    build_variant_key,
    from_object,
    from_record,
    parse_variants,
    to_record,
)
from services.image.rendition import Rendered, Rendition
from services.image.request import OutputRequest

log = logger(__name__)

FOLDER = "images"
EXTENSIONS: Mapping[str, str] = {"png": "png", "jpeg": "jpg", "webp": "webp", "avif": "avif"}
"""Extension of keys by format."""
FORMATS: Mapping[str, str] = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp", "avif": "avif"}
"""Format by what a caller may write: an extension or the name of the format."""
MAX_INLINE_BYTES = 3 * 1024 * 1024
"""Largest image that is returned in a message: gRPC clients receive 4 MiB by default."""
_MAX_METADATA_BYTES = 1000
_MAX_VARIANTS = 16
"""Most variants that the metadata of an image lists, also when it is stored again and again."""


@dataclass(frozen=True, slots=True)
class StoredRendition:
    """An image, or a variant of one, in the object store."""

    key: str
    url: str
    expires_at: datetime | None
    """When `url` expires; None if it does not."""
    size: Size
    size_bytes: int
    content_type: str


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image with its variants in the object store."""

    main: StoredRendition
    sha256: str
    variants: tuple[tuple[str, StoredRendition], ...]
    data: bytes = b""
    """The file of an image that is returned instead of stored: such an image has no key and no URL."""


async def build_inline_image(rendition: Rendition) -> StoredImage:
    """Return an image that is not stored, with its data.

    Raises:
        MediaError: OUTPUT_TOO_LARGE, the file does not fit one message.
    """
    main = rendition.main
    if len(main.data) > MAX_INLINE_BYTES:
        message = (
            f"has {len(main.data)} bytes, and at most {MAX_INLINE_BYTES} are returned: choose webp, a lower"
            " encoder_quality or a smaller size, or let the image be stored"
        )
        raise invalid("output.inline", message, Reason.OUTPUT_TOO_LARGE)
    sha256 = await digest(main.data)
    return StoredImage(
        StoredRendition("", "", None, main.size, len(main.data), main.content_type), sha256, (), main.data
    )


class ImageStore:
    """Stores each image as an object that its caller owns, with its variants beside it.

    Args:
        store: The object store.
        records: The records.
    """

    def __init__(self, store: ObjectStore, records: BufferedRecords) -> None:
        self._store = store
        self._catalog = Catalog(KIND, records, store)

    async def check(self, output: OutputRequest, file_format: str) -> None:
        """Raise an error if the image cannot be stored as `output` says; called before a provider is paid.

        Args:
            output: Key and metadata that the caller wants, as `resolve_output` returns them.
            file_format: Format of the image.

        Raises:
            MediaError: VALIDATION_ERROR or ALREADY_EXISTS, naming the field; UNAVAILABLE.
        """
        self._catalog.records.check_room()
        if sum(len(name) + len(value.encode()) for name, value in output.metadata.items()) > _MAX_METADATA_BYTES:
            raise invalid("output.metadata", f"must have at most {_MAX_METADATA_BYTES} bytes in all")
        if reserved := sorted({OWNER, VARIANTS} & output.metadata.keys()):
            raise invalid("output.metadata", f"must not contain {reserved[0]}, which the service writes itself")
        if not output.object_key:
            if output.overwrite:
                raise invalid("output.overwrite", "must be set together with object_key")
            return
        if output.content_addressed:
            raise invalid("output.content_addressed", "must not be set together with object_key")
        key = output.object_key
        if FORMATS.get(key.rpartition(".")[2].lower()) != file_format:
            raise invalid("output.object_key", f"must end in .{EXTENSIONS[file_format]}, the extension of the format")
        await self._check_free(key, "", output.overwrite)
        for variant in output.variants:
            variant_key = build_variant_key(key, variant.name)
            await self._check_free(variant_key, f" for the variant {variant.name}", output.overwrite)

    async def put(
        self, rendition: Rendition, output: OutputRequest, principal: str, origin: ImageOrigin
    ) -> StoredImage:
        """Store an image with its variants, all of them or, where nothing is replaced, none; then its record.

        Args:
            rendition: The image.
            output: Key and metadata that the caller wants, as checked by `check`.
            principal: The caller.
            origin: How the image was generated.

        Raises:
            MediaError: ALREADY_EXISTS, STORAGE_FAILED.
        """
        sha256 = await digest(rendition.main.data)
        key = _choose_key(output, principal, sha256, EXTENSIONS[rendition.main.content_type.removeprefix("image/")])
        overwrite = output.overwrite or output.content_addressed
        names = [name for name, _ in rendition.variants]
        obsolete = [name for name in await self._list_variants(key) if name not in names] if overwrite else []
        if output.content_addressed:
            # The same bytes as before: callers may still use the URLs of the earlier variants.
            names, obsolete = [*names, *obsolete][:_MAX_VARIANTS], [*names, *obsolete][_MAX_VARIANTS:]
        metadata = {**output.metadata, **origin.metadata, OWNER: principal}
        if names:
            metadata[VARIANTS] = ",".join(names)
        variants = await self._describe_variants(key, names, rendition, principal)
        await self._put_all(_list_objects(key, rendition, output, metadata), overwrite=overwrite)
        recorded = _describe(key, sha256, rendition, output, origin, variants)
        await self._catalog.records.save(to_record(recorded, principal))
        # Their names are no longer in the metadata, so a later deletion would miss them.
        await self._try_delete([build_variant_key(key, name) for name in obsolete])
        return await self._build_stored(key, sha256, rendition)

    async def find(self, key: str, principal: str) -> RecordedImage:
        """Return an image of the caller; from the object itself if it has no record.

        Raises:
            MediaError: VALIDATION_ERROR, PERMISSION_DENIED, NOT_FOUND, STORAGE_FAILED, UNAVAILABLE.
        """
        try:
            info = await self._find_owned(key, principal)
        except MediaError as error:
            if error.reason is Reason.NOT_FOUND:
                # A rule of the bucket may have deleted the object; lists must not show it any longer.
                await self._catalog.delete_orphan(key, principal)
            raise
        record = await self._catalog.records.get(RecordKey(principal, KIND, info.key))
        return from_object(info) if record is None else from_record(record)

    async def describe(self, info: ObjectInfo) -> Record | None:
        """Return the record of an object that has none; None if it is no image of a caller, or a variant of one."""
        owner = info.metadata.get(OWNER)
        if owner is None or not info.content_type.startswith("image/"):
            return None
        stem, _, extension = info.key.rpartition(".")
        whole, dot, name = stem.rpartition(".")
        main = await self._find(f"{whole}.{extension}") if dot and "/" not in name else None
        if main is not None and name in parse_variants(main):
            return None
        return to_record(from_object(info), owner)

    async def list_page(self, principal: str, page_size: int, page_token: str) -> tuple[Sequence[RecordedImage], str]:
        """Return a page of the images of `principal`, newest first, and the token of the next page.

        Raises:
            MediaError: VALIDATION_ERROR, the token is not one of this list; UNAVAILABLE.
        """
        page = await self._catalog.list_page(principal, page_size, page_token)
        return [from_record(record) for record in page.records], page.next_page_token

    async def build_urls(self, images: Sequence[RecordedImage]) -> Mapping[str, ObjectUrl]:
        """Return a new URL of each image and variant, by key.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        keys = [key for image in images for key in image.keys]
        return dict(zip(keys, await self._catalog.build_urls(keys), strict=True))

    async def delete(self, key: str, principal: str) -> list[str]:
        """Delete an image of the caller with its variants and return the keys that were deleted.

        Raises:
            MediaError: VALIDATION_ERROR, PERMISSION_DENIED under the prefix of another caller, NOT_FOUND,
                STORAGE_FAILED, UNAVAILABLE.
        """
        try:
            info = await self._find_owned(key, principal)
        except MediaError as error:
            # An earlier attempt may have deleted the objects only.
            if error.reason is Reason.NOT_FOUND and await self._catalog.delete_orphan(key, principal):
                return []
            raise
        # The image last: while it exists, its variants can still be found.
        keys = [*(build_variant_key(info.key, name) for name in parse_variants(info)), info.key]
        deleted = [key for key in keys if await self._store.delete(key)]
        await self._catalog.delete_record(principal, info.key)
        return deleted

    async def _find_owned(self, key: str, principal: str) -> ObjectInfo:
        info = await find_owned(self._store, key, principal, "key")
        if not info.content_type.startswith("image/"):
            raise MediaError(Reason.NOT_FOUND, "You have no image under this key.")
        return info

    async def _check_free(self, key: str, context: str, overwrite: bool) -> None:
        try:
            check_new_key(key)
        except MediaError:
            raise invalid("output.object_key", f"is too long{context}: choose a shorter key") from None
        if not overwrite and await self._find(key) is not None:
            message = f"already exists{context}: choose another key, or set overwrite to true"
            raise invalid("output.object_key", message, Reason.ALREADY_EXISTS)

    async def _list_variants(self, key: str) -> Sequence[str]:
        info = await self._find(key)
        return parse_variants(info) if info is not None else ()

    async def _put_all(self, objects: Sequence[tuple[str, Rendered, ObjectSpec]], *, overwrite: bool) -> None:
        """Store the objects in order; after a failure or a cancellation, delete the new ones again."""
        stored: list[str] = []
        try:
            for key, rendered, spec in objects:
                await self._store.put(key, rendered.data, spec, overwrite=overwrite)
                stored.append(key)
        except BaseException:
            # An object that was replaced cannot be restored; deleting it would make the loss larger.
            if not overwrite:
                await asyncio.shield(self._try_delete(stored))
            raise

    async def _try_delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                await self._store.delete(key)
            except MediaError as error:
                log.warning("cannot delete a variant without an image", key=key, reason=error.reason.name)

    async def _describe_variants(
        self, key: str, names: Sequence[str], rendition: Rendition, principal: str
    ) -> tuple[VariantFile, ...]:
        """Return the variants with these names: those of `rendition`, and earlier ones of the same image."""
        new = {
            name: VariantFile(name, build_variant_key(key, name), variant.size, len(variant.data))
            for name, variant in rendition.variants
        }
        known = {**await self._read_variants(key, principal), **new} if len(names) > len(new) else new
        return tuple(known.get(name) or VariantFile(name, build_variant_key(key, name), None, 0) for name in names)

    async def _read_variants(self, key: str, principal: str) -> Mapping[str, VariantFile]:
        try:
            record = await self._catalog.records.get(RecordKey(principal, KIND, key))
        except MediaError:
            # The image is paid for: it must not fail because sizes of earlier variants are unknown.
            return {}
        return {} if record is None else {variant.name: variant for variant in from_record(record).variants}

    async def _build_stored(self, key: str, sha256: str, rendition: Rendition) -> StoredImage:
        variants = [
            (name, await self._to_stored(build_variant_key(key, name), variant)) for name, variant in rendition.variants
        ]
        return StoredImage(await self._to_stored(key, rendition.main), sha256, tuple(variants))

    async def _to_stored(self, key: str, rendered: Rendered) -> StoredRendition:
        url = await self._store.url(key)
        return StoredRendition(key, url.url, url.expires_at, rendered.size, len(rendered.data), rendered.content_type)

    async def _find(self, key: str) -> ObjectInfo | None:
        try:
            return await self._store.head(key)
        except MediaError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise


def resolve_output(output: OutputRequest, principal: str) -> OutputRequest:
    """Return `output` with its whole key, and with the format that the extension of the key names if it has none.

    Raises:
        MediaError: VALIDATION_ERROR or PERMISSION_DENIED, naming the field.
    """
    if not output.object_key:
        return output
    key = resolve_own_key(output.object_key, principal, "output.object_key")
    extension = key.rpartition(".")[2].lower()
    file_format = output.format or FORMATS.get(extension, "")
    if not file_format:
        names = ", ".join(f".{name}" for name in FORMATS)
        raise invalid("output.object_key", f"must end in one of {names}, which decides the format")
    return replace(output, object_key=key, format=file_format)


def _choose_key(output: OutputRequest, principal: str, sha256: str, extension: str) -> str:
    if output.object_key:
        return output.object_key
    if output.content_addressed:
        return build_content_key(principal, sha256, extension)
    return new_key(FOLDER, extension)


def _describe(
    key: str,
    sha256: str,
    rendition: Rendition,
    output: OutputRequest,
    origin: ImageOrigin,
    variants: tuple[VariantFile, ...],
) -> RecordedImage:
    main = rendition.main
    return RecordedImage(
        key=key,
        content_type=main.content_type,
        size=main.size,
        size_bytes=len(main.data),
        sha256=sha256,
        stored_at=datetime.now(UTC),
        metadata=output.metadata,
        origin=origin,
        preview=rendition.preview,
        variants=variants,
    )


def _list_objects(
    key: str, rendition: Rendition, output: OutputRequest, metadata: Mapping[str, str]
) -> list[tuple[str, Rendered, ObjectSpec]]:
    """Return the objects of an image: variants first, so that an image that exists has all of its variants."""
    # The same name may stand for another size when equal bytes are stored again.
    variant_caching = REPLACEABLE if output.object_key or output.content_addressed else IMMUTABLE
    main_caching = REPLACEABLE if output.object_key else IMMUTABLE
    owner = {OWNER: metadata[OWNER]}
    variants = [
        (build_variant_key(key, name), variant, ObjectSpec(variant.content_type, owner, variant_caching))
        for name, variant in rendition.variants
    ]
    main = rendition.main
    return [*variants, (key, main, ObjectSpec(main.content_type, metadata, main_caching))]
