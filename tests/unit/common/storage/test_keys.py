"""Object keys: valid and invalid ones, their owners, and that none leads out of the store."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.common.storage import ObjectInfo
from services.common.storage.keys import (
    MAX_KEY_BYTES,
    belongs_to,
    build_content_key,
    check_key,
    check_new_key,
    list_input_keys,
    list_prefixes,
    new_key,
    prefix_for,
    resolve_own_key,
)

NOVEMBER = datetime(2026, 11, 21, tzinfo=UTC)


def make_info(key: str, **metadata: str) -> ObjectInfo:
    return ObjectInfo(key, 1, "image/png", "etag", NOVEMBER, metadata)


def get_error(key: str, principal: str = "alice") -> MediaError:
    with pytest.raises(MediaError) as caught:
        resolve_own_key(key, principal, "object_key")
    return caught.value


@given(st.text(alphabet="aZ9._~=+@-/\\%\0\nä ", max_size=40))
@example("../x")
@example("a/./b")
def test_no_key_leads_out_of_the_folder(key: str) -> None:
    try:
        check_key(key)
    except MediaError:
        return
    folder = Path("/store")
    inside = folder / key
    assert inside.resolve().is_relative_to(folder)
    assert str(inside.resolve()) == f"/store/{key}"


@pytest.mark.parametrize("key", ["a", "a/b.png", "users/=internal/x", "A-1_2=3+4@5.6", "x" * 200, "a/" * 511 + "ab"])
def test_hierarchical_keys_of_plain_letters_are_accepted(key: str) -> None:
    assert check_key(key) == check_new_key(key) == key


def test_a_tilde_stays_readable_and_is_refused_in_new_keys() -> None:
    assert check_key("users/~internal/a~b.png") == "users/~internal/a~b.png"
    with pytest.raises(MediaError) as caught:
        check_new_key("users/alice/a~b.png", "object_key")
    assert "._=+@-" in caught.value.violations[0].description


@pytest.mark.parametrize(
    "key", ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", ".hidden", "a/.b", "x" * 201, "a/" * 512 + "ab", "a?b", "é"]
)
def test_other_keys_are_refused_by_field(key: str) -> None:
    with pytest.raises(MediaError) as caught:
        check_key(key, "image_key")
    assert [item.field for item in caught.value.violations] == ["image_key"]


@given(st.text(max_size=80), st.text(max_size=80))
@example("", "=internal")
@example("", "~internal")
@example("a/b", "a")
@example("..", ".")
def test_two_principals_never_share_a_prefix(first: str, second: str) -> None:
    mine, theirs = list_prefixes(first), list_prefixes(second)
    assert mine[0] == prefix_for(first)
    assert check_new_key(f"{mine[0]}x") == f"{mine[0]}x"
    if first != second:
        assert not any(prefix.startswith(theirs) for prefix in mine)
        assert not any(prefix.startswith(mine) for prefix in theirs)


def test_a_plain_principal_is_part_of_the_prefix() -> None:
    assert prefix_for("alice@example.com") == "users/alice@example.com/"
    assert prefix_for("") == "users/=internal/"
    assert re.fullmatch(r"users/=[0-9a-f]{32}/", prefix_for("auth0|123"))


def test_objects_under_earlier_prefixes_stay_with_their_owners() -> None:
    current, earlier = list_prefixes("auth0|123")
    assert earlier == current.replace("=", "~")
    assert list_input_keys(f"{earlier}x.png", "auth0|123", "key") == (f"{earlier}x.png",)
    assert belongs_to(make_info(f"{earlier}x.png"), "auth0|123")
    assert not belongs_to(make_info(f"{earlier}x.png"), "auth0|124")
    with pytest.raises(MediaError) as caught:
        list_input_keys(f"{earlier}x.png", "auth0|124", "key")
    assert caught.value.reason is Reason.PERMISSION_DENIED
    assert list_prefixes("alice") == ("users/alice/",)


def test_an_own_key_is_under_the_prefix_of_its_owner() -> None:
    assert resolve_own_key("users/alice/goals/first.png", "alice", "object_key") == "users/alice/goals/first.png"
    others = get_error("users/bob/first.png")
    assert others.reason is Reason.PERMISSION_DENIED
    assert "users/alice/" in others.message
    assert get_error("users/alice2/first.png").reason is Reason.PERMISSION_DENIED
    assert get_error("/goals/first.png").reason is Reason.VALIDATION_ERROR
    assert get_error("images/2026/11/first.png").reason is Reason.VALIDATION_ERROR
    assert get_error("users/alice/../bob/x").reason is Reason.VALIDATION_ERROR


@pytest.mark.parametrize("principal", ["alice", "auth0|123", ""])
@pytest.mark.parametrize("key", ["goals/retirement/user_123.png", "cat.png", "images/cat.png", "userss/cat.png"])
def test_another_key_is_below_the_prefix_of_its_owner(key: str, principal: str) -> None:
    stored = resolve_own_key(key, principal, "object_key")
    assert stored == f"{prefix_for(principal)}{key}"
    assert resolve_own_key(stored, principal, "object_key") == stored
    assert list_input_keys(key, principal, "key") == (key, stored)


def test_a_key_is_not_longer_than_its_limit_below_the_prefix() -> None:
    assert get_error("a/" * 511 + "ab").reason is Reason.VALIDATION_ERROR


def test_new_keys_contain_the_month_and_are_unique() -> None:
    keys = {new_key("images", "webp", NOVEMBER) for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"images/2026/11/[0-9a-f-]{36}\.webp", check_key(key)) for key in keys)


def test_equal_bytes_of_one_owner_have_one_key() -> None:
    assert build_content_key("alice", "ab" + "0" * 62, "png") == f"users/alice/sha256/ab/{'0' * 62}.png"


def test_an_object_belongs_to_its_owner_by_key_or_by_metadata() -> None:
    assert belongs_to(make_info("users/alice/x"), "alice")
    assert belongs_to(make_info("images/x", owner="alice"), "alice")
    assert not belongs_to(make_info("images/x", owner="alice"), "bob")
    assert not belongs_to(make_info("images/x"), "")
    assert belongs_to(make_info("images/x", owner=""), "")
    assert len(f"users/{'x' * 64}/") < MAX_KEY_BYTES
