"""Objects in S3 and in stores with the S3 protocol, such as DigitalOcean Spaces."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import obstore
import pybase64
from obstore.store import S3Store as Client

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
from services.common.storage.keys import check_key
from services.common.storage.route_links import RouteLinks
from services.common.storage.s3_errors import S3ErrorTranslator
from services.common.storage.settings import MIN_LIFETIME_SECONDS

_CHUNK_BYTES = 1024 * 1024
_HEADERS = {"Content-Type", "Cache-Control"}
_HEADER_TEXT = re.compile(r"(?!=\?)[!-~]([ -~]*[!-~])?")
_ENCODED_WORD = re.compile(r"=\?UTF-8\?B\?([A-Za-z0-9+/]*=*)\?=")


@dataclass(frozen=True, slots=True)
class S3Encryption:
    """Encryption by the server, beyond what the bucket does by itself."""

    kind: str = ""
    """Header x-amz-server-side-encryption: AES256, aws:kms or aws:kms:dsse; empty for the default of the bucket."""
    kms_key_id: str = ""
    """Key of the key service; empty for that of the account."""
    customer_key: str = field(default="", repr=False)
    """Key of 32 bytes in base64 that each request carries; nothing can be read without it."""

    def build_config(self) -> dict[str, str]:
        """Return the options of the client."""
        if self.customer_key:
            return {"aws_server_side_encryption": "sse-c", "aws_sse_customer_key_base64": self.customer_key}
        config = {"aws_server_side_encryption": self.kind, "aws_sse_kms_key_id": self.kms_key_id}
        return {name: value for name, value in config.items() if value}


@dataclass(frozen=True, slots=True)
class S3Options:
    """Address and credentials of a bucket."""

    name: str
    """Name of the store: s3 or spaces."""
    bucket: str
    region: str
    endpoint: str
    """Address of the server; empty for Amazon S3."""
    access_key_id: str
    secret_access_key: str = field(repr=False)
    public_url: str = ""
    """Address at which the bucket is public; empty if links must be signed."""
    virtual_hosted: bool = False
    """Whether the endpoint has the bucket in its host name."""
    url_lifetime_seconds: float = 86_400
    """Default lifetime of signed links."""
    cache_seconds: float = 3600
    """Longest time for which caches answer with an object at `public_url` without asking."""
    encryption: S3Encryption = S3Encryption()
    suite_links: RouteLinks | None = None
    """Links to the gateway, which serves the objects if readers cannot: with a customer key."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Names of the environment variables of `bucket`, `region`, `credentials` and `encryption`, for error messages."""


