"""The S3 store: links, public URLs and errors of the configuration."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

from services.common.errors import MediaError, Reason
from services.common.settings import ConfigurationError
from services.common.storage import ObjectSpec, StorageSettings, open_object_store
from tests.fakes.web_host import run_web_host
from tests.unit.common.storage.conftest import make_s3_settings

SPEC = ObjectSpec("image/png", {"owner": "alice"}, "public, max-age=60")


async def test_a_signed_link_reads_the_object_with_its_headers(s3_url: str) -> None:
    async with open_object_store(make_s3_settings(s3_url)) as store, aiohttp.ClientSession() as session:
        await store.put("a/b.png", b"image", SPEC)
        link = await store.url("a/b.png", lifetime_seconds=60)
        assert link.expires_at is not None
        async with session.get(link.url) as answer:
            assert (answer.status, answer.content_type, await answer.read()) == (200, "image/png", b"image")
            assert answer.headers["Cache-Control"] == "public, max-age=60"


async def test_urls_of_a_public_bucket_do_not_expire(s3_url: str) -> None:
    settings = make_s3_settings(s3_url).model_copy(update={"s3_public_url": "https://cdn.example.com/"})
    async with open_object_store(settings) as store:
        link = await store.url("a/b=c.png")
    assert (link.url, link.expires_at) == ("https://cdn.example.com/a/b%3Dc.png", None)


async def test_a_missing_bucket_is_named(s3_url: str) -> None:
    async with open_object_store(make_s3_settings(s3_url, bucket="no-such-bucket")) as store:
        for work in (store.put("a", b"x", SPEC), store.list("")):
            with pytest.raises(MediaError) as caught:
                await work
            assert caught.value.reason is Reason.STORAGE_REFUSED
            assert "S3_BUCKET" in caught.value.message


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"])
async def test_refused_credentials_are_named_without_quoting_the_server(code: str) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=403, text=f"<Error><Code>{code}</Code><Message>AKIA of mine</Message></Error>")

    async with run_web_host() as host:
        host.pages["/any"] = host.pages["/any/a/b"] = refuse
        async with open_object_store(make_s3_settings(f"http://127.0.0.1:{host.port}", bucket="any")) as store:
            for work in (store.put("a/b", b"x", SPEC), store.head("a/b"), store.list(""), store.delete("a/b")):
                with pytest.raises(MediaError) as caught:
                    await work
                assert caught.value.reason is Reason.STORAGE_REFUSED
                assert "S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY" in caught.value.message
                assert "AKIA" not in caught.value.message


@pytest.mark.parametrize(
    ("status", "code", "reason", "quoted"),
    [
        (403, "RequestTimeTooSkewed", Reason.STORAGE_REFUSED, "clock"),
        (400, "AuthorizationHeaderMalformed", Reason.STORAGE_REFUSED, "S3_REGION"),
        (301, "PermanentRedirect", Reason.STORAGE_REFUSED, "S3_REGION"),
        (400, "ExpiredToken", Reason.STORAGE_REFUSED, "S3_ACCESS_KEY_ID"),
        (400, "KMS.DisabledException", Reason.STORAGE_REFUSED, "encryption"),
        (400, "EntityTooLarge", Reason.PAYLOAD_TOO_LARGE, "size"),
        (400, "KeyTooLongError", Reason.VALIDATION_ERROR, "key"),
        (400, "CodeOfTomorrow", Reason.STORAGE_REFUSED, "refuses"),
        (403, "QuotaExceeded", Reason.STORAGE_REFUSED, "account"),
        (409, "OperationAborted", Reason.STORAGE_FAILED, "make doctor"),
        (429, "CodeOfTomorrow", Reason.STORAGE_FAILED, "make doctor"),
        (400, "RequestTimeout", Reason.STORAGE_FAILED, "make doctor"),
    ],
)
async def test_refusals_for_good_are_told_from_failures_that_pass(
    status: int, code: str, reason: Reason, quoted: str
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status, text=f"<Error><Code>{code}</Code><Message>secret</Message></Error>")

    async with run_web_host() as host:
        host.pages["/any/a/b"] = refuse
        async with open_object_store(make_s3_settings(f"http://127.0.0.1:{host.port}", bucket="any")) as store:
            with pytest.raises(MediaError) as caught:
                await store.put("a/b", b"x", SPEC)
    assert caught.value.reason is reason
    assert quoted in caught.value.message
    assert "secret" not in caught.value.message


async def test_an_unreachable_server_is_an_error() -> None:
    settings = make_s3_settings("http://127.0.0.1:9", bucket="any")
    async with open_object_store(settings) as store:
        with pytest.raises(MediaError) as caught:
            await store.put("a", b"x", SPEC)
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert "make doctor" in caught.value.message


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        (StorageSettings(storage="s3"), ["S3_BUCKET"]),
        (StorageSettings(storage="spaces"), ["DIGITALOCEAN_SPACES_SECRET", "DIGITALOCEAN_SPACES_BUCKET"]),
        (StorageSettings(storage="supabase"), ["SUPABASE_URL", "SUPABASE_SERVICE_ROLE"]),
    ],
)
async def test_a_partly_configured_store_is_refused_by_its_variables(
    settings: StorageSettings, missing: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        async with open_object_store(settings):
            raise AssertionError("it must not open")
    assert all(variable in str(caught.value) for variable in missing)


async def test_spaces_are_addressed_in_their_region() -> None:
    settings = StorageSettings(spaces_key="key", spaces_secret="secret", spaces_region="fra1", spaces_bucket="images")
    assert settings.store_name == "spaces"
    async with open_object_store(settings) as store:
        link = await store.url("a/b.png")
    assert link.url.startswith("https://fra1.digitaloceanspaces.com/images/a/b.png?")
