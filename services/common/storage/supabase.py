"""Objects in a bucket of Supabase Storage."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import orjson

from services.common import VERSION
from services.common.errors import MediaError, Reason, invalid
from services.common.storage.interface import (
    ByteRange,
    ObjectInfo,
    ObjectPage,
    ObjectSpec,
    ObjectStore,
    ObjectUrl,
    OpenObject,
    limit_age,
)
from services.common.storage.keys import check_key, check_new_key
from services.common.storage.settings import MIN_LIFETIME_SECONDS
from services.common.storage.supabase_errors import build_connection_error, error_from_body, error_from_client
from services.common.storage.supabase_upload import RESUMABLE_ABOVE_BYTES, ResumableUploader, UploadTarget

if TYPE_CHECKING:
    from storage3 import AsyncStorageClient
    from storage3._async.file_api import AsyncBucketProxy

_TIMEOUT_SECONDS = 60
_CHUNK_BYTES = 256 * 1024
# The client blocks the event loop for more than 5 ms with longer bytes, but it streams files.
_MAX_INLINE_BYTES = 1024 * 1024
_FOLDER_PAGE_SIZE = 100
_MAX_AGE = re.compile(r"max-age=([0-9]+)")
_OK, _PARTIAL = 200, 206
_JWT_DOTS = 2


@dataclass(frozen=True, slots=True)
class SupabaseOptions:
    """Address and credentials of a bucket."""

    url: str
    """Address of the project for this process."""
    service_role: str = field(repr=False)
    """Secret key of the project, or its older service role key."""
    bucket: str = "pets"
    public: bool = True
    """Whether the bucket is public; if not, links are signed."""
    public_url: str = ""
    """Address of the project for readers; empty if it is `url`."""
    url_lifetime_seconds: float = 86_400
    """Default lifetime of signed links."""
    cache_seconds: float = 3600
    """Longest time for which caches answer with an object of a public bucket without asking."""


class SupabaseStore(ObjectStore):
    """Stores objects in one bucket; connects on first use."""

    name = "supabase"

    def __init__(self, options: SupabaseOptions) -> None:
        self._options = options
        self._base = f"{options.url.rstrip('/')}/storage/v1"
        self._public_base = f"{(options.public_url or options.url).rstrip('/')}/storage/v1"
        self._headers = build_headers(options.service_role)
        self._connecting = asyncio.Lock()
        self._client: AsyncStorageClient | None = None
        self._session: aiohttp.ClientSession | None = None

    async def put(
        self, key: str, data: bytes | AsyncIterator[bytes], spec: ObjectSpec, *, overwrite: bool = False
    ) -> ObjectInfo:
        """Upload an object; large data and iterators are spooled to a temporary file first."""
        check_new_key(key)
        if isinstance(data, bytes) and len(data) <= _MAX_INLINE_BYTES:
            return await self._upload(key, data, spec, overwrite=overwrite)
        async with _spool(data) as file:
            return await self._put_complete_file(key, file, spec, overwrite=overwrite)

    async def put_file(
        self, key: str, path: Path, sha256: str, spec: ObjectSpec, *, overwrite: bool = False
    ) -> ObjectInfo:
        """Upload a file from where it is."""
        del sha256
        check_new_key(key)
        return await self._put_complete_file(key, path, spec, overwrite=overwrite)

    async def _put_complete_file(self, key: str, path: Path, spec: ObjectSpec, *, overwrite: bool) -> ObjectInfo:
        size_bytes = (await asyncio.to_thread(path.stat)).st_size
        if size_bytes <= RESUMABLE_ABOVE_BYTES:
            return await self._upload(key, path, spec, overwrite=overwrite)
        target = UploadTarget(
            self._options.bucket, key, spec.content_type, self._get_max_age(spec), spec.metadata, overwrite
        )
        uploader = ResumableUploader(await self._open_session(), f"{self._base}/upload/resumable", self._headers)
        await uploader.upload(path, target)
        info = await self.head(key)
        if info.size_bytes != size_bytes:
            # The answer to the last chunk was lost, and the object is that of another writer.
            raise MediaError(Reason.STORAGE_FAILED, "Another writer stored an object with this key; try again.")
        return info

    async def _upload(self, key: str, data: bytes | Path, spec: ObjectSpec, *, overwrite: bool) -> ObjectInfo:
        options: Any = {
            "content-type": spec.content_type,
            "cache-control": self._get_max_age(spec),
            "upsert": "true" if overwrite else "false",
            "metadata": dict(spec.metadata),
        }
        bucket = await self._open_bucket()
        with self._translate_errors():
            await bucket.upload(key, data, options)
        return await self.head(key)

    @asynccontextmanager
    async def open(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[OpenObject]:
        """Open an object; its data is read while it arrives, which the client cannot do."""
        info = await self.head(key)
        headers = dict(self._headers)
        if byte_range is not None:
            headers["Range"] = f"bytes={byte_range.start}-{byte_range.end - 1}"
        url = f"{self._base}/object/authenticated/{self._options.bucket}/{quote(key, safe='/')}"
        session = await self._open_session()
        with self._translate_errors():
            async with session.get(url, headers=headers) as response:
                if response.status not in (_OK, _PARTIAL):
                    raise error_from_body(await _read_json(response))
                yield OpenObject(info, self._read_chunks(response))

    async def head(self, key: str) -> ObjectInfo:
        """Request the properties of an object."""
        check_key(key)
        bucket = await self._open_bucket()
        with self._translate_errors():
            found = await bucket.info(key)
        return ObjectInfo(
            key=key,
            size_bytes=int(found.get("size") or 0),
            content_type=str(found.get("content_type") or "application/octet-stream"),
            etag=str(found.get("etag") or "").strip('"'),
            modified_at=_parse_time(found.get("last_modified") or found.get("created_at")),
            metadata={name: str(value) for name, value in (found.get("metadata") or {}).items()},
            cache_control=str(found.get("cache_control") or ""),
        )

    async def url(self, key: str, *, lifetime_seconds: float | None = None) -> ObjectUrl:
        """Return the public URL, or request a signed one."""
        check_key(key)
        if self._options.public:
            return ObjectUrl(f"{self._public_base}/object/public/{self._options.bucket}/{quote(key, safe='/')}")
        lifetime_seconds = int(lifetime_seconds or self._options.url_lifetime_seconds)
        bucket = await self._open_bucket()
        with self._translate_errors():
            signed = str((await bucket.create_signed_url(key, int(lifetime_seconds)))["signedURL"])
        # The signed URL begins with the address of this process, which readers may not reach.
        return ObjectUrl(
            f"{self._public_base}{signed.removeprefix(self._base)}",
            datetime.now(UTC) + timedelta(seconds=lifetime_seconds),
        )

    async def delete(self, key: str) -> bool:
        """Delete an object; the response lists the deleted objects."""
        check_key(key)
        bucket = await self._open_bucket()
        with self._translate_errors():
            return bool(await bucket.remove([key]))

    async def list(self, prefix: str, *, page_size: int = 100, page_token: str = "") -> ObjectPage:
        """Walk the folders in the order of the keys, since the server lists one folder at a time."""
        if prefix:
            check_key(prefix.removesuffix("/"), "prefix")
        if page_token and not page_token.startswith(prefix):
            raise invalid("page_token", "must be the next_page_token of the previous page")
        bucket = await self._open_bucket()
        found: list[ObjectInfo] = []
        with self._translate_errors():
            async for info in _walk(bucket, prefix, page_token):
                if len(found) == page_size:
                    return ObjectPage(tuple(found), found[-1].key)
                found.append(info)
        return ObjectPage(tuple(found))

    async def close(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()
        if self._client is not None:
            await self._client.session.aclose()

    def _get_max_age(self, spec: ObjectSpec) -> str:
        """Return the seconds that the server turns into max-age."""
        longest = self._options.cache_seconds if self._options.public else MIN_LIFETIME_SECONDS
        max_age = _MAX_AGE.search(limit_age(spec.cache_control, longest))
        return max_age[1] if max_age else "0"

    async def _open_bucket(self) -> AsyncBucketProxy:
        async with self._connecting:
            if self._client is None:
                self._client = await asyncio.to_thread(_create_client, self._base, self._headers)
        return self._client.from_(self._options.bucket)

    async def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=_TIMEOUT_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout)
        return self._session

    async def _read_chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        with self._translate_errors():
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                yield chunk

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Translate the errors of the client, without quoting them."""
        try:
            yield
        except MediaError:
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise build_connection_error(error) from None
        # The client raises its own errors and those of httpx. Both are imported on first use only.
        except Exception as error:  # noqa: BLE001 - see above
            raise error_from_client(error) from None


