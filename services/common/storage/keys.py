"""The one place of object keys: which are allowed, whose they are, and how new ones are made."""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import UTC, datetime

from services.common.errors import FieldViolation, MediaError, Reason, invalid
from services.common.storage.interface import OWNER, ObjectInfo

MAX_KEY_BYTES = 1024
"""Longest key; the limit of S3."""
MAX_SEGMENT_BYTES = 200
"""Longest segment: file systems end at 255 bytes, and a suffix has to fit."""
USERS = "users"
"""First segment of all keys that belong to a caller by their very name."""

_SEGMENT = re.compile(r"[A-Za-z0-9_~=+@-][A-Za-z0-9._~=+@-]*")
_PLAIN_PRINCIPAL = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,63}")
_NOBODY = "~internal"
_SHAPE = (
    "must be a key such as users/me/goals/first.png: segments of letters, digits and ._~=+@- that do not begin with a"
    " dot, separated by single slashes, at most 1,024 bytes in all and 200 in a segment"
)


def check_key(key: str, field: str = "key") -> str:
    """Return `key` if it is one.

    Args:
        key: What a caller or a service gives as a key.
        field: Name of the request field that holds it.

    Raises:
        MediaError: VALIDATION_ERROR, it is no key.
    """
    segments = key.split("/")
    fits = all(_SEGMENT.fullmatch(segment) and len(segment) <= MAX_SEGMENT_BYTES for segment in segments)
    if not fits or len(key) > MAX_KEY_BYTES:
        raise invalid(field, _SHAPE)
    return key


def prefix_for(principal: str) -> str:
    """Return what keys of `principal`'s own choice begin with; two principals never share it.

    Args:
        principal: Who calls, as the edge has verified it; empty for calls that came past no edge.
    """
    if not principal:
        return f"{USERS}/{_NOBODY}/"
    if _PLAIN_PRINCIPAL.fullmatch(principal):
        return f"{USERS}/{principal}/"
    # No plain principal begins with a tilde.
    return f"{USERS}/~{hashlib.sha256(principal.encode()).hexdigest()[:32]}/"


def check_own_key(key: str, principal: str, field: str) -> str:
    """Return `key` if it is one under `principal`'s own prefix.

    Raises:
        MediaError: VALIDATION_ERROR, it is no such key; PERMISSION_DENIED, it is under the prefix of another.
    """
    check_key(key, field)
    prefix = prefix_for(principal)
    if key.startswith(prefix):
        return key
    what = f"must begin with {prefix}"
    if key.startswith(f"{USERS}/"):
        raise MediaError(
            Reason.PERMISSION_DENIED, f"{field}: {what}, which is yours", violations=[FieldViolation(field, what)]
        )
    raise invalid(field, what)


def check_input_key(key: str, principal: str, field: str) -> str:
    """Return `key` if it may be that of an object of `principal`'s own: under his prefix, or under nobody's.

    Raises:
        MediaError: VALIDATION_ERROR, it is no key; PERMISSION_DENIED, it is under the prefix of another.
    """
    check_key(key, field)
    return check_own_key(key, principal, field) if key.startswith(f"{USERS}/") else key


def new_key(folder: str, extension: str, now: datetime | None = None) -> str:
    """Return a key that nobody has, such as images/2026/11/3c2f….webp."""
    return new_dated_key(folder, str(uuid.uuid4()), extension, now)


def new_dated_key(folder: str, name: str, extension: str, now: datetime | None = None) -> str:
    """Return the key of `name` in the folder of the month, such as audio/2026/11/<name>.mp3."""
    return f"{folder}/{now or datetime.now(UTC):%Y/%m}/{name}.{extension}"


def build_content_key(principal: str, sha256: str, extension: str) -> str:
    """Return the key of `principal`'s object with these bytes.

    Args:
        principal: Whose it is.
        sha256: Digest of the bytes in lower-case hexadecimal.
        extension: Extension of the key, without a dot.
    """
    return f"{prefix_for(principal)}sha256/{sha256[:2]}/{sha256[2:]}.{extension}"


def build_record_key(kind: str, principal: str, record_id: str) -> str:
    """Return the key of a record of `principal`'s own, such as records/audio/alice/<id>.json.

    Args:
        kind: What is recorded.
        principal: Whose it is.
        record_id: Its id, fit to be a segment of a key.
    """
    owner = prefix_for(principal).removeprefix(f"{USERS}/")
    return f"records/{kind}/{owner}{record_id}.json"


def belongs_to(info: ObjectInfo, principal: str) -> bool:
    """Tell whether an object is `principal`'s own, by its key or by what was said when it was stored."""
    return info.key.startswith(prefix_for(principal)) or info.metadata.get(OWNER) == principal
