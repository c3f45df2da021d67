"""How fal.ai is reached."""

from __future__ import annotations

from dataclasses import dataclass, field

PROVIDER = "fal"


@dataclass(frozen=True, slots=True)
class FalSettings:
    """Addresses, key and patience."""

    api_key: str = field(repr=False)
    """Key of the account; empty if there is none."""
    queue_base_url: str = "https://queue.fal.run"
    """Where the queue is."""
    sync_base_url: str = "https://fal.run"
    """Where images are made at once."""
    timeout_seconds: float = 300.0
    """Longest that one image may take, waiting in fal's queue included."""
    first_poll_seconds: float = 0.3
    """From submission to the first question for the status."""
    longest_poll_seconds: float = 2.0
    """Longest time between two questions."""
    max_image_bytes: int = 64 * 1024 * 1024
    """Largest file that is taken."""
