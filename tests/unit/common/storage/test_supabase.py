"""The Supabase store: requests as its client sends them, statuses in bodies, two addresses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.common.storage import ObjectSpec, ObjectStore, StorageSettings, open_object_store
from services.common.storage.keys import build_content_key, check_new_key, prefix_for
from services.common.storage.supabase import build_headers
from tests.fakes.supabase import VALID_KEY, FakeSupabase
from tests.unit.common.storage.conftest import PUBLIC_URL, make_supabase_settings

GOLDEN = Path(__file__).parents[3] / "golden" / "supabase"
SPEC = ObjectSpec("image/png", {"k": "v"})


def read_golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


async def put(store: ObjectStore, key: str = "a/b.png") -> None:
    await store.put(key, b"image", SPEC)


async def test_an_upload_is_the_request_of_the_official_client(supabase: FakeSupabase) -> None:
    settings = make_supabase_settings(supabase).model_copy(update={"cache_seconds": 31_536_000})
    async with open_object_store(settings) as store:
        await store.put("a/b.png", b"image", SPEC, overwrite=True)
    sent, expected = supabase.requests[0], read_golden("upload")
    assert (sent.method, sent.path) == (expected["method"], "/storage/v1/object/media/a/b.png")
    assert [list(part) for part in sent.parts] == expected["parts"]
    headers = {name.lower(): value for name, value in sent.headers.items()}
    # The client sends every key as a bearer token, too; a secret key is no JWT.
    expected["headers"].pop("authorization")
    assert {name: headers[name] for name in expected["headers"]} == expected["headers"]
    assert "authorization" not in headers
    assert headers["user-agent"].startswith("media-suite/")


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
    assert sent.headers["apikey"] == expected["headers"]["apikey"]
    assert "Authorization" not in sent.headers


async def test_urls_have_the_public_address(supabase: FakeSupabase) -> None:
    async with open_object_store(make_supabase_settings(supabase)) as store:
        link = await store.url("a/b.png")
        assert (link.url, link.expires_at) == (f"{PUBLIC_URL}/storage/v1/object/public/media/a/b.png", None)
    async with open_object_store(make_supabase_settings(supabase, public=False)) as store:
        link = await store.url("a/b.png", lifetime_seconds=60)
        assert link.url == f"{PUBLIC_URL}/storage/v1/object/sign/media/a/b.png?token=a/b.png-60"
        assert link.expires_at is not None


PERMANENT = [
    ("404", "Bucket not found", "NoSuchBucket", Reason.STORAGE_REFUSED, "SUPABASE_BUCKET"),
    ("403", "Unauthorized", "AccessDenied", Reason.STORAGE_REFUSED, "SUPABASE_SERVICE_ROLE"),
    ("400", "InvalidJWT", "InvalidJWT", Reason.STORAGE_REFUSED, "SUPABASE_SECRET_KEY"),
    ("400", "ExpiredToken", "ExpiredToken", Reason.STORAGE_REFUSED, "SUPABASE_SECRET_KEY"),
    ("413", "Payload too large", "EntityTooLarge", Reason.PAYLOAD_TOO_LARGE, "size"),
    ("415", "invalid_mime_type", "InvalidMimeType", Reason.STORAGE_REFUSED, "media type"),
    ("409", "Duplicate", "KeyAlreadyExists", Reason.ALREADY_EXISTS, ""),
    ("409", "Duplicate", "ResourceAlreadyExists", Reason.ALREADY_EXISTS, ""),
    ("400", "InvalidKey", "InvalidKey", Reason.VALIDATION_ERROR, "letters, digits"),
    ("400", "TenantNotFound", "TenantNotFound", Reason.STORAGE_REFUSED, "SUPABASE_URL"),
    ("400", "invalid_header_char", "InvalidRequest", Reason.STORAGE_REFUSED, "refuses"),
    ("409", "FeatureNotEnabled", "FeatureNotEnabled", Reason.STORAGE_REFUSED, "refuses"),
    ("418", "New", "CodeOfTomorrow", Reason.STORAGE_REFUSED, "refuses"),
]
TEMPORARY = [
    ("544", "DatabaseTimeout", "DatabaseTimeout"),
    ("503", "DatabaseConnectionLimit", "DatabaseConnectionLimit"),
    ("503", "acquiring_lock_timeout", "LockTimeout"),
    ("423", "ResourceLocked", "ResourceLocked"),
    ("409", "TransactionError", "TransactionError"),
    ("429", "SlowDown", "SlowDown"),
    ("400", "InvalidChecksum", "InvalidChecksum"),
    ("500", "InternalError", "InternalError"),
    ("500", "New", "CodeOfTomorrow"),
    ("429", "New", "CodeOfTomorrow"),
]


@pytest.mark.parametrize(
    ("refusal", "reason", "quoted"),
    [
        *(((status, error, "any text", code), reason, quoted) for status, error, code, reason, quoted in PERMANENT),
        *(
            ((status, error, "any text", code), Reason.STORAGE_FAILED, "make doctor")
            for status, error, code in TEMPORARY
        ),
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


@pytest.mark.parametrize(("key", "bearer"), [("sb_secret_TESTKEY", None), ("aa.bb.cc", "Bearer aa.bb.cc")])
def test_only_a_jwt_is_a_bearer_token(key: str, bearer: str | None) -> None:
    headers = build_headers(key)
    assert (headers["apikey"], headers.get("Authorization")) == (key, bearer)


@pytest.mark.parametrize("name", ["SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE"])
def test_the_key_is_read_under_both_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("SUPABASE_URL", "https://x.supabase.co")
    monkeypatch.setenv(name, "secret")
    settings = StorageSettings()
    assert (settings.supabase_service_role.get_secret_value(), settings.store_name) == ("secret", "supabase")


@given(st.text(max_size=100))
@example("auth0|5f7c8ec7c33c6c004bbafe82")
@example("me+you@example.com")
@example("spiffe://example.org/ns/default/sa/app")
@example("x" * 65)
@example("")
def test_the_keys_of_every_principal_follow_the_rule_of_the_server(principal: str) -> None:
    digest = "ab" + "0" * 62
    for key in (f"{prefix_for(principal)}goals/a.png", build_content_key(principal, digest, "png")):
        assert VALID_KEY.fullmatch(check_new_key(key))


@pytest.mark.parametrize("principal", ["auth0|5f7c8ec7c33c6c004bbafe82", "spiffe://example.org/app", "x" * 65, ""])
async def test_every_principal_can_store(supabase: FakeSupabase, principal: str) -> None:
    async with open_object_store(make_supabase_settings(supabase)) as store:
        await put(store, f"{prefix_for(principal)}a+b=c.png")
    assert list(supabase.objects) == [f"{prefix_for(principal)}a+b=c.png"]


@pytest.mark.parametrize(("public", "age"), [(True, "max-age=3600"), (False, "max-age=60")])
async def test_deleted_objects_leave_caches_soon(supabase: FakeSupabase, public: bool, age: str) -> None:
    async with open_object_store(make_supabase_settings(supabase, public=public)) as store:
        assert (await store.put("a/b.png", b"image", SPEC)).cache_control == age
