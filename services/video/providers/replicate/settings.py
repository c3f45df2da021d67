"""How Replicate is reached."""

from __future__ import annotations

from dataclasses import dataclass, field

PROVIDER = "replicate"
DEFAULT_MODEL = "minimax/hailuo-02"
API_KEY_VARIABLE = "REPLICATE_API_TOKEN"


@dataclass(frozen=True, slots=True)
class ReplicateSettings:
    """Address, token, and patience."""

    api_token: str = field(repr=False)
    """Token of the account; empty if there is none."""
    base_url: str = "https://api.replicate.com/v1"
    """Where the API is, version included."""
    default_model: str = DEFAULT_MODEL
    """The model where the caller names none."""
    allowed_models: tuple[str, ...] = ()
    """The models that callers may name; empty: any."""
    wait_seconds: int = 1
    """How long Replicate holds back its first answer for the video, 1 to 60; 0: not at all. Short, because until then
    nobody knows the id."""
    timeout_seconds: float = 1800.0
    """Longest that one video may take."""
    answer_seconds: float = 30.0
    """Longest that Replicate may take for one answer, beyond the seconds that it was asked to wait."""
    first_poll_seconds: float = 0.5
    """From the first answer to the first question."""
    longest_poll_seconds: float = 5.0
    """Longest time between two questions."""
    max_video_bytes: int = 512 * 1024 * 1024
    """Largest video that is taken."""
    webhook_url: str = ""
    """Where Replicate tells of finished videos: a public https address; empty for nowhere."""
    webhook_secret: str = field(default="", repr=False)
    """Secret that webhooks are signed with (whsec_...); empty: Replicate is asked for it once."""
