"""Links to own objects: recognized by the store that signed them, and read without the network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.common.fetch import FetchOptions, open_fetcher
from services.common.input_files import InputFiles
from services.common.storage import ObjectSpec, ObjectStore, open_object_store
from services.common.storage.signed_urls import UrlSigner
from tests.fakes.object_store import FakeObjectStore
from tests.unit.common.storage.conftest import PUBLIC_URL, make_local_settings

KEY = "images/2026/11/a-b=c+d@e.png"
IMAGE = b"\x89PNG" + bytes(1000)
SIGNER = UrlSigner(b"k" * 32)
NOW = 1_800_000_000

segments = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=20)
keys = st.lists(segments, min_size=1, max_size=4).map("/".join)


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    async with open_object_store(make_local_settings(tmp_path)) as store:
        await store.put(KEY, IMAGE, ObjectSpec("image/png", {"owner": "bob"}))
        yield store


@pytest.fixture
async def files(local: ObjectStore) -> AsyncIterator[InputFiles]:
    # Nothing private may be fetched, so whatever is read did not come through the network.
    async with open_fetcher(FetchOptions()) as downloads:
        yield InputFiles(downloads, local)


async def get_error(files: InputFiles, url: str, max_bytes: int = 5000) -> MediaError:
    with pytest.raises(MediaError) as caught:
        await files.read(url, "", "alice", max_bytes=max_bytes)
    return caught.value


@given(keys)
@example("a?b=c&expires=1#d/e%2Ff")
def test_the_key_in_a_link_is_the_signed_one(key: str) -> None:
    link = f"{PUBLIC_URL}{SIGNER.build_path(key, NOW + 1)}"
    assert SIGNER.key_from_url(link, PUBLIC_URL, NOW) == key
    assert SIGNER.key_from_url(link, PUBLIC_URL, NOW + 1) is None
    assert UrlSigner(b"another" * 5).key_from_url(link, PUBLIC_URL, NOW) is None


@given(keys, keys)
def test_a_link_does_not_lead_to_another_object(key: str, other: str) -> None:
    _, _, query = SIGNER.build_path(key, NOW + 1).partition("?")
    found = SIGNER.key_from_url(f"{PUBLIC_URL}/media/{quote(other, safe='/')}?{query}", PUBLIC_URL, NOW)
    assert found == (key if other == key else None)


@given(st.text())
@example(f"{PUBLIC_URL}/media/")
@example(f"{PUBLIC_URL}/media/a?expires=&signature=")
@example(f"{PUBLIC_URL}/media/a?expires={NOW + 1}")
@example(f"{PUBLIC_URL}/media/a?expires=\u00b2&signature=\u00e4")
@example(f"{PUBLIC_URL}/media/%ff?expires={NOW + 1}&signature=%ff")
@example(f"{PUBLIC_URL}.evil.example/media/a?expires={NOW + 1}&signature=x")
def test_an_unsigned_text_is_not_an_own_link(text: str) -> None:
    for url in (text, f"{PUBLIC_URL}/media/{text}"):
        assert SIGNER.key_from_url(url, PUBLIC_URL, NOW) is None


@pytest.mark.parametrize("public_url", ["http://suite.example", "https://suite.example/base", "http://[::1]:8080"])
def test_other_spellings_of_an_own_link_are_own_links(public_url: str) -> None:
    link = f"{public_url}{SIGNER.build_path(KEY, NOW + 1)}"
    scheme, _, rest = link.partition("://")
    host, slash, path = rest.partition("/")
    port = {"http": "80", "https": "443"}[scheme]
    with_port = host if host.endswith("8080") else f"{host}:{port}"
    for other in (f"{link}#t=10", f"{scheme.upper()}://{host.upper()}{slash}{path}", f"{scheme}://{with_port}/{path}"):
        assert SIGNER.key_from_url(other, public_url, NOW) == KEY
    for wrong in (f"{scheme}://user@{rest}", f"{scheme}://{host}:1{slash}{path}", "http://[::1", f"x{link}"):
        assert SIGNER.key_from_url(wrong, public_url, NOW) is None


async def test_a_local_store_recognizes_its_links_until_they_expire(local: ObjectStore) -> None:
    link = (await local.url(KEY)).url
    assert local.key_from_url(link) == KEY
    # The object itself need not exist.
    assert local.key_from_url((await local.url("images/absent.png")).url) == "images/absent.png"
    assert local.key_from_url((await local.url(KEY, lifetime_seconds=-1)).url) is None
    for wrong in (link[:-1], link.replace(PUBLIC_URL, "https://evil.example"), link.partition("?")[0], "", KEY):
        assert local.key_from_url(wrong) is None


async def test_links_of_another_local_store_are_not_recognized(local: ObjectStore, tmp_path: Path) -> None:
    async with open_object_store(make_local_settings(tmp_path / "other")) as other:
        assert local.key_from_url((await other.url(KEY)).url) is None


async def test_links_to_a_bucket_are_not_own_links(store: ObjectStore) -> None:
    await store.put(KEY, IMAGE, ObjectSpec("image/png"))
    found = store.key_from_url((await store.url(KEY)).url)
    assert found == (KEY if store.name == "local" else None)
    assert FakeObjectStore().key_from_url(f"{PUBLIC_URL}/media/{KEY}") is None


async def test_an_own_link_is_read_without_the_network(files: InputFiles, local: ObjectStore) -> None:
    # The link alone grants access; the object belongs to another principal.
    link = (await local.url(KEY)).url
    assert await files.read(link, "", "alice", max_bytes=len(IMAGE)) == IMAGE


async def test_an_own_link_to_a_large_or_missing_object_is_refused(files: InputFiles, local: ObjectStore) -> None:
    link = (await local.url(KEY)).url
    too_large = await get_error(files, link, len(IMAGE) - 1)
    await local.delete(KEY)
    gone = await get_error(files, link)
    assert (too_large.reason, gone.reason) == (Reason.PAYLOAD_TOO_LARGE, Reason.NOT_FOUND)
    assert [item.field for error in (too_large, gone) for item in error.violations] == ["image_url"] * 2


@pytest.mark.parametrize("host", ["http://127.0.0.1:8080", "http://169.254.169.254", "http://localhost"])
async def test_a_link_that_only_resembles_an_own_one_is_checked_like_any_url(
    files: InputFiles, local: ObjectStore, host: str
) -> None:
    link = (await local.url(KEY)).url
    assert (await get_error(files, link.replace(PUBLIC_URL, host))).reason is Reason.URL_FORBIDDEN
