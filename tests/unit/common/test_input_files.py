"""Input files by URL, as a data URI, or by the key of an object that the caller owns."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest

from services.common.errors import MediaError, Reason
from services.common.fetch import FetchOptions, open_fetcher
from services.common.fetch.addresses import AddressPolicy
from services.common.input_files import InputFiles
from services.common.storage import ObjectSpec
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.web_host import WebHost, run_web_host

CAT = b"\x89PNG" + bytes(range(256)) * 4
MUCH = 1_000_000
OWN, SIGNED, FOREIGN, NOBODYS, ANOTHERS = (
    "users/alice/cat.png",
    "images/2026/11/own.png",
    "users/bob/cat.png",
    "images/2026/11/nobodys.png",
    "images/2026/11/bobs.png",
)


@pytest.fixture
async def host() -> AsyncIterator[WebHost]:
    async with run_web_host() as running:
        running.file("/cat.png", CAT)
        yield running


@pytest.fixture
async def store() -> FakeObjectStore:
    store = FakeObjectStore()
    for key, owner in ((OWN, ""), (SIGNED, "alice"), (FOREIGN, ""), (NOBODYS, ""), (ANOTHERS, "bob")):
        await store.put(key, CAT, ObjectSpec("image/png", {"owner": owner} if owner else {}))
    return store


@pytest.fixture
async def files(store: FakeObjectStore, host: WebHost) -> AsyncIterator[InputFiles]:
    async with open_fetcher(FetchOptions(AddressPolicy.parse([f"127.0.0.1:{host.port}"]), 5)) as downloads:
        yield InputFiles(downloads, store)


async def catch_refusal(
    files: InputFiles, url: str = "", key: str = "", principal: str = "alice", max_bytes: int = MUCH
) -> MediaError:
    with pytest.raises(MediaError) as caught:
        await files.read(url, key, principal, max_bytes=max_bytes)
    return caught.value


def list_fields(error: MediaError) -> list[str]:
    return [item.field for item in error.violations]


def make_data_uri(data: bytes, head: str = "data:image/png;base64") -> str:
    return f"{head},{base64.b64encode(data).decode()}"


async def test_a_url_is_fetched(files: InputFiles, host: WebHost) -> None:
    assert await files.read(host.url("/cat.png?a=b"), "", "alice", max_bytes=len(CAT)) == CAT
    assert host.requests == [("GET", "/cat.png?a=b")]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", Reason.VALIDATION_ERROR),
        ("cat.png", Reason.VALIDATION_ERROR),
        ("file:///etc/passwd", Reason.VALIDATION_ERROR),
        ("http://169.254.169.254/", Reason.URL_FORBIDDEN),
        ("http://127.0.0.1:{port}/gone", Reason.URL_UNREACHABLE),
    ],
)
async def test_a_forbidden_or_unreachable_url_is_refused_by_field(
    files: InputFiles, host: WebHost, url: str, reason: Reason
) -> None:
    error = await catch_refusal(files, url.format(port=host.port))
    assert (error.reason, list_fields(error)) == (reason, ["image_url"])


async def test_a_url_of_a_too_large_file_is_refused(files: InputFiles, host: WebHost) -> None:
    error = await catch_refusal(files, host.url("/cat.png"), max_bytes=len(CAT) - 1)
    assert (error.reason, list_fields(error)) == (Reason.PAYLOAD_TOO_LARGE, ["image_url"])


@pytest.mark.parametrize(
    "head",
    ["data:image/png;base64", "DATA:image/png;BASE64", "data:image/svg+xml;charset=utf-8;base64", "data:;base64"],
)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000, 300_000])
async def test_a_data_uri_is_decoded_without_a_download(files: InputFiles, host: WebHost, head: str, size: int) -> None:
    data = (CAT * (size // len(CAT) + 1))[:size]
    assert await files.read(make_data_uri(data, head), "", "alice", max_bytes=MUCH) == data
    assert host.requests == []


@pytest.mark.parametrize("uri", ["data:", "data:image/png;base64", "data:;base64," + "A" * 300_000 + "!"])
async def test_a_malformed_data_uri_is_refused_and_names_the_field(files: InputFiles, uri: str) -> None:
    error = await catch_refusal(files, uri)
    assert (error.reason, list_fields(error)) == (Reason.VALIDATION_ERROR, ["image_url"])


async def test_a_too_large_data_uri_is_refused_before_it_is_decoded(files: InputFiles) -> None:
    error = await catch_refusal(files, make_data_uri(bytes(3003)), max_bytes=3000)
    assert error.reason is Reason.PAYLOAD_TOO_LARGE
    assert "image_url" in error.message
    assert "3000" in error.message
    # Not valid base64: refused by its length before it is decoded.
    assert (await catch_refusal(files, "data:;base64," + "!" * 5000, max_bytes=3000)).reason is Reason.PAYLOAD_TOO_LARGE


@pytest.mark.parametrize("size", [3000, 3001, 3002])
async def test_a_data_uri_of_the_maximum_size_is_accepted(files: InputFiles, size: int) -> None:
    assert await files.read(make_data_uri(bytes(size)), "", "alice", max_bytes=size) == bytes(size)


@pytest.mark.parametrize("key", [OWN, SIGNED])
async def test_an_own_object_is_read(files: InputFiles, host: WebHost, key: str) -> None:
    assert await files.read("", key, "alice", max_bytes=len(CAT)) == CAT
    assert host.requests == []


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("../etc/passwd", Reason.VALIDATION_ERROR),
        ("a//b", Reason.VALIDATION_ERROR),
        ("/a", Reason.VALIDATION_ERROR),
        ("users/", Reason.VALIDATION_ERROR),
        (FOREIGN, Reason.PERMISSION_DENIED),
        ("users/bob/absent.png", Reason.PERMISSION_DENIED),
        ("users/alice/absent.png", Reason.NOT_FOUND),
        ("images/2026/11/absent.png", Reason.NOT_FOUND),
        # The error must not show whether an object of another caller exists.
        (NOBODYS, Reason.NOT_FOUND),
        (ANOTHERS, Reason.NOT_FOUND),
    ],
)
async def test_a_foreign_or_invalid_key_is_refused_by_field(files: InputFiles, key: str, reason: Reason) -> None:
    error = await catch_refusal(files, key=key)
    assert (error.reason, list_fields(error)) == (reason, ["image_key"])


async def test_missing_and_foreign_objects_have_the_same_error(files: InputFiles) -> None:
    absent, anothers = (
        await catch_refusal(files, key="images/2026/11/absent.png"),
        await catch_refusal(files, key=ANOTHERS),
    )
    assert absent.message == anothers.message


async def test_a_call_without_a_principal_owns_no_object_of_others(files: InputFiles) -> None:
    for key in (OWN, SIGNED, NOBODYS, ANOTHERS):
        error = await catch_refusal(files, key=key, principal="")
        assert error.reason in (Reason.PERMISSION_DENIED, Reason.NOT_FOUND)


async def test_an_object_that_is_too_large_is_refused(files: InputFiles) -> None:
    assert (await catch_refusal(files, key=OWN, max_bytes=len(CAT) - 1)).reason is Reason.PAYLOAD_TOO_LARGE


async def test_a_failing_store_is_not_an_error_of_the_caller(files: InputFiles, store: FakeObjectStore) -> None:
    store.unreadable = True
    assert (await catch_refusal(files, key=OWN)).reason is Reason.STORAGE_FAILED


async def test_the_metadata_of_an_owned_object_is_returned(files: InputFiles) -> None:
    info = await files.find_owned(OWN, "alice", "video.key")
    assert (info.key, info.size_bytes, info.content_type) == (OWN, len(CAT), "image/png")
    with pytest.raises(MediaError) as caught:
        await files.find_owned(ANOTHERS, "alice", "video.key")
    assert list_fields(caught.value) == ["video.key"]
