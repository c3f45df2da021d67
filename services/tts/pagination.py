"""Cuts a stable list into pages, with tokens that say nothing to a caller and are checked when they come back."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import TypeVar

from services.common.errors import invalid

T = TypeVar("T")

DEFAULT_PAGE_SIZE = 50


def page(items: Sequence[T], page_size: int, page_token: str, filters: str) -> tuple[Sequence[T], str]:
    """Return one page of `items` and the token of the next, empty on the last.

    Args:
        items: The whole list, in an order that does not change.
        page_size: Items per page; 0 for the default of 50.
        page_token: Token of this page; empty for the first.
        filters: Everything else the request asked for; a token is good for the same filters only.

    Raises:
        MediaError: VALIDATION_ERROR, the token is not one of ours for these filters.
    """
    start = _start(page_token, filters)
    end = start + (page_size or DEFAULT_PAGE_SIZE)
    return items[start:end], _token(end, filters) if end < len(items) else ""


def _token(start: int, filters: str) -> str:
    digest = hashlib.sha256(filters.encode()).hexdigest()[:12]
    return base64.urlsafe_b64encode(f"{start}.{digest}".encode()).decode().rstrip("=")


def _start(token: str, filters: str) -> int:
    if not token:
        return 0
    try:
        padded = token + "=" * (-len(token) % 4)
        start = int(base64.urlsafe_b64decode(padded).decode().partition(".")[0])
    except (binascii.Error, ValueError):
        start = -1
    if start < 0 or _token(start, filters) != token:
        raise invalid("page_token", "must be the next_page_token of a request with the same filters")
    return start
