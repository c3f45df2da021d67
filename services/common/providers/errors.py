"""Errors of the paid providers: one table of messages each, and the delay that a provider asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from services.common.errors import MAY_BE_CHARGED_KEY, MediaError, Reason

MAX_RETRY_AFTER_SECONDS = 3600.0

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class ErrorBuilder:
    """Builds the errors of one provider; the provider's own texts are never passed on."""

    provider: str
    """Name of the provider, for the metadata."""
    messages: Mapping[Reason, str]
    """What is wrong and what to do, for each reason."""
    metadata: Mapping[Reason, Mapping[str, str]] = field(default_factory=dict)
    """Further metadata, for each reason."""

    def __call__(
        self, reason: Reason, *, may_be_charged: bool = False, retry_after_seconds: float | None = None
    ) -> MediaError:
        """Return the error for `reason`.

        Args:
            reason: Why the call failed; one of `messages`.
            may_be_charged: Whether the provider may have started to work, and to charge.
            retry_after_seconds: Delay that the provider asks for; None if it asks for none.
        """
        metadata = {"provider": self.provider, **self.metadata.get(reason, {})}
        if may_be_charged:
            metadata[MAY_BE_CHARGED_KEY] = "true"
        return MediaError(reason, self.messages[reason], metadata=metadata, retry_after_seconds=retry_after_seconds)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the delay of a response in seconds, at most an hour; None if there is none, or it is malformed.

    Retry-After is a number of seconds or a date (RFC 9110, section 10.2.3). retry-after-ms, which some providers add,
    is more exact.

    Args:
        headers: Headers of the response; names are case-insensitive.
    """
    delay_seconds = _parse_number(headers.get("Retry-After-Ms", ""))
    if delay_seconds is not None:
        delay_seconds /= 1000
    else:
        value = headers.get("Retry-After", "")
        delay_seconds = _parse_number(value)
        if delay_seconds is None:
            delay_seconds = _parse_seconds_until(value)
    return None if delay_seconds is None else min(max(delay_seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _parse_number(value: str) -> float | None:
    return float(value) if _NUMBER.fullmatch(value.strip()) else None


def _parse_seconds_until(http_date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(http_date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        # The parser of the standard library raises any of these for malformed dates.
        return None
