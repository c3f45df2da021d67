"""Settings of the provider replicate."""

from __future__ import annotations

from dataclasses import dataclass, field

PROVIDER = "replicate"
DEFAULT_MODEL = "minimax/hailuo-02"
API_KEY_VARIABLE = "REPLICATE_API_TOKEN"


@dataclass(frozen=True, slots=True)
class ReplicateSettings:
    """Base URL, token and time limits."""

    api_token: str = field(repr=False)
    """Token of the account; empty for none."""
    base_url: str = "https://api.replicate.com/v1"
    """Base URL of the API, with its version."""
    default_model: str = DEFAULT_MODEL
    """Model for requests that name none."""
    allowed_models: tuple[str, ...] = ()
    """Models that callers may name; empty for any."""
    wait_seconds: int = 1
    """How long Replicate delays its first response until the video is complete, 1 to 60; 0 for no delay. Short, because
    the id is unknown until that response."""
    timeout_seconds: float = 1800.0
    """Longest duration of one generation."""
    answer_seconds: float = 30.0
    """Timeout of one request, in addition to `wait_seconds`."""
    first_poll_seconds: float = 0.5
    """Delay before the first poll."""
    longest_poll_seconds: float = 5.0
    """Longest delay between two polls."""
    max_video_bytes: int = 512 * 1024 * 1024
    """Largest video to download."""
    webhook_url: str = ""
    """Public https URL that receives webhooks; empty for no webhooks."""
    webhook_secret: str = field(default="", repr=False)
    """Secret that signs webhooks (whsec_...); empty: the provider requests it from Replicate once."""
