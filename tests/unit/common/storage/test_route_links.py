"""Signed links to routes: for one path, one owner and one time."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.common.storage import RouteLinks
from services.common.storage.signed_urls import UrlSigner

SIGNER = UrlSigner(b"secret")
LINKS = RouteLinks(SIGNER, "https://media.example.com", 60)
OWNERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


def split_link(link: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(link)
    return unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))


def get_refusal(path: str, query: dict[str, str]) -> str:
    with pytest.raises(MediaError) as caught:
        LINKS.check(path, query)
    assert caught.value.reason is Reason.PERMISSION_DENIED
    return caught.value.message


@given(OWNERS)
@example("auth0|5f7c8ec7c33c6c004bbafe82")
@example("me+you@example.com")
@example("")
def test_a_link_names_its_owner(owner: str) -> None:
    path, query = split_link(LINKS.build("/api/jobs/1/events", owner).url)
    found, left_seconds = LINKS.check(path, query)
    assert (path, found) == ("/api/jobs/1/events", owner)
    assert 0 < left_seconds <= 60


def test_a_link_is_for_one_path_one_owner_and_one_time() -> None:
    path, query = split_link(LINKS.build("/api/jobs/1/events", "alice").url)
    assert "not valid" in get_refusal("/api/jobs/2/events", query)
    assert "not valid" in get_refusal(path, {**query, "owner": "bob"})
    assert "not valid" in get_refusal(path, {**query, "expires": str(int(query["expires"]) + 1)})
    assert "not valid" in get_refusal(path, {})
    expired = RouteLinks(SIGNER, "", -1).build(path, "alice").url
    assert "has expired" in get_refusal(path, split_link(expired)[1])


def test_a_link_to_an_object_is_no_link_to_a_route() -> None:
    _, query = split_link(SIGNER.build_path("api/jobs/1/events", 9_999_999_999))
    assert "not valid" in get_refusal("/api/jobs/1/events", query)
    assert "not valid" in get_refusal("/api/jobs/1/events", {**query, "owner": ""})