class S3Store(ObjectStore):
    """Stores objects in one bucket."""

    def __init__(self, options: S3Options) -> None:
        self.name = options.name
        self._options = options
        self.signer = options.suite_links.signer if options.suite_links else None
        self._errors = S3ErrorTranslator(options.name, options.variables)
        config: dict[str, object] = {
            "bucket": options.bucket,
            "region": options.region,
            "virtual_hosted_style_request": options.virtual_hosted,
            **options.encryption.build_config(),
        }
        if options.access_key_id:
            config |= {
                "access_key_id": options.access_key_id,
                "secret_access_key": options.secret_access_key,
            }
        if options.endpoint:
            config["endpoint"] = options.endpoint
        self._client = Client(
            config=config,  # type: ignore[arg-type]  # a TypedDict with the same keys
            client_options={"allow_http": options.endpoint.startswith("http://"), "timeout": "60s"},
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=10)},
        )

    async def put(
        self, key: str, data: bytes | AsyncIterator[bytes], spec: ObjectSpec, *, overwrite: bool = False
    ) -> ObjectInfo:
        """Store an object; an iterator is uploaded in parts, and the object appears after the last part."""
        check_key(key)
        attributes = {
            "Content-Type": spec.content_type,
            "Cache-Control": self._limit_age(spec.cache_control),
            # Some servers and proxies drop headers with underscores.
            **{name.replace("_", "-"): _to_header(text) for name, text in spec.metadata.items()},
        }
        if not overwrite and not isinstance(data, bytes):
            # A multipart upload cannot require that the key is free, so this checks first.
            await self._check_free(key)
        with self._errors.translate():
            await obstore.put_async(
                self._client,
                key,
                data,
                attributes=attributes,
                mode="overwrite" if overwrite or not isinstance(data, bytes) else "create",
                use_multipart=not isinstance(data, bytes),
            )
        return await self.head(key)

    @asynccontextmanager
    async def open(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[OpenObject]:
        """Open an object; its data is read while it arrives."""
        check_key(key)
        with self._errors.translate():
            found = await obstore.get_async(
                self._client,
                key,
                options={"range": (byte_range.start, byte_range.end)} if byte_range else None,
            )
            info = _to_info(found.meta, found.attributes)
        yield OpenObject(info, self._read_chunks(found))

    async def head(self, key: str) -> ObjectInfo:
        """Request the properties of an object."""
        check_key(key)
        with self._errors.translate():
            found = await obstore.get_async(self._client, key, options={"head": True})
        return _to_info(found.meta, found.attributes)

    async def url(self, key: str, *, lifetime_seconds: float | None = None) -> ObjectUrl:
        """Return the public URL or a signed one, without a request."""
        check_key(key)
        if self._options.suite_links is not None:
            return self._options.suite_links.build_for_object(key, lifetime_seconds)
        if self._options.public_url:
            return ObjectUrl(f"{self._options.public_url}/{quote(key, safe='/')}")
        lifetime = timedelta(seconds=lifetime_seconds or self._options.url_lifetime_seconds)
        with self._errors.translate():
            signed = await obstore.sign_async(self._client, "GET", key, lifetime)
        return ObjectUrl(signed, datetime.now(UTC) + lifetime)

    async def delete(self, key: str) -> bool:
        """Delete an object; S3 does not report whether it existed."""
        check_key(key)
        with self._errors.translate():
            try:
                await obstore.delete_async(self._client, key)
            except FileNotFoundError:
                return False
        return True

    async def list(self, prefix: str, *, page_size: int = 100, page_token: str = "") -> ObjectPage:
        """List the objects after the last one of the previous page."""
        if prefix:
            check_key(prefix.removesuffix("/"), "prefix")
        if page_token and not page_token.startswith(prefix):
            raise invalid("page_token", "must be the next_page_token of the previous page")
        found: list[ObjectInfo] = []
        with self._errors.translate():
            stream = obstore.list(
                self._client, prefix or None, offset=page_token or None, chunk_size=min(page_size + 1, 1000)
            )
            async for chunk in stream:
                found.extend(_to_info(meta, {}) for meta in chunk)
                if len(found) > page_size:
                    break
        page = tuple(found[:page_size])
        return ObjectPage(page, page[-1].key if len(found) > page_size else "")

    def key_from_url(self, url: str) -> str | None:
        """Return the key in a valid signed link to the gateway, if the gateway serves the objects."""
        links = self._options.suite_links
        return None if links is None else links.signer.key_from_url(url, links.public_url, time.time())

    def _limit_age(self, cache_control: str) -> str:
        if self.signer is not None:
            # The gateway limits it for each answer.
            return cache_control
        return limit_age(
            cache_control, self._options.cache_seconds if self._options.public_url else MIN_LIFETIME_SECONDS
        )

    async def _check_free(self, key: str) -> None:
        try:
            await self.head(key)
        except MediaError as error:
            if error.reason is Reason.NOT_FOUND:
                return
            raise
        raise MediaError(Reason.ALREADY_EXISTS)

    async def _read_chunks(self, found: obstore.GetResult) -> AsyncIterator[bytes]:
        with self._errors.translate():
            async for chunk in found.stream(min_chunk_size=_CHUNK_BYTES // 4):
                view = memoryview(chunk)
                for start in range(0, len(view), _CHUNK_BYTES):
                    yield bytes(view[start : start + _CHUNK_BYTES])


def _to_info(meta: obstore.ObjectMeta, attributes: Mapping[str, str]) -> ObjectInfo:
    return ObjectInfo(
        key=meta["path"],
        size_bytes=meta["size"],
        content_type=attributes.get("Content-Type", "application/octet-stream"),
        etag=(meta["e_tag"] or "").strip('"'),
        modified_at=meta["last_modified"],
        metadata={
            name.replace("-", "_"): _from_header(value) for name, value in attributes.items() if name not in _HEADERS
        },
        cache_control=attributes.get("Cache-Control", ""),
    )


def _to_header(text: str) -> str:
    """Return `text` as a header value: unchanged if possible, otherwise as an RFC 2047 encoded word."""
    if _HEADER_TEXT.fullmatch(text):
        return text
    return f"=?UTF-8?B?{pybase64.b64encode(text.encode()).decode()}?="


def _from_header(value: str) -> str:
    found = _ENCODED_WORD.fullmatch(value)
    try:
        return pybase64.b64decode(found[1], validate=True).decode() if found else value
    except ValueError:
        # Another writer stored this value; it is not an encoded word.
        return value
