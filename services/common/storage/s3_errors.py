"""The errors of S3 and of stores with its protocol, by the code in the body, else by the status.

The codes are those of the list of error codes in the S3 API reference, those of its key service, and those of Spaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from services.common.errors import MediaError, Reason
from services.common.log import logger

log = logger(__name__)

_CODE = re.compile(r"<Code>([A-Za-z0-9.]+)</Code>")
_STATUS = re.compile(r"status code: ([0-9]{3})")
_NO_LOCATION = "redirect without LOCATION"
"""In the client's text if the bucket is in another region."""
_CREDENTIAL_SERVER = "169.254.169.254"
"""In the client's text if it finds no credentials: it asks the server of the machine's own role."""
_TEMPORARY_STATUSES = frozenset({"408", "409", "425", "429"})

_BUCKET = (Reason.STORAGE_REFUSED, "The bucket of {bucket} does not exist; create it or set another one.")
_REGION = (Reason.STORAGE_REFUSED, "The bucket of {bucket} is in another region or at another address; set {region}.")
_CREDENTIALS = (
    Reason.STORAGE_REFUSED,
    "The store refuses {credentials}; check them and their permissions on the bucket.",
)
_CLOCK = (Reason.STORAGE_REFUSED, "The clock of this machine is wrong, so the store refuses its requests; set it.")
_ACCOUNT = (Reason.STORAGE_REFUSED, "The account of the store is closed, not paid or full; see its console.")
_ENCRYPTION = (
    Reason.STORAGE_REFUSED,
    "The store refuses the server-side encryption of {encryption}; check the kind, the key and its permissions.",
)
_REQUEST = (
    Reason.STORAGE_REFUSED,
    "The store refuses the request, whenever it is sent; check the settings of the bucket and its address.",
)
_SIZE = (Reason.PAYLOAD_TOO_LARGE, "The object exceeds the size that the store allows.")
_KEY = (Reason.VALIDATION_ERROR, "The store does not allow this key; choose a shorter one.")
_MISSING = (Reason.NOT_FOUND, "No object has this key.")
_TAKEN = (Reason.ALREADY_EXISTS, "")
_TEMPORARY = (Reason.STORAGE_FAILED, "The object store cannot be reached or fails; run `make doctor`.")

_BY_CODE: Mapping[str, tuple[Reason, str]] = {
    "NoSuchKey": _MISSING,
    "NoSuchVersion": _MISSING,
    "PreconditionFailed": _TAKEN,
    "EntityTooLarge": _SIZE,
    "KeyTooLongError": _KEY,
    "KeyTooLong": _KEY,
    "RequestTimeTooSkewed": _CLOCK,
    **dict.fromkeys(("NoSuchBucket", "InvalidBucketName"), _BUCKET),
    **dict.fromkeys(
        (
            "PermanentRedirect",
            "TemporaryRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "InvalidRegionName",
        ),
        _REGION,
    ),
    **dict.fromkeys(
        (
            "AccessDenied",
            "AllAccessDisabled",
            "CredentialsNotSupported",
            "ExpiredToken",
            "InvalidAccessKeyId",
            "InvalidSecurity",
            "InvalidToken",
            "MissingSecurityHeader",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
        ),
        _CREDENTIALS,
    ),
    **dict.fromkeys(("AccountProblem", "NotSignedUp", "QuotaExceeded", "XAmzQuotaExceeded"), _ACCOUNT),
    **dict.fromkeys(
        (
            "InvalidEncryptionAlgorithmError",
            "InvalidEncryptionAlgorithm",
            "KMS.DisabledException",
            "KMS.InvalidKeyUsageException",
            "KMS.KMSInvalidStateException",
            "KMS.NotFoundException",
            "KMS.AccessDeniedException",
            "ServerSideEncryptionConfigurationNotFoundError",
        ),
        _ENCRYPTION,
    ),
    # Each of these passes without a change: the store is busy, or the request was damaged or overtaken.
    **dict.fromkeys(
        (
            "BadDigest",
            "ConditionalRequestConflict",
            "IncompleteBody",
            "InternalError",
            "KMS.ThrottlingException",
            "NoSuchUpload",
            "OperationAborted",
            "RequestTimeout",
            "ServiceUnavailable",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "XAmzContentSHA256Mismatch",
        ),
        _TEMPORARY,
    ),
}

_BY_TYPE: Sequence[tuple[tuple[type[Exception], ...], tuple[Reason, str]]] = (
    ((NotFoundError, FileNotFoundError), _MISSING),
    ((AlreadyExistsError,), _TAKEN),
    ((PermissionDeniedError, UnauthenticatedError, PermissionError), _CREDENTIALS),
)
_BY_TEXT = {_CREDENTIAL_SERVER: _CREDENTIALS, _NO_LOCATION: _REGION}


@dataclass(frozen=True, slots=True)
class S3ErrorTranslator:
    """Translates the errors of the client, without quoting them."""

    store: str
    """Name of the store, for the log."""
    variables: Mapping[str, str]
    """Names of the variables of bucket, region, credentials and encryption, for messages."""

    @contextmanager
    def translate(self) -> Iterator[None]:
        """Raise MediaError in the place of an error of the client."""
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            reason, template = _find(error)
            if reason in (Reason.STORAGE_FAILED, Reason.STORAGE_REFUSED):
                log.warning(
                    "the object store failed", store=self.store, error_type=type(error).__name__, code=_get_code(error)
                )
            raise MediaError(reason, template.format_map({**_VARIABLES, **self.variables})) from None


_VARIABLES = {
    "bucket": "the bucket",
    "region": "the region and the address",
    "credentials": "the credentials",
    "encryption": "the settings",
}


def _get_code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return found[1] if found else ""


def _find(error: Exception) -> tuple[Reason, str]:
    text = str(error)
    by_code = _BY_CODE.get(_get_code(error))
    if by_code is not None:
        return by_code
    for types, found in _BY_TYPE:
        if isinstance(error, types):
            return found
    for part, found in _BY_TEXT.items():
        if part in text:
            return found
    status = _STATUS.search(text)
    if status and status[1].startswith("4") and status[1] not in _TEMPORARY_STATUSES:
        return _SIZE if status[1] == "413" else _REQUEST
    return _TEMPORARY
