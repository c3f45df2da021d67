"""Plans and policies for the tests of failover."""

from __future__ import annotations

import time
from collections.abc import Callable

from services.common.resilience.concurrency_limiter import ConcurrencyLimiter
from services.common.resilience.retry import ProviderPolicy, Retrier, RetryPolicy
from services.tts.events import Plan
from services.tts.formats import FORMATS
from services.tts.providers.interface import SpeechProvider, SpeechSpec, Voice
from tests.fakes.virtual_time import PassingTime

TEXT = "Hello there."


def build_plan(provider: SpeechProvider, *, with_alignment: bool = False) -> Plan:
    """Return a plan to speak TEXT with a voice that the provider accepts."""
    voice = Voice("21m00Tcm4TlvDq8ikWAM", "Rachel", provider.name, "account")
    return Plan(provider, SpeechSpec(TEXT, voice, FORMATS["mp3_44100_128"]), with_alignment)


def build_policy(
    *providers: SpeechProvider,
    limit: int | None = None,
    passing: PassingTime | None = None,
    policy: RetryPolicy = RetryPolicy(),
    stall_seconds: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
) -> ProviderPolicy:
    """Return a policy whose delays take no time, with a limiter for each provider."""
    passing = passing or PassingTime()
    limiters = {provider.name: ConcurrencyLimiter(provider.name, limit, clock=clock) for provider in providers}
    return ProviderPolicy(limiters, Retrier(policy, passing.sleep), stall_seconds=stall_seconds, clock=passing)
