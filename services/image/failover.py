"""Has an image drawn: in turn, with retries, and then by whoever stands in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from services.common.errors import MediaError
from services.common.log import logger
from services.common.resilience.call import call_with_retries
from services.common.resilience.concurrency_limiter import ConcurrencyLimiter
from services.common.resilience.error_metadata import FAILOVER_REASONS
from services.common.resilience.retry import Retrier, WaitBudget
from services.image.planning import Candidate
from services.image.providers.interface import GeneratedImage

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Care:
    """How providers are treated; one for the process."""

    limiters: Mapping[str, ConcurrencyLimiter]
    """The gate of each provider, by name."""
    retries: Retrier = field(default_factory=Retrier)
    """When a provider is asked again."""
    patience_seconds: float = 60.0
    """Longest wait for turns and between attempts, over all providers; their own work is not counted."""


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """An image, and who drew it."""

    candidate: Candidate
    image: GeneratedImage
    queued_seconds: float
    """Time spent waiting for turns."""


async def generate_with_failover(candidates: Sequence[Candidate], policy: Care) -> GenerationResult:
    """Have the first of the candidates draw that can.

    Raises:
        MediaError: Nobody drew; the failure of the first candidate, with the others' reasons in its metadata.
    """
    patience = WaitBudget(policy.patience_seconds)
    failures: list[tuple[str, MediaError]] = []
    for candidate in candidates:
        provider = candidate.provider
        try:
            answered = await call_with_retries(
                partial(provider.generate, candidate.spec),
                provider.name,
                policy.limiters[provider.name],
                policy.retries,
                patience,
            )
        except MediaError as error:
            failures.append((provider.name, error))
            if error.reason not in FAILOVER_REASONS:
                break
            log.warning("a provider could not be had", provider=provider.name, reason=error.reason.name)
        else:
            return GenerationResult(candidate, answered.answer, answered.queued_seconds)
    raise _combine_errors(failures)


def _combine_errors(failures: Sequence[tuple[str, MediaError]]) -> MediaError:
    first = failures[0][1]
    if len(failures) == 1:
        return first
    attempts = " ".join(f"{name}:{error.reason.name}" for name, error in failures)
    explained = MediaError(
        first.reason,
        first.message,
        violations=first.violations,
        retry_after_seconds=first.retry_after_seconds,
        metadata={**first.metadata, "attempts": attempts},
    )
    return explained.with_traceback(first.__traceback__)
