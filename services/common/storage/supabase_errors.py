"""The errors of Supabase Storage, by the body: the HTTP status is 400 for most errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.common.errors import MediaError, Reason
from services.common.log import logger

log = logger(__name__)

_BUCKET = "The bucket of SUPABASE_BUCKET does not exist; create it or set another one."
_KEY = "Supabase refuses SUPABASE_SERVICE_ROLE; check the key and its permissions on the bucket."
_BY_CODE: Mapping[str, tuple[Reason, str]] = {
    "NoSuchBucket": (Reason.STORAGE_FAILED, _BUCKET),
    "Bucket not found": (Reason.STORAGE_FAILED, _BUCKET),
    "NoSuchKey": (Reason.NOT_FOUND, "No object has this key."),
    "not_found": (Reason.NOT_FOUND, "No object has this key."),
    "KeyAlreadyExists": (Reason.ALREADY_EXISTS, ""),
    "Duplicate": (Reason.ALREADY_EXISTS, ""),
    "EntityTooLarge": (Reason.PAYLOAD_TOO_LARGE, "The object exceeds the size that the bucket allows."),
    "Payload too large": (Reason.PAYLOAD_TOO_LARGE, "The object exceeds the size that the bucket allows."),
    "InvalidMimeType": (Reason.STORAGE_FAILED, "The bucket of SUPABASE_BUCKET does not allow this media type."),
    "invalid_mime_type": (Reason.STORAGE_FAILED, "The bucket of SUPABASE_BUCKET does not allow this media type."),
    "InvalidJWT": (Reason.STORAGE_FAILED, _KEY),
    "AccessDenied": (Reason.STORAGE_FAILED, _KEY),
    "Unauthorized": (Reason.STORAGE_FAILED, _KEY),
}
_BY_STATUS: Mapping[str, tuple[Reason, str]] = {
    "401": (Reason.STORAGE_FAILED, _KEY),
    "403": (Reason.STORAGE_FAILED, _KEY),
    "404": _BY_CODE["NoSuchKey"],
    "409": _BY_CODE["Duplicate"],
    "413": _BY_CODE["EntityTooLarge"],
    "415": _BY_CODE["InvalidMimeType"],
}
_OTHER = "Supabase cannot be reached or fails; run `make doctor`."


def error_from_body(body: Mapping[str, Any]) -> MediaError:
    """Return the error for the body of an error response."""
    return _find_error(str(body.get("code", "")), str(body.get("error", "")), str(body.get("statusCode", "")))


def error_from_client(error: Exception) -> MediaError:
    """Return the error for an exception of the client, without its message."""
    code, status = getattr(error, "code", ""), getattr(error, "status", "")
    if not code and not status:
        return build_connection_error(error)
    # The client puts the `error` of the body into `code`. Only the message shows that the bucket is missing.
    about_bucket = getattr(error, "message", "") == "Bucket not found"
    return _find_error("Bucket not found" if about_bucket else str(code), "", str(status))


def build_connection_error(error: Exception) -> MediaError:
    """Log a failed connection and return its error."""
    log.warning("the object store failed", store="supabase", error_type=type(error).__name__)
    return MediaError(Reason.STORAGE_FAILED, _OTHER)


def _find_error(code: str, error: str, status: str) -> MediaError:
    found = _BY_CODE.get(code) or _BY_CODE.get(error) or _BY_STATUS.get(status)
    if found is None:
        log.warning("the object store failed", store="supabase", code=code[:40], status=status[:3])
    reason, message = found or (Reason.STORAGE_FAILED, _OTHER)
    return MediaError(reason, message)
