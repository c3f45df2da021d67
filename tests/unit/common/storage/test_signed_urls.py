"""Signed links: valid for one object until they expire."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.common.storage.signed_urls import UrlSigner, load_shared_secret

SIGNER = UrlSigner(b"secret")


def split_link(link: str) -> tuple[str, str, str]:
    split = urlsplit(link)
    query = parse_qs(split.query)
    return unquote(split.path.removeprefix("/media/")), query["expires"][0], query["signature"][0]


def get_refusal(key: str, expires: str, signature: str, now: float = 0) -> str:
    with pytest.raises(MediaError) as caught:
        SIGNER.check(key, expires, signature, now)
    assert caught.value.reason is Reason.PERMISSION_DENIED
    return caught.value.message


def test_a_link_is_valid_until_it_expires() -> None:
    key, expires, signature = split_link(SIGNER.build_path("images/2026/11/a~b=c+d@e.webp", 1000))
    assert key == "images/2026/11/a~b=c+d@e.webp"
    SIGNER.check(key, expires, signature, 999.9)
    assert "has expired" in get_refusal(key, expires, signature, 1000)


def test_a_link_is_for_one_object_and_one_time() -> None:
    key, expires, signature = split_link(SIGNER.build_path("images/one.webp", 1000))
    assert "not valid" in get_refusal("images/two.webp", expires, signature)
    assert "not valid" in get_refusal(key, "2000", signature)
    assert "not valid" in get_refusal(key, expires, signature[:-1])
    with pytest.raises(MediaError):
        UrlSigner(b"another").check(key, expires, signature, 0)


@given(st.text(), st.text(), st.text())
@example("images/one.webp", "9" * 5000, "x")
def test_an_unsigned_link_is_refused(key: str, expires: str, signature: str) -> None:
    assert "not valid" in get_refusal(key, expires, signature)


def test_processes_that_start_together_agree_on_one_secret(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "signing.key"
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: load_shared_secret(file), range(16)))
    assert len(secrets) == 1
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in file.parent.iterdir()] == ["signing.key"]
    assert len(load_shared_secret(file)) == 32


def test_an_own_link_is_recognized_by_its_signature() -> None:
    signer = UrlSigner(b"k" * 32)
    link = f"http://suite.example{signer.build_path('images/a b.png', 2000)}"
    assert signer.key_from_url(link, "http://suite.example", 1999) == "images/a b.png"
    assert signer.key_from_url(link, "http://suite.example", 2001) is None
    assert signer.key_from_url(link, "http://other.example", 1999) is None
    assert signer.key_from_url(link.replace("a%20b", "b"), "http://suite.example", 1999) is None
    assert signer.key_from_url(link.partition("?")[0], "http://suite.example", 1999) is None
