"""Server-side encryption in S3 and Spaces: what the server is told, who can read, and what is refused at the start."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from services.common.diagnostics import Level
from services.common.errors import MediaError, Reason
from services.common.settings import ConfigurationError
from services.common.storage import IMMUTABLE, ObjectSpec, StorageSettings, open_object_store, read_all
from services.common.storage.factory import diagnose_storage
from tests.fakes.gateway import run_gateway
from tests.fakes.s3 import ACCESS_KEY, SECRET_KEY
from tests.fakes.strict_s3 import UNKNOWN_KMS_KEY
from tests.unit.common.storage.conftest import make_s3_settings

SPEC = ObjectSpec("image/png", {"owner": "alice"}, IMMUTABLE)
KEY = "users/alice/a.png"
CUSTOMER_KEY = SecretStr(base64.b64encode(b"k" * 32).decode())


def extend(settings: StorageSettings, **fields: Any) -> StorageSettings:
    return settings.model_copy(update=fields)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"s3_encryption": "AES256"}, "AES256"),
        ({"s3_encryption": "aws:kms"}, "aws:kms"),
        ({"s3_encryption": "aws:kms:dsse", "s3_kms_key_id": "key-1"}, "aws:kms:dsse"),
    ],
)
async def test_the_server_encrypts_as_configured(s3_url: str, fields: Mapping[str, str], kind: str) -> None:
    async def send_pieces() -> Any:
        for _ in range(2):
            yield bytes(6 * 1024 * 1024)

    async with open_object_store(extend(make_s3_settings(s3_url), **fields)) as store, aiohttp.ClientSession() as http:
        await store.put(KEY, b"image", SPEC)
        await store.put("users/alice/b.png", send_pieces(), SPEC)
        for key in (KEY, "users/alice/b.png"):
            async with http.get((await store.url(key)).url) as answer:
                assert answer.status == 200
                assert answer.headers["x-amz-server-side-encryption"] == kind


async def test_an_unknown_key_of_the_key_service_is_a_refusal_for_good(s3_url: str) -> None:
    settings = extend(make_s3_settings(s3_url), s3_encryption="aws:kms", s3_kms_key_id=UNKNOWN_KMS_KEY)
    async with open_object_store(settings) as store:
        with pytest.raises(MediaError) as caught:
            await store.put(KEY, b"image", SPEC)
    assert caught.value.reason is Reason.STORAGE_REFUSED
    assert "S3_KMS_KEY_ID" in caught.value.message


async def test_objects_with_a_customer_key_are_read_through_the_suite(s3_url: str) -> None:
    plain = make_s3_settings(s3_url)
    settings = extend(plain, s3_customer_key=CUSTOMER_KEY, url_signing_key=SecretStr("secret"))
    async with open_object_store(settings) as store, run_gateway(storage=settings) as http:
        with pytest.raises(MediaError) as missing:
            await store.head(KEY)
        assert missing.value.reason is Reason.NOT_FOUND
        await store.put(KEY, b"image", SPEC)
        assert (await read_all(store, KEY, max_bytes=5))[0] == b"image"
        link = await store.url(KEY)
        assert link.url.startswith("http://localhost:8080/media/users/alice/a.png?")
        assert store.key_from_url(link.url) == KEY
        async with http.get(link.url.removeprefix("http://localhost:8080"), headers={"Range": "bytes=1-2"}) as answer:
            assert (answer.status, await answer.read()) == (206, b"ma")
            assert answer.headers["Cache-Control"] == "public, max-age=3600"
    async with open_object_store(plain) as without_key:
        with pytest.raises(MediaError) as caught:
            await without_key.head(KEY)
        assert caught.value.reason is Reason.STORAGE_REFUSED


@pytest.mark.parametrize(
    ("fields", "variable"),
    [
        ({"s3_customer_key": SecretStr("short")}, "S3_CUSTOMER_KEY"),
        ({"s3_customer_key": CUSTOMER_KEY, "s3_public_url": "https://cdn.example.com"}, "S3_PUBLIC_URL"),
        ({"s3_customer_key": CUSTOMER_KEY, "s3_encryption": "AES256"}, "S3_ENCRYPTION"),
        ({"s3_kms_key_id": "key-1"}, "S3_KMS_KEY_ID"),
        (
            {"storage": "spaces", "spaces_customer_key": CUSTOMER_KEY, "spaces_cdn": "https://cdn.example.com"},
            "DIGITALOCEAN_SPACES_CDN",
        ),
    ],
)
async def test_contradictions_are_refused_at_the_start_and_by_the_doctor(
    fields: Mapping[str, Any], variable: str
) -> None:
    complete = {"spaces_key": "k", "spaces_secret": "s", "spaces_bucket": "b"}
    settings = StorageSettings(**{"storage": "s3", "s3_bucket": "b", **complete, **fields})
    with pytest.raises(ConfigurationError) as caught:
        async with open_object_store(settings):
            raise AssertionError("it must not open")
    assert variable in str(caught.value)
    problems = [item for item in diagnose_storage(settings) if item.level is Level.PROBLEM]
    assert any(variable in str(item) for item in problems)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "public, max-age=60"),
        ({"s3_public_url": "https://cdn.example.com"}, "public, max-age=3600"),
        ({"s3_public_url": "https://cdn.example.com", "cache_seconds": 86_400}, "public, max-age=86400"),
    ],
)
async def test_deleted_objects_leave_caches_soon(s3_url: str, fields: Mapping[str, Any], expected: str) -> None:
    async with open_object_store(extend(make_s3_settings(s3_url), **fields)) as store:
        stored = await store.put(KEY, b"image", SPEC)
        private = await store.put("cache/a", b"x", ObjectSpec("image/png", cache_control="private, no-store"))
    assert (stored.cache_control, private.cache_control) == (expected, "private, no-store")


async def test_spaces_can_be_at_any_address(s3_url: str) -> None:
    bucket = make_s3_settings(s3_url).s3_bucket
    settings = StorageSettings(
        storage="spaces",
        spaces_key=SecretStr(ACCESS_KEY),
        spaces_secret=SecretStr(SECRET_KEY),
        spaces_bucket=bucket,
        spaces_endpoint=f"{s3_url}/",
        spaces_cdn="https://cdn.example.com",
    )
    async with open_object_store(settings) as store:
        await store.put(KEY, b"image", SPEC)
        assert (await read_all(store, KEY, max_bytes=5))[0] == b"image"
    assert any("policy of the bucket" in str(item) for item in diagnose_storage(settings))
