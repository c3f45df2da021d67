"""Pages of a list, and tokens that do not belong to it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.tts.service import DEFAULT_PAGE_SIZE, build_page


@given(st.lists(st.integers(), max_size=60), st.integers(1, 20), st.text(max_size=10))
def test_all_pages_together_are_the_whole_list(items: list[int], page_size: int, filters: str) -> None:
    filters = filters.encode(errors="replace").decode()
    collected: list[int] = []
    token = ""
    for _ in range(len(items) + 1):
        shown, token = build_page(items, page_size, token, filters)
        assert len(shown) <= page_size
        collected += shown
        if not token:
            break
        assert len(shown) == page_size
    assert collected == items


def test_a_page_has_fifty_items_by_default() -> None:
    shown, token = build_page(range(DEFAULT_PAGE_SIZE + 1), 0, "", "")
    assert (len(shown), bool(token)) == (50, True)


def test_a_list_that_fits_one_page_has_no_next_page() -> None:
    assert build_page(range(50), 50, "", "") == (range(50), "")
    assert build_page([], 50, "", "") == ([], "")


def get_second_page_token(filters: str) -> str:
    return build_page(range(10), 5, "", filters)[1]


def encode_token(content: str) -> str:
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def check_refused(token: str, filters: str = "") -> None:
    with pytest.raises(MediaError) as caught:
        build_page(range(10), 5, token, filters)
    assert caught.value.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in caught.value.violations] == ["page_token"]


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "====",
        "ünïcode",
        "5",
        "\x00",
        encode_token("5"),
        encode_token("-5.e3b0c44298fc"),
        encode_token("\u0665.e3b0c44298fc"),
        "A" * 200,
    ],
)
def test_a_foreign_token_is_refused(token: str) -> None:
    check_refused(token)


@given(st.text(min_size=1, max_size=40))
def test_any_token_gives_a_page_or_a_validation_error(token: str) -> None:
    if token == get_second_page_token(""):
        assert build_page(range(10), 5, token, "") == (range(5, 10), "")
    else:
        check_refused(token)


def test_a_token_is_valid_for_the_same_filters_only() -> None:
    check_refused(get_second_page_token("espeak"), "elevenlabs")
    assert build_page(range(10), 5, get_second_page_token("espeak"), "espeak") == (range(5, 10), "")


def test_a_token_with_a_suffix_is_refused() -> None:
    check_refused(get_second_page_token("") + "=")
    check_refused(get_second_page_token("") + "AAAA")
