"""The table of all error reasons, and the exception that carries one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

DOMAIN = "media"

# Keys of `MediaError.metadata`: whether a provider call is retried, and whether its limiter lowers the limit.
LIMIT_KEY = "provider_limit"
"""Key of the limit behind a PROVIDER_BUSY, if the provider names it."""
CONCURRENCY = "concurrency"
"""Value of LIMIT_KEY: too many calls at once, whatever their rate."""
MAY_BE_CHARGED_KEY = "may_be_charged"
"""Key of the mark that the provider may have received the request: a retry may be charged twice."""


@dataclass(frozen=True, slots=True)
class ReasonInfo:
    """What a reason means to each kind of caller."""

    grpc_code: str
    """Name of the gRPC status code."""
    http_status: int
    """Status of the HTTP answer."""
    retryable: bool
    """Whether the same request may succeed later without a change."""
    meaning: str
    """What happened and what to do next; the table in docs/errors.md."""


class Reason(Enum):
    """All error reasons; the name goes over the wire as google.rpc.ErrorInfo.reason."""

    VALIDATION_ERROR = ReasonInfo(
        "INVALID_ARGUMENT", 400, False, "A field is missing or out of range; the details name it."
    )
    TEXT_TOO_LONG = ReasonInfo(
        "INVALID_ARGUMENT",
        400,
        False,
        "The text is longer than the suite or the model accepts; shorten it or choose another model.",
    )
    OUTPUT_TOO_LARGE = ReasonInfo(
        "INVALID_ARGUMENT",
        400,
        False,
        "The result does not fit one message; use the streaming call or a smaller format.",
    )
    URL_FORBIDDEN = ReasonInfo(
        "INVALID_ARGUMENT", 400, False, "The URL may not be fetched: only public http and https addresses are allowed."
    )
    URL_UNREACHABLE = ReasonInfo(
        "FAILED_PRECONDITION",
        422,
        False,
        "The URL could not be read: unknown host, refused connection, error answer, or too slow.",
    )
    MODEL_RETIRED = ReasonInfo(
        "FAILED_PRECONDITION", 400, False, "The provider has ended this model; the message names its successor."
    )
    UNAUTHENTICATED = ReasonInfo("UNAUTHENTICATED", 401, False, "The token or API key is missing, expired or unknown.")
    PROVIDER_QUOTA_EXCEEDED = ReasonInfo(
        "FAILED_PRECONDITION", 402, False, "The provider account has no credit left; top it up or use another provider."
    )
    PERMISSION_DENIED = ReasonInfo(
        "PERMISSION_DENIED", 403, False, "The caller is known but has no permission for this."
    )
    NOT_FOUND = ReasonInfo("NOT_FOUND", 404, False, "Nothing exists at this path.")
    VOICE_NOT_FOUND = ReasonInfo("NOT_FOUND", 404, False, "No such voice; GET /api/voices lists them.")
    JOB_NOT_FOUND = ReasonInfo("NOT_FOUND", 404, False, "No such job of yours; GET /api/jobs lists them.")
    METHOD_NOT_ALLOWED = ReasonInfo("UNIMPLEMENTED", 405, False, "The path exists for another HTTP method; see Allow.")
    ALREADY_EXISTS = ReasonInfo(
        "ALREADY_EXISTS",
        409,
        False,
        "An object with this key exists already; choose another key, or allow overwriting.",
    )
    PAYLOAD_TOO_LARGE = ReasonInfo("INVALID_ARGUMENT", 413, False, "The request body exceeds the limit of this path.")
    UNSUPPORTED_MEDIA_TYPE = ReasonInfo(
        "INVALID_ARGUMENT", 415, False, "The request body must be sent as application/json in UTF-8."
    )
    CONTENT_BLOCKED = ReasonInfo("FAILED_PRECONDITION", 422, False, "The provider's safety rules refuse this content.")
    MEDIA_INVALID = ReasonInfo(
        "INVALID_ARGUMENT",
        422,
        False,
        "The file is unusable: unreadable, truncated, too large or of a wrong type.",
    )
    OVERLOADED = ReasonInfo(
        "RESOURCE_EXHAUSTED", 429, True, "The service is at its limit of calls; retry after the delay."
    )
    RATE_LIMITED = ReasonInfo(
        "RESOURCE_EXHAUSTED", 429, True, "This caller sends too many requests; retry after the delay."
    )
    QUOTA_EXCEEDED = ReasonInfo(
        "RESOURCE_EXHAUSTED", 429, True, "This caller has reached the limit of unfinished jobs; wait for one to end."
    )
    PROVIDER_BUSY = ReasonInfo(
        "RESOURCE_EXHAUSTED", 429, True, "The provider is at its limit of calls; retry after the delay."
    )
    CANCELLED = ReasonInfo(
        "CANCELLED", 499, False, "The caller cancelled or disconnected before the answer was complete."
    )
    API_KEY_MISSING = ReasonInfo(
        "FAILED_PRECONDITION", 500, False, "The provider's key is not configured; set it or choose another provider."
    )
    PROVIDER_REJECTED_KEY = ReasonInfo(
        "FAILED_PRECONDITION", 500, False, "The provider refuses the configured key; replace it or widen its rights."
    )
    GENERATION_FAILED = ReasonInfo(
        "INTERNAL", 500, False, "The provider failed or returned nothing usable; nothing was stored."
    )
    STORAGE_FAILED = ReasonInfo(
        "INTERNAL",
        500,
        False,
        "The object store could not be written or read; no partial file remains. Run `make doctor`.",
    )
    STORAGE_REFUSED = ReasonInfo(
        "FAILED_PRECONDITION",
        500,
        False,
        "The object store refuses this until its configuration changes; the message names what to change.",
    )
    INTERNAL = ReasonInfo("INTERNAL", 500, False, "An unexpected error in the suite; report the request id.")
    UNIMPLEMENTED = ReasonInfo(
        "UNIMPLEMENTED", 501, False, "This version of the suite has no such RPC; gRPC reflection lists those it has."
    )
    UNAVAILABLE = ReasonInfo("UNAVAILABLE", 503, True, "A part of the suite is starting, stopping or down; retry.")
    PROVIDER_UNAVAILABLE = ReasonInfo("UNAVAILABLE", 503, True, "The provider is down or unreachable; retry later.")
    PROVIDER_TIMEOUT = ReasonInfo("DEADLINE_EXCEEDED", 504, True, "The provider did not answer in time; retry.")
    DEADLINE_EXCEEDED = ReasonInfo(
        "DEADLINE_EXCEEDED", 504, True, "The call's own deadline passed first; allow more time or ask for less."
    )

    @property
    def info(self) -> ReasonInfo:
        """What the reason means to each kind of caller."""
        return self.value


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A wrong request field and its correction."""

    field: str
    """Path of the field in the request, in snake_case, such as `voice` or `speech.text`."""
    description: str
    """What the field must be."""


