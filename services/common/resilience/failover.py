"""Try the providers of a request in order until one works; speech and images share this rule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from services.common.errors import MediaError, Reason
from services.common.log import logger

log = logger(__name__)

FAILOVER_REASONS = frozenset(
    {
        Reason.API_KEY_MISSING,
        Reason.GENERATION_FAILED,
        Reason.MODEL_RETIRED,
        Reason.PROVIDER_BUSY,
        Reason.PROVIDER_QUOTA_EXCEEDED,
        Reason.PROVIDER_REJECTED_KEY,
        Reason.PROVIDER_TIMEOUT,
        Reason.PROVIDER_UNAVAILABLE,
    }
)
"""Reasons after which another provider may succeed; for all others the caller must change the request."""


class NamedProvider(Protocol):
    """The part of a provider that failover uses."""

    @property
    def name(self) -> str:
        """Name of the provider in requests, errors and logs."""


class CheckedProvider(Protocol):
    """The part of a provider that a check of a request uses."""

    def check_ready(self) -> None:
        """Raise if no request can succeed."""


class Candidate(Protocol):
    """A provider together with the request for it."""

    @property
    def provider(self) -> NamedProvider:
        """The provider to call."""


CandidateT = TypeVar("CandidateT", bound=Candidate)
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class AttemptFailure:
    """A failed attempt to use a provider."""

    provider: str
    """Name of the provider."""
    reason: Reason
    """Why the attempt failed."""


class FailureLog:
    """Collects the failed attempts of one request, in order, over all its providers."""

    def __init__(self) -> None:
        self._failures: list[AttemptFailure] = []

    @property
    def failures(self) -> tuple[AttemptFailure, ...]:
        """The failures so far."""
        return tuple(self._failures)

    @contextmanager
    def record(self, provider: str) -> Iterator[None]:
        """Record a MediaError that leaves the context as a failed attempt of `provider`, and raise it further."""
        try:
            yield
        except MediaError as error:
            self._failures.append(AttemptFailure(provider, error.reason))
            raise


async def try_candidates(
    candidates: Sequence[CandidateT], attempt: Callable[[CandidateT], Awaitable[ResultT]], attempts: FailureLog
) -> ResultT:
    """Return the result of the first candidate that succeeds.

    The next candidate is tried only after a failure that another provider may not share (`FAILOVER_REASONS`). Any
    other failure, such as blocked content, ends the search: the caller must change the request.

    Args:
        candidates: What to try, in order of preference; at least one.
        attempt: Called with a candidate to use its provider, retries included; raises MediaError if that failed.
        attempts: Where `attempt` records its failures.

    Raises:
        MediaError: No candidate succeeded. It is the error of the first candidate, because the caller requested that
            one; if there was more than one failed attempt, its metadata lists them all as `attempts`.
    """
    errors: list[MediaError] = []
    for candidate in candidates:
        try:
            return await attempt(candidate)
        except MediaError as error:
            errors.append(error)
            if error.reason not in FAILOVER_REASONS:
                break
            log.warning(
                "provider failed, trying the next one",
                provider=candidate.provider.name,
                reason=error.reason.name,
                attempt=len(attempts.failures),
            )
    raise _add_attempts(errors[0], attempts.failures)


def _add_attempts(error: MediaError, failures: Sequence[AttemptFailure]) -> MediaError:
    """Return `error` with all failed attempts in its metadata, if there was more than one."""
    if len(failures) <= 1:
        return error
    attempts = " ".join(f"{failure.provider}:{failure.reason.name}" for failure in failures)
    extended = MediaError(
        error.reason,
        error.message,
        violations=error.violations,
        retry_after_seconds=error.retry_after_seconds,
        metadata={**error.metadata, "attempts": attempts},
    )
    return extended.with_traceback(error.__traceback__)


def check_any_ready(providers: Sequence[CheckedProvider]) -> None:
    """Raise the error of the first provider if none of them can take a request; makes no calls.

    Args:
        providers: The providers of a request, in order of preference; at least one.

    Raises:
        MediaError: API_KEY_MISSING, MODEL_RETIRED.
    """
    failures: list[MediaError] = []
    for provider in providers:
        try:
            provider.check_ready()
        except MediaError as error:
            failures.append(error)
        else:
            return
    raise failures[0]
