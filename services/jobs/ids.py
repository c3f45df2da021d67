"""Ids of jobs, and tokens of owners and requests for NATS subjects and keys."""

from __future__ import annotations

import hashlib
import re
import secrets
import time

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HASHED_LETTERS = 40
_PARTS = 1 << 16
"""Parts of a millisecond in an id."""


def make_job_id(now_seconds: float | None = None) -> str:
    """Return a new id: 12 digits of milliseconds, 4 of fractions of one, and 16 random digits.

    The fractions sort jobs that are accepted within the same millisecond.
    """
    seconds = time.time() if now_seconds is None else now_seconds
    return f"{int(seconds * 1000 * _PARTS):016x}{secrets.token_hex(8)}"


def to_owner_token(principal: str) -> str:
    """Return the token of `principal` in subjects and keys; different principals have different tokens.

    Args:
        principal: Name of the owner, as verified at the edge; any text.
    """
    if _PLAIN.fullmatch(principal):
        return principal
    # Hash names with characters that have a meaning in NATS; the equals sign keeps hashes apart from plain names.
    return f"={hashlib.sha256(principal.encode()).hexdigest()[:_HASHED_LETTERS]}"


def to_request_token(request_id: str) -> str:
    """Return the token of a caller's request id in keys."""
    return hashlib.sha256(request_id.encode()).hexdigest()[:_HASHED_LETTERS]