def build_headers(secret_key: str) -> dict[str, str]:
    """Return the headers with the credential of each request.

    A secret key (`sb_secret_...`) is no JWT, so as a bearer token it is refused. It is also refused with the
    User-Agent of a browser.
    """
    headers = {"apikey": secret_key, "User-Agent": f"media-suite/{VERSION}"}
    if secret_key.count(".") == _JWT_DOTS:
        headers["Authorization"] = f"Bearer {secret_key}"
    return headers


def _create_client(base: str, headers: Mapping[str, str]) -> AsyncStorageClient:
    """Create the storage client; the import takes half a second, so it is done only if Supabase is used."""
    # The complete `supabase` client would import four more clients and call this one in a deprecated way.
    from httpx import AsyncClient  # noqa: PLC0415 - see above
    from storage3 import AsyncStorageClient  # noqa: PLC0415 - see above

    http = AsyncClient(timeout=_TIMEOUT_SECONDS, follow_redirects=False)
    return AsyncStorageClient(f"{base}/", dict(headers), http_client=http)


@asynccontextmanager
async def _spool(data: bytes | AsyncIterator[bytes]) -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="media-upload-") as folder:
        path = Path(folder, "object")
        if isinstance(data, bytes):
            await asyncio.to_thread(path.write_bytes, data)
        else:
            with await asyncio.to_thread(path.open, "wb") as file:
                async for piece in data:
                    await asyncio.to_thread(file.write, piece)
        yield path


