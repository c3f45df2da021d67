"""What a kind of job is done by, and how patiently."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.jobs.lease import Lease
from services.jobs.record import JobRecord

Pipeline = Callable[[Lease], Awaitable[None]]
"""Does a job from where its record says it is; what it makes are the results of its steps."""

UNBOUNDED = -1
"""As a fleet: all that there are."""


@dataclass(frozen=True, slots=True)
class JobType:
    """What a kind of job is done by."""

    pipeline: Pipeline
    """Does it."""
    cancel_at_provider: Callable[[JobRecord], Awaitable[None]] | None = None
    """Tells providers that a job is not wanted any more."""
    max_running: int = 100
    """Most jobs of the kind that all workers together have at once, those between two attempts included."""
    own_permits: int = 0
    """Most of the kind that one worker does at once, beside all others; 0 to share the worker's places."""
    max_failures: int = 8
    """How many attempts may fail before the job does."""
    wait_budget_seconds: float = 0.0
    """How long attempts go on, however many fail, while what they need is away."""
    max_delay_seconds: float = 60.0
    """Longest time between two attempts."""
