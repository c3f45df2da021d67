"""What a provider's failure tells beyond its reason, in the metadata of the MediaError."""

from __future__ import annotations

LIMIT_KEY = "provider_limit"
"""For which of its limits a provider is at, PROVIDER_BUSY, where it tells."""
CONCURRENCY = "concurrency"
"""Value of LIMIT_KEY: too many calls at once, whatever their rate."""
MAY_BE_CHARGED_KEY = "may_be_charged"
"""Says that the provider had the request already when the call failed: asking again may pay twice."""
