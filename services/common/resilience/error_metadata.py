"""What a provider's failure means: facts in the metadata of the MediaError, and which reasons another may mend."""

from __future__ import annotations

from services.common.errors import Reason

LIMIT_KEY = "provider_limit"
"""For which of its limits a provider is at, PROVIDER_BUSY, where it tells."""
CONCURRENCY = "concurrency"
"""Value of LIMIT_KEY: too many calls at once, whatever their rate."""
MAY_BE_CHARGED_KEY = "may_be_charged"
"""Says that the provider had the request already when the call failed: asking again may pay twice."""

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
"""What another provider may do better; the rest is the caller's own to change."""
