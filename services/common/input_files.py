"""Read the input files of callers: by URL, as a data URI, or by the key of an object that the caller owns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from services.common.data_uri import decode_data_uri, is_data_uri
from services.common.errors import MediaError, Reason, invalid
from services.common.fetch import FetchedFile, StreamedFile
from services.common.storage import ObjectInfo, ObjectStore, read_all
from services.common.storage.keys import belongs_to, list_input_keys

_DECODED_IN_PLACE_CHARACTERS = 256 * 1024
_CORRECTIONS = {
    Reason.NOT_FOUND: "must lead to an existing object",
    Reason.PAYLOAD_TOO_LARGE: "must lead to a smaller file",
}


class WholeDownloads(Protocol):
    """Fetches whole files from URLs; the tests replace it."""

    async def fetch(self, url: str, *, field: str, max_bytes: int) -> FetchedFile:
        """Return the file at `url`; raises MediaError that names `field`."""


class Downloads(WholeDownloads, Protocol):
    """Fetches files from URLs, whole or as a stream; the tests replace it."""

    def stream(self, url: str, *, field: str, max_bytes: int) -> AbstractAsyncContextManager[StreamedFile]:
        """Return the context in which the file is read; raises MediaError that names `field`."""


@dataclass(frozen=True, slots=True)
class InputFiles:
    """Reads input files from URLs and from the store."""

    downloads: Downloads
    """Downloads from URLs."""
    store: ObjectStore
    """The store that object keys refer to."""

    async def read(self, url: str, key: str, principal: str, *, max_bytes: int) -> bytes:
        """Return the image that a request names in image_url or image_key.

        Args:
            url: An http or https URL or a data URI; empty if `key` is set.
            key: Key of an object that the caller owns; empty if `url` is set.
            principal: The verified caller.
            max_bytes: Largest file to accept.

        Raises:
            MediaError: VALIDATION_ERROR, URL_FORBIDDEN, URL_UNREACHABLE, PAYLOAD_TOO_LARGE, NOT_FOUND,
                PERMISSION_DENIED or STORAGE_FAILED, naming the field.
        """
        if key:
            info = await self.find_owned(key, principal, "image_key")
            if info.size_bytes > max_bytes:
                raise invalid("image_key", f"must have at most {max_bytes} bytes", Reason.PAYLOAD_TOO_LARGE)
            return (await read_all(self.store, info.key, max_bytes=max_bytes))[0]
        if is_data_uri(url):
            if len(url) <= _DECODED_IN_PLACE_CHARACTERS:
                return decode_data_uri(url, "image_url", max_bytes)
            return await asyncio.to_thread(decode_data_uri, url, "image_url", max_bytes)
        if (own := self.store.key_from_url(url)) is not None:
            with name_field_in_errors("image_url"):
                return (await read_all(self.store, own, max_bytes=max_bytes))[0]
        return (await self.downloads.fetch(url, field="image_url", max_bytes=max_bytes)).data

    async def find_owned(self, key: str, principal: str, field: str) -> ObjectInfo:
        """Return the metadata of an object that `principal` owns.

        Args:
            key: Key of the object.
            principal: The verified caller.
            field: Name of the request field that holds it.

        Raises:
            MediaError: VALIDATION_ERROR, PERMISSION_DENIED, NOT_FOUND or STORAGE_FAILED, naming `field`.
        """
        return await find_owned(self.store, key, principal, field)


async def find_owned(store: ObjectStore, key: str, principal: str, field: str) -> ObjectInfo:
    """Return the metadata of the object that `key` means, if `principal` owns it.

    Args:
        store: The object store.
        key: Key of the object, whole or below the prefix of `principal`.
        principal: The verified caller.
        field: Name of the request field that holds it.

    Raises:
        MediaError: VALIDATION_ERROR, PERMISSION_DENIED, NOT_FOUND or STORAGE_FAILED, naming `field`.
    """
    for candidate in list_input_keys(key, principal, field):
        try:
            info = await store.head(candidate)
        except MediaError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
        else:
            if belongs_to(info, principal):
                return info
    raise _build_not_owned_error(field)


@contextmanager
def name_field_in_errors(field: str) -> Iterator[None]:
    """Translate errors of the store so that they name the request field that leads to the object."""
    try:
        yield
    except MediaError as error:
        if error.reason not in _CORRECTIONS:
            raise
        raise invalid(field, _CORRECTIONS[error.reason], error.reason) from None


def _build_not_owned_error(field: str) -> MediaError:
    return invalid(field, "must be the key of one of your objects", Reason.NOT_FOUND)
