"""Object keys: their syntax, their owners, and the construction of new keys."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from services.common.errors import FieldViolation, MediaError, Reason, invalid
from services.common.storage.interface import OWNER, ObjectInfo

MAX_KEY_BYTES = 1024
"""Longest key; the limit of S3."""
MAX_SEGMENT_BYTES = 200
"""Longest segment: file systems allow 255 bytes, and a suffix must fit too."""
USERS = "users"
"""First segment of the keys that belong to one caller."""
SPEECH_LINKS = "links/speech/"
"""Prefix of what links to speech need; the sweep deletes it after the longest lifetime of a link."""

# Every store takes these signs: local folders, S3, and Supabase, whose list has no tilde.
_SEGMENT = re.compile(r"[A-Za-z0-9_=+@-][A-Za-z0-9._=+@-]*")
# Objects that were stored earlier may have a tilde.
_STORED_SEGMENT = re.compile(r"[A-Za-z0-9_~=+@-][A-Za-z0-9._~=+@-]*")
_PLAIN_PRINCIPAL = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,63}")
_NO_PRINCIPAL = "internal"
_MARK, _OLD_MARK = "=", "~"
"""First sign of the segment of a principal that is not plain, today and in objects that were stored earlier."""
_CHOSEN = re.compile(r"[a-z]+/[0-9]{4}/[0-9]{2}/")
"""Beginning of the keys that `new_dated_key` returns."""
_SHAPE = (
    "must be a key such as goals/first.png: segments of letters, digits and ._=+@- that do not begin with a"
    " dot, separated by single slashes, at most 1,024 bytes in all and 200 in a segment"
)


def check_key(key: str, field: str = "key") -> str:
    """Return `key` if a stored object may have it.

    Args:
        key: Key from a caller or a service.
        field: Name of the request field with the key.

    Raises:
        MediaError: VALIDATION_ERROR, the key is not valid.
    """
    return _check_segments(key, field, _STORED_SEGMENT)


def check_new_key(key: str, field: str = "key") -> str:
    """Return `key` if a new object may have it, in any store.

    Args:
        key: Key from a caller or a service.
        field: Name of the request field with the key.

    Raises:
        MediaError: VALIDATION_ERROR, the key is not valid.
    """
    return _check_segments(key, field, _SEGMENT)


def prefix_for(principal: str) -> str:
    """Return the prefix of the keys of `principal`, which no other principal shares.

    Args:
        principal: Caller, as verified by the edge; empty for calls that did not pass the edge.
    """
    return _build_prefix(principal, _MARK)


def list_prefixes(principal: str) -> tuple[str, ...]:
    """Return all prefixes of the objects of `principal`: that of new ones, then that of objects stored earlier."""
    return tuple(dict.fromkeys(_build_prefix(principal, mark) for mark in (_MARK, _OLD_MARK)))


def resolve_own_key(key: str, principal: str, field: str) -> str:
    """Return the key under which a new object of `principal` is stored: `key` itself, or `key` below their prefix.

    Raises:
        MediaError: VALIDATION_ERROR, the key is not valid; PERMISSION_DENIED, it has another owner.
    """
    check_new_key(key, field)
    prefix = prefix_for(principal)
    if key.startswith(f"{USERS}/"):
        if not key.startswith(prefix):
            raise _build_owner_error(prefix, field)
        return key
    if _CHOSEN.match(key):
        # Reading such a key would find the object that the suite has stored under it.
        raise invalid(field, "must not begin with the year and month folders in which the suite stores files itself")
    return check_new_key(f"{prefix}{key}", field)


def list_input_keys(key: str, principal: str, field: str) -> Sequence[str]:
    """Return the keys that `key` may mean for `principal`, in order: itself, and `key` below their prefix.

    Raises:
        MediaError: VALIDATION_ERROR, it is no key; PERMISSION_DENIED, it has another owner.
    """
    check_key(key, field)
    prefix = prefix_for(principal)
    if not key.startswith(f"{USERS}/"):
        return (key, f"{prefix}{key}")
    if not key.startswith(list_prefixes(principal)):
        raise _build_owner_error(prefix, field)
    return (key,)


def new_key(folder: str, extension: str, now: datetime | None = None) -> str:
    """Return a new unique key, such as images/2026/11/3c2f….webp."""
    return new_dated_key(folder, str(uuid.uuid4()), extension, now)


def new_dated_key(folder: str, name: str, extension: str, now: datetime | None = None) -> str:
    """Return the key of `name` in the folder of the current month, such as audio/2026/11/<name>.mp3."""
    return f"{folder}/{now or datetime.now(UTC):%Y/%m}/{name}.{extension}"


def build_content_key(principal: str, sha256: str, extension: str) -> str:
    """Return the key of the object of `principal` with this digest.

    Args:
        principal: Owner.
        sha256: SHA-256 of the data in lower-case hexadecimal.
        extension: Extension of the key, without a dot.
    """
    return f"{prefix_for(principal)}sha256/{sha256[:2]}/{sha256[2:]}.{extension}"


def belongs_to(info: ObjectInfo, principal: str) -> bool:
    """Return whether `principal` owns an object, by its key or by the metadata of the object."""
    return info.key.startswith(list_prefixes(principal)) or info.metadata.get(OWNER) == principal


def _check_segments(key: str, field: str, segment: re.Pattern[str]) -> str:
    segments = key.split("/")
    fits = all(segment.fullmatch(text) and len(text) <= MAX_SEGMENT_BYTES for text in segments)
    if not fits or len(key) > MAX_KEY_BYTES:
        raise invalid(field, _SHAPE)
    return key


def _build_prefix(principal: str, mark: str) -> str:
    if not principal:
        return f"{USERS}/{mark}{_NO_PRINCIPAL}/"
    if _PLAIN_PRINCIPAL.fullmatch(principal):
        return f"{USERS}/{principal}/"
    # A plain principal cannot begin with a mark, so the digest cannot collide with one.
    return f"{USERS}/{mark}{hashlib.sha256(principal.encode()).hexdigest()[:32]}/"


def _build_owner_error(prefix: str, field: str) -> MediaError:
    what = f"must begin with {prefix}"
    return MediaError(
        Reason.PERMISSION_DENIED, f"{field}: {what}, which is yours", violations=[FieldViolation(field, what)]
    )
