"""The job type: pipeline, concurrency limits and retry limits of one kind of job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.jobs.lease import Lease
from services.jobs.record import JobRecord

Pipeline = Callable[[Lease], Awaitable[None]]
"""Called with the lease of a job to run it from the last checkpoint of its record; each step stores its result."""

UNBOUNDED = -1
"""As `max_running`: no limit."""


@dataclass(frozen=True, slots=True)
class JobType:
    """How workers run one kind of job."""

    pipeline: Pipeline
    """Runs one attempt."""
    cancel_at_provider: Callable[[JobRecord], Awaitable[None]] | None = None
    """Cancels what providers still do for a job; None if there is nothing to cancel."""
    max_running: int = 100
    """Most jobs of the kind that all workers run at once; jobs that wait for a retry count."""
    own_permits: int = 0
    """Permits of the kind in each worker, apart from those of other kinds; 0 to share the permits of the worker."""
    max_failures: int = 8
    """Number of failed attempts after which the job fails."""
    wait_budget_seconds: float = 0.0
    """Time that a job retries after temporary failures, regardless of their number."""
    max_delay_seconds: float = 60.0
    """Longest delay between two attempts."""
