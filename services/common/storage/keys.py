"""Object keys: their syntax, their owners, and the construction of new keys."""

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
"""Longest segment: file systems allow 255 bytes, and a suffix must fit too."""
USERS = "users"
"""First segment of the keys that belong to one caller."""

_SEGMENT = re.compile(r"[A-Za-z0-9_~=+@-][A-Za-z0-9._~=+@-]*")
_PLAIN_PRINCIPAL = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,63}")
_NO_PRINCIPAL = "~internal"
_SHAPE = (
    "must be a key such as users/me/goals/first.png: segments of letters, digits and ._~=+@- that do not begin with a"
    " dot, separated by single slashes, at most 1,024 bytes in all and 200 in a segment"
)


def check_key(key: str, field: str = "key") -> str:
    """Return `key` if its syntax is valid.

    Args:
        key: Key from a caller or a service.
        field: Name of the request field with the key.

    Raises:
        MediaError: VALIDATION_ERROR, the key is not valid.
    """
    segments = key.split("/")
    fits = all(_SEGMENT.fullmatch(segment) and len(segment) <= MAX_SEGMENT_BYTES for segment in segments)
    if not fits or len(key) > MAX_KEY_BYTES:
        raise invalid(field, _SHAPE)
    return key


def prefix_for(principal: str) -> str:
    """Return the prefix of the keys of `principal`, which no other principal shares.

    Args:
        principal: Caller, as verified by the edge; empty for calls that did not pass the edge.
    """
    if not principal:
        return f"{USERS}/{_NO_PRINCIPAL}/"
    if _PLAIN_PRINCIPAL.fullmatch(principal):
        return f"{USERS}/{principal}/"
    # A plain principal cannot begin with a tilde, so the digest cannot collide with one.
    return f"{USERS}/~{hashlib.sha256(principal.encode()).hexdigest()[:32]}/"


def check_own_key(key: str, principal: str, field: str) -> str:
    """Return `key` if it is valid and under the prefix of `principal`.

    Raises:
        MediaError: VALIDATION_ERROR, the key is not valid or has no owner; PERMISSION_DENIED, it has another owner.
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
    """Return `key` if it is valid and not under the prefix of another principal.

    Raises:
        MediaError: VALIDATION_ERROR, it is no key; PERMISSION_DENIED, it has another owner.
    """
    check_key(key, field)
    return check_own_key(key, principal, field) if key.startswith(f"{USERS}/") else key


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


def build_record_key(kind: str, principal: str, record_id: str) -> str:
    """Return the key of a record of `principal`, such as records/audio/alice/<id>.json.

    Args:
        kind: Kind of the record.
        principal: Owner.
        record_id: Id of the record; must be a valid segment of a key.
    """
    owner = prefix_for(principal).removeprefix(f"{USERS}/")
    return f"records/{kind}/{owner}{record_id}.json"


def belongs_to(info: ObjectInfo, principal: str) -> bool:
    """Return whether `principal` owns an object, by its key or by the metadata of the object."""
    return info.key.startswith(prefix_for(principal)) or info.metadata.get(OWNER) == principal
