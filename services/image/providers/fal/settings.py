"""Addresses, key and time limits of fal.ai."""

from __future__ import annotations

from dataclasses import dataclass, field

PROVIDER = "fal"


@dataclass(frozen=True, slots=True)
class FalSettings:
    """How the process calls fal."""

    api_key: str = field(repr=False)
    """Key of the account; empty without an account."""
    queue_base_url: str = "https://queue.fal.run"
    """Base URL of the queue."""
    sync_base_url: str = "https://fal.run"
    """Base URL of synchronous calls."""
    timeout_seconds: float = 300.0
    """Longest time for one image, the wait in fal's queue included."""
    first_poll_seconds: float = 0.3
    """Time from the submission to the first poll of the status."""
    longest_poll_seconds: float = 2.0
    """Longest time between two polls."""
    max_image_bytes: int = 64 * 1024 * 1024
    """Largest file to download."""