class MediaError(Exception):
    """Raised when a request fails in an expected way; the message is safe to show to a caller.

    Args:
        reason: Entry of the error table.
        message: What went wrong and what to do next. Never contains a key, a prompt or text of a provider.
        violations: The wrong request fields.
        retry_after_seconds: How long to wait before a retry makes sense, if that is known.
        metadata: The facts of the message in machine-readable form, for ErrorInfo.metadata.
    """

    def __init__(
        self,
        reason: Reason,
        message: str = "",
        *,
        violations: Sequence[FieldViolation] = (),
        retry_after_seconds: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.reason = reason
        self.message = message or reason.info.meaning
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds
        self.metadata = dict(metadata or {})
        super().__init__(self.message)

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without a change."""
        return self.reason.info.retryable


def invalid(field: str, description: str, reason: Reason = Reason.VALIDATION_ERROR) -> MediaError:
    """Return the error for one wrong request field."""
    return MediaError(reason, f"{field}: {description}", violations=[FieldViolation(field, description)])


def unwrap_group(error: Exception) -> Exception:
    """Return the error behind a group of a TaskGroup: a MediaError if there is one, else the first error."""
    if not isinstance(error, ExceptionGroup):
        return error
    found = [unwrap_group(item) for item in error.exceptions]
    return next((item for item in found if isinstance(item, MediaError)), found[0])
