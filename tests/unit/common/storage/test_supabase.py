"""The Supabase store: requests as its client sends them, statuses in bodies, two addresses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import MediaError, Reason
from services.common.storage import ObjectSpec, ObjectStore, open_object_store
from tests.fakes.supabase import FakeSupabase
from tests.unit.common.storage.conftest import PUBLIC_URL, make_supabase_settings

GOLDEN = Path(__file__).parents[3] / "golden" / "supabase"
SPEC = ObjectSpec("image/png", {"k": "v"})


def read_golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


async def put(store: ObjectStore, key: str = "a/b.png") -> None:
    await store.put(key, b"image", SPEC)


async def test_an_upload_is_the_request_of_the_official_client(supabase: FakeSupabase) -> None:
    async with open_object_store(make_supabase_settings(supabase)) as store:
        await store.put("a/b.png", b"image", SPEC, overwrite=True)
    sent, expected = supabase.requests[0], read_golden("upload")
    assert (sent.method, sent.path) == (expected["method"], "/storage/v1/object/media/a/b.png")
    assert [list(part) for part in sent.parts] == expected["parts"]
    headers = {name.lower(): value for name, value in sent.headers.items()}
    assert {name: headers[name] for name in expected["headers"]} == expected["headers"]


@pytest.mark.parametrize("name", ["sign", "remove", "list", "info"])
async def test_other_requests_are_those_of_the_official_client(supabase: FakeSupabase, name: str) -> None:
    async with open_object_store(make_supabase_settings(supabase, public=False)) as store:
        await put(store)
        supabase.requests.clear()
        work: dict[str, Any] = {
            "sign": lambda: store.url("a/b.png", lifetime_seconds=3600),
            "remove": lambda: store.delete("a/b.png"),
            "list": lambda: store.list("a/"),
            "info": lambda: store.head("a/b.png"),
        }
        await work[name]()
    sent, expected = supabase.requests[0], read_golden(name)
    if name == "list":
        # The page size is chosen by the store.
        expected["json"]["limit"] = 100
    assert (sent.method, sent.path, sent.json) == (expected["method"], expected["path"], expected["json"])
    assert sent.headers["Authorization"] == expected["headers"]["authorization"]


async def test_urls_have_the_public_address(supabase: FakeSupabase) -> None:
    async with open_object_store(make_supabase_settings(supabase)) as store:
        link = await store.url("a/b.png")
        assert (link.url, link.expires_at) == (f"{PUBLIC_URL}/storage/v1/object/public/media/a/b.png", None)
    async with open_object_store(make_supabase_settings(supabase, public=False)) as store:
        link = await store.url("a/b.png", lifetime_seconds=60)
        assert link.url == f"{PUBLIC_URL}/storage/v1/object/sign/media/a/b.png?token=a/b.png-60"
        assert link.expires_at is not None


@pytest.mark.parametrize(
    ("refusal", "reason", "quoted"),
    [
        (("404", "Bucket not found", "Bucket not found", "NoSuchBucket"), Reason.STORAGE_FAILED, "SUPABASE_BUCKET"),
        (("403", "Unauthorized", "new row violates", "AccessDenied"), Reason.STORAGE_FAILED, "SUPABASE_SERVICE_ROLE"),
        (("413", "Payload too large", "exceeded", "EntityTooLarge"), Reason.PAYLOAD_TOO_LARGE, "size"),
        (("415", "invalid_mime_type", "mime", "InvalidMimeType"), Reason.STORAGE_FAILED, "media type"),
        (("409", "Duplicate", "exists", "KeyAlreadyExists"), Reason.ALREADY_EXISTS, ""),
        (("544", "DatabaseTimeout", "timed out", "DatabaseTimeout"), Reason.STORAGE_FAILED, "make doctor"),
    ],
)
async def test_the_status_in_the_body_decides(
    supabase: FakeSupabase, refusal: tuple[str, str, str, str], reason: Reason, quoted: str
) -> None:
    supabase.refusal = refusal
    async with open_object_store(make_supabase_settings(supabase)) as store:
        with pytest.raises(MediaError) as caught:
            await put(store)
    assert caught.value.reason is reason
    assert quoted in caught.value.message


async def test_a_foreign_response_is_an_error_without_its_text(supabase: FakeSupabase) -> None:
    supabase.broken = True
    async with open_object_store(make_supabase_settings(supabase)) as store:
        for work in (put(store), store.head("a/b.png"), store.delete("a/b.png")):
            with pytest.raises(MediaError) as caught:
                await work
            assert caught.value.reason is Reason.STORAGE_FAILED
            assert "gateway" not in caught.value.message


async def test_a_missing_bucket_is_named(supabase: FakeSupabase) -> None:
    async with open_object_store(make_supabase_settings(supabase, bucket="other")) as store:
        with pytest.raises(MediaError) as caught:
            await put(store)
    assert "SUPABASE_BUCKET" in caught.value.message
