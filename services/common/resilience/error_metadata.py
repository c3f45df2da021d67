"""Metadata keys of provider errors, and the reasons after which another provider may succeed."""

from __future__ import annotations

from services.common.errors import Reason

LIMIT_KEY = "provider_limit"
"""Key of the limit behind a PROVIDER_BUSY, if the provider names it."""
CONCURRENCY = "concurrency"
"""Value of LIMIT_KEY: too many calls at once, whatever their rate."""
MAY_BE_CHARGED_KEY = "may_be_charged"
"""Key of the mark that the provider may have received the request: a retry may be charged twice."""

FAILOVER_REASONS = frozenset(
    {
        Reason.API_KEY_MISSING,
        Reason.GENERATION_FAILED,
        Reason.PROVIDER_BUSY,
        Reason.PROVIDER_QUOTA_EXCEEDED,
        Reason.PROVIDER_REJECTED_KEY,
        Reason.PROVIDER_TIMEOUT,
        Reason.PROVIDER_UNAVAILABLE,
    }
)
"""Reasons after which another provider may succeed; for all others the caller must change the request."""
