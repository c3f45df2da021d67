"""Names of jobs and owners, as they stand in subjects and keys of NATS."""

from __future__ import annotations

import hashlib
import re
import secrets
import time

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HASHED_LETTERS = 40
_PARTS = 1 << 16
"""Of a millisecond."""


def make_job_id(now_seconds: float | None = None) -> str:
    """Return an id that nobody has: 12 digits of milliseconds, 4 of parts of one, and 16 of chance.

    By the parts jobs that are accepted one right after the other are in their order, too.
    """
    seconds = time.time() if now_seconds is None else now_seconds
    return f"{int(seconds * 1000 * _PARTS):016x}{secrets.token_hex(8)}"


def to_owner_token(principal: str) -> str:
    """Return what stands for `principal` in a subject; two of them never share one.

    Args:
        principal: Who calls, as the edge has verified it; any text.
    """
    if _PLAIN.fullmatch(principal):
        return principal
    # No plain name holds an equals sign, and whatever else a name holds might mean something to NATS.
    return f"={hashlib.sha256(principal.encode()).hexdigest()[:_HASHED_LETTERS]}"


def to_request_token(request_id: str) -> str:
    """Return what stands for a caller's own name of a request in a key."""
    return hashlib.sha256(request_id.encode()).hexdigest()[:_HASHED_LETTERS]
