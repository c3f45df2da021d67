"""The errors of Supabase Storage, by the body: the HTTP status is 400 for most errors.

The codes and statuses are those of src/internal/errors/codes.ts of the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.common.errors import MediaError, Reason
from services.common.log import logger

log = logger(__name__)

_BUCKET = (Reason.STORAGE_REFUSED, "The bucket of SUPABASE_BUCKET does not exist; create it or set another one.")
_CREDENTIAL = (
    Reason.STORAGE_REFUSED,
    "Supabase refuses the key of SUPABASE_SECRET_KEY or SUPABASE_SERVICE_ROLE; check it and its permissions.",
)
_PROJECT = (Reason.STORAGE_REFUSED, "Supabase does not know the project of SUPABASE_URL; check the address.")
_KEY = (
    Reason.VALIDATION_ERROR,
    "Supabase does not allow this key; choose one of letters, digits, slashes and ._=+@-.",
)
_TYPE = (Reason.STORAGE_REFUSED, "The bucket of SUPABASE_BUCKET does not allow this media type.")
_SIZE = (Reason.PAYLOAD_TOO_LARGE, "The object exceeds the size that the bucket allows.")
_MISSING = (Reason.NOT_FOUND, "No object has this key.")
_TAKEN = (Reason.ALREADY_EXISTS, "")
_REQUEST = (
    Reason.STORAGE_REFUSED,
    "Supabase refuses the request, whenever it is sent; check SUPABASE_URL and the version of the storage server.",
)
_TEMPORARY = (Reason.STORAGE_FAILED, "Supabase cannot be reached or fails; run `make doctor`.")

_BY_CODE: Mapping[str, tuple[Reason, str]] = {
    "NoSuchBucket": _BUCKET,
    "Bucket not found": _BUCKET,
    "InvalidBucketName": _BUCKET,
    "NoSuchKey": _MISSING,
    "not_found": _MISSING,
    "KeyAlreadyExists": _TAKEN,
    "ResourceAlreadyExists": _TAKEN,
    "Duplicate": _TAKEN,
    "EntityTooLarge": _SIZE,
    "Payload too large": _SIZE,
    "InvalidMimeType": _TYPE,
    "invalid_mime_type": _TYPE,
    "InvalidKey": _KEY,
    "TenantNotFound": _PROJECT,
    **dict.fromkeys(
        (
            "InvalidJWT",
            "AccessDenied",
            "Unauthorized",
            "InvalidSignature",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "InvalidAccessKeyId",
            "InvalidUploadSignature",
            "MaximumCredentialsLimit",
        ),
        _CREDENTIAL,
    ),
    **dict.fromkeys(
        (
            "InvalidRequest",
            "InvalidRange",
            "InvalidParameter",
            "MissingParameter",
            "MissingContentLength",
            "FeatureNotEnabled",
            "NotSupported",
        ),
        _REQUEST,
    ),
    # Each of these passes without a change: the server is busy, restarts, or lost a part of an upload.
    **dict.fromkeys(
        (
            "InternalError",
            "DatabaseTimeout",
            "DatabaseConnectionLimit",
            "DatabaseReadOnly",
            "DatabaseInvalidObjectDefinition",
            "DatabaseSchemaMismatch",
            "DatabaseError",
            "TransactionError",
            "ResourceLocked",
            "LockTimeout",
            "SlowDown",
            "S3Error",
            "Aborted",
            "AbortedTerminate",
            "InvalidChecksum",
            "MissingPart",
            "NoSuchUpload",
            "InvalidUploadId",
            "NoAvailableShard",
            "ShardNotFound",
        ),
        _TEMPORARY,
    ),
}
_BY_STATUS: Mapping[str, tuple[Reason, str]] = {
    "401": _CREDENTIAL,
    "403": _CREDENTIAL,
    "404": _MISSING,
    "408": _TEMPORARY,
    "409": _TAKEN,
    "413": _SIZE,
    "415": _TYPE,
    "423": _TEMPORARY,
    "425": _TEMPORARY,
    "429": _TEMPORARY,
}


def error_from_body(body: Mapping[str, Any]) -> MediaError:
    """Return the error for the body of an error response."""
    return find_error(str(body.get("code", "")), str(body.get("error", "")), str(body.get("statusCode", "")))


def error_from_client(error: Exception) -> MediaError:
    """Return the error for an exception of the client, without its message."""
    code, status = getattr(error, "code", ""), getattr(error, "status", "")
    if not code and not status:
        return build_connection_error(error)
    # Servers from before 2024 send no code. Only the message shows that the bucket is missing.
    about_bucket = getattr(error, "message", "") == "Bucket not found"
    return find_error("NoSuchBucket" if about_bucket else str(code), "", str(status))


def build_connection_error(error: Exception) -> MediaError:
    """Log a failed connection and return its error."""
    log.warning("the object store failed", store="supabase", error_type=type(error).__name__)
    return MediaError(*_TEMPORARY)


def find_error(code: str, error: str, status: str) -> MediaError:
    """Return the error for a refusal; refusals for good never become STORAGE_FAILED, which callers retry.

    Args:
        code: `code` of the body.
        error: `error` of the body; older servers send only this.
        status: `statusCode` of the body, or the status of the response.
    """
    found = _BY_CODE.get(code) or _BY_CODE.get(error) or _BY_STATUS.get(status)
    if found is None:
        log.warning("the object store failed", store="supabase", code=code[:40], status=status[:3])
        found = _REQUEST if status.startswith("4") else _TEMPORARY
    return MediaError(*found)
