"""Where finished images go: keys, what is said beside them, addresses, and deletion."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.common.errors import MediaError, Reason, invalid
from services.common.images import Size
from services.common.log import logger
from services.common.storage import IMMUTABLE, OWNER, REPLACEABLE, ObjectInfo, ObjectSpec, ObjectStore
from services.common.storage.keys import (
    belongs_to,
    build_content_key,
    check_input_key,
    check_key,
    check_own_key,
    new_key,
)
from services.image.rendition import Rendered, Rendition
from services.image.request import OutputRequest

log = logger(__name__)

FOLDER = "images"
VARIANTS = "variants"
"""Name of the metadata entry that lists the keys of an image's copies."""
EXTENSIONS: Mapping[str, str] = {"png": "png", "jpeg": "jpg", "webp": "webp", "avif": "avif"}
"""Extension of keys by format."""
_ALSO_ACCEPTED = {"jpeg": ("jpg", "jpeg")}
_MAX_METADATA_BYTES = 1000
_MAX_COPIES = 16
"""Copies that are remembered of an image that is stored again and again; the metadata has no room for more."""


@dataclass(frozen=True, slots=True)
class StoredRendition:
    """An image, or a copy of one, in the object store."""

    key: str
    url: str
    expires_at: datetime | None
    """When `url` ends; None if it lasts."""
    size: Size
    size_bytes: int
    content_type: str


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image with its copies in the object store."""

    main: StoredRendition
    sha256: str
    variants: tuple[tuple[str, StoredRendition], ...]


class ImageStore:
    """Keeps images for their owners.

    Args:
        store: Where they are.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def check(self, output: OutputRequest, principal: str, extension_of: str) -> None:
        """Refuse a place that cannot be taken, before anybody is paid.

        Args:
            output: Where the caller wants the image.
            principal: Who calls.
            extension_of: Format of the image.

        Raises:
            MediaError: VALIDATION_ERROR, PERMISSION_DENIED or ALREADY_EXISTS, naming the field.
        """
        if sum(len(name) + len(value.encode()) for name, value in output.metadata.items()) > _MAX_METADATA_BYTES:
            raise invalid("output.metadata", f"must have at most {_MAX_METADATA_BYTES} bytes in all")
        if reserved := sorted({OWNER, VARIANTS} & output.metadata.keys()):
            raise invalid("output.metadata", f"must not contain {reserved[0]}, which the service writes itself")
        if not output.object_key:
            if output.overwrite:
                raise invalid("output.overwrite", "must come with object_key")
            return
        if output.content_addressed:
            raise invalid("output.content_addressed", "must not come with object_key")
        key = check_own_key(output.object_key, principal, "output.object_key")
        accepted = _ALSO_ACCEPTED.get(extension_of, (EXTENSIONS[extension_of],))
        if key.rpartition(".")[2] not in accepted:
            raise invalid("output.object_key", f"must end in .{accepted[0]}, as the format does")
        places = {
            key: "",
            **{_build_copy_key(key, request.name): f" for its copy {request.name}" for request in output.variants},
        }
        for place, whose in places.items():
            try:
                check_key(place)
            except MediaError:
                raise invalid("output.object_key", f"is too long{whose}: choose a shorter one") from None
            if not output.overwrite and await self._exists(place):
                what = f"is taken{whose}: choose another, or set overwrite to true"
                raise invalid("output.object_key", what, Reason.ALREADY_EXISTS)

    async def put(
        self, rendition: Rendition, output: OutputRequest, principal: str, service_metadata: Mapping[str, str]
    ) -> StoredImage:
        """Store an image with its copies: all of it or nothing.

        Args:
            rendition: The image.
            output: Where the caller wants it, checked before.
            principal: Who calls.
            service_metadata: What the service writes beside it.

        Raises:
            MediaError: ALREADY_EXISTS, STORAGE_FAILED.
        """
        sha256 = await asyncio.to_thread(lambda: hashlib.sha256(rendition.main.data).hexdigest())
        extension = EXTENSIONS[rendition.main.content_type.removeprefix("image/")]
        key = _choose_key(output, principal, sha256, extension)
        copies = [(name, _build_copy_key(key, name), rendered) for name, rendered in rendition.variants]
        overwrite = output.overwrite or output.content_addressed
        names = [name for name, _, _ in copies]
        earlier = [name for name in await self._list_copies(key) if name not in names] if overwrite else []
        if output.content_addressed:
            # The same image as before: who asked for those copies still has their addresses.
            names, earlier = [*names, *earlier][:_MAX_COPIES], [*names, *earlier][_MAX_COPIES:]
        metadata = {**output.metadata, **service_metadata, OWNER: principal}
        if names:
            metadata[VARIANTS] = ",".join(names)
        stored: list[str] = []
        # Copies first: an image that is there has all of its copies.
        owner = {OWNER: principal}
        # Copies of equal images may have other sizes under the same name.
        changing = IMMUTABLE if not output.object_key and not output.content_addressed else REPLACEABLE
        places = [
            (place, rendered, ObjectSpec(rendered.content_type, owner, changing)) for _, place, rendered in copies
        ]
        lasting = REPLACEABLE if output.object_key else IMMUTABLE
        places.append((key, rendition.main, ObjectSpec(rendition.main.content_type, metadata, lasting)))
        try:
            for place, rendered, spec in places:
                await self._store.put(place, rendered.data, spec, overwrite=overwrite)
                stored.append(place)
        except BaseException:
            if not overwrite:
                await asyncio.shield(self._delete_copies(stored))
            raise
        # Nobody would find them any more.
        await self._delete_copies([_build_copy_key(key, name) for name in earlier])
        main = await self._build_stored(key, rendition.main)
        variants = [(name, await self._build_stored(place, rendered)) for name, place, rendered in copies]
        return StoredImage(main, sha256, tuple(variants))

    async def delete(self, key: str, principal: str) -> list[str]:
        """Delete an image of the caller's own, with its copies, and returns the keys that are gone.

        Raises:
            MediaError: VALIDATION_ERROR, PERMISSION_DENIED under another's prefix, NOT_FOUND, STORAGE_FAILED.
        """
        check_input_key(key, principal, "key")
        missing = MediaError(Reason.NOT_FOUND, "There is no image of yours under this key.")
        info = await self._store.head(key)
        if not belongs_to(info, principal) or not info.content_type.startswith("image/"):
            raise missing
        # The image goes last: as long as it is there, its copies can be found.
        places = [*(_build_copy_key(key, name) for name in _parse_copies(info)), key]
        return [place for place in places if await self._store.delete(place)]

    async def _exists(self, key: str) -> bool:
        return await self._find(key) is not None

    async def _list_copies(self, key: str) -> Sequence[str]:
        info = await self._find(key)
        return _parse_copies(info) if info is not None else ()

    async def _find(self, key: str) -> ObjectInfo | None:
        try:
            return await self._store.head(key)
        except MediaError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise

    async def _build_stored(self, key: str, rendered: Rendered) -> StoredRendition:
        address = await self._store.url(key)
        return StoredRendition(
            key, address.url, address.expires_at, rendered.size, len(rendered.data), rendered.content_type
        )

    async def _delete_copies(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                await self._store.delete(key)
            except MediaError as error:
                log.warning("a copy without its image stays behind", key=key, reason=error.reason.name)


def _build_copy_key(key: str, name: str) -> str:
    """Return the key of the copy `name` of the image at `key`."""
    stem, _, extension = key.rpartition(".")
    return f"{stem}.{name}.{extension}"


def _parse_copies(info: ObjectInfo) -> Sequence[str]:
    return [name for name in info.metadata.get(VARIANTS, "").split(",") if name]


def _choose_key(output: OutputRequest, principal: str, sha256: str, extension: str) -> str:
    if output.object_key:
        return output.object_key
    if output.content_addressed:
        return build_content_key(principal, sha256, extension)
    return new_key(FOLDER, extension)