async def _walk(bucket: AsyncBucketProxy, folder: str, after: str) -> AsyncIterator[ObjectInfo]:
    for key, entry in sorted([item async for item in _list_folder(bucket, folder)], key=lambda item: item[0]):
        if entry is None:
            if key > after or after.startswith(key):
                async for info in _walk(bucket, key, after):
                    yield info
        elif key > after:
            yield entry


async def _list_folder(bucket: AsyncBucketProxy, folder: str) -> AsyncIterator[tuple[str, ObjectInfo | None]]:
    offset = 0
    while True:
        options: Any = {"limit": _FOLDER_PAGE_SIZE, "offset": offset, "sortBy": {"column": "name", "order": "asc"}}
        page = await bucket.list(folder.removesuffix("/"), options)
        for item in page:
            key = f"{folder}{item['name']}"
            yield (key, _to_info(key, item)) if item.get("id") else (f"{key}/", None)
        offset += len(page)
        if len(page) < _FOLDER_PAGE_SIZE:
            return


def _to_info(key: str, item: Mapping[str, Any]) -> ObjectInfo:
    metadata = item.get("metadata") or {}
    return ObjectInfo(
        key=key,
        size_bytes=int(metadata.get("size") or 0),
        content_type=str(metadata.get("mimetype") or "application/octet-stream"),
        etag=str(metadata.get("eTag") or "").strip('"'),
        modified_at=_parse_time(metadata.get("lastModified") or item.get("updated_at")),
    )


def _parse_time(text: object) -> datetime:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


async def _read_json(response: aiohttp.ClientResponse) -> Mapping[str, Any]:
    try:
        body = orjson.loads(await response.content.read(64 * 1024))
    except orjson.JSONDecodeError:
        body = None
    return body if isinstance(body, dict) else {"statusCode": str(response.status)}
