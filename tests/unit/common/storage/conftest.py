"""Fixtures: an empty store of every kind."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.common.storage import ObjectStore, StorageSettings, open_object_store
from tests.fakes.s3 import ACCESS_KEY, SECRET_KEY, create_bucket, run_s3
from tests.fakes.supabase import BUCKET, SERVICE_ROLE, FakeSupabase, run_supabase

PUBLIC_URL = "https://media.example.com"


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """Yield the address of a server with the S3 protocol."""
    with run_s3() as url:
        yield url


@pytest.fixture
async def supabase() -> AsyncIterator[FakeSupabase]:
    """Yield a fake Supabase."""
    async with run_supabase() as fake:
        yield fake


def make_local_settings(folder: Path) -> StorageSettings:
    """Return the settings of a local store."""
    return StorageSettings(storage="local", storage_dir=folder, public_url=PUBLIC_URL)


def make_s3_settings(url: str, bucket: str = "", secret: str = SECRET_KEY) -> StorageSettings:
    """Return the settings of a bucket, a new one if none is named."""
    if not bucket:
        bucket = f"bucket-{secrets.token_hex(8)}"
        create_bucket(url, bucket)
    return StorageSettings(
        storage="s3",
        s3_bucket=bucket,
        s3_endpoint=url,
        s3_access_key_id=SecretStr(ACCESS_KEY),
        s3_secret_access_key=SecretStr(secret),
    )


def make_supabase_settings(fake: FakeSupabase, *, public: bool = True, bucket: str = BUCKET) -> StorageSettings:
    """Return the settings of the bucket of `fake`."""
    return StorageSettings(
        storage="supabase",
        supabase_url=fake.base_url,
        supabase_service_role=SecretStr(SERVICE_ROLE),
        supabase_bucket=bucket,
        supabase_bucket_public=public,
        supabase_public_url=PUBLIC_URL,
    )


@pytest.fixture(params=["local", "s3", "supabase"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    """Yield an empty store of each kind."""
    if request.param == "local":
        settings = make_local_settings(tmp_path)
    elif request.param == "s3":
        settings = make_s3_settings(request.getfixturevalue("s3_url"))
    else:
        settings = None
    if settings is not None:
        async with open_object_store(settings) as store:
            yield store
        return
    async with run_supabase() as fake, open_object_store(make_supabase_settings(fake)) as store:
        yield store
