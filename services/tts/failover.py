"""Finds a provider that speaks: in turn, with retries, and then the next one; until the first audio is there."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.resilience.call import report_rejections
from services.common.resilience.concurrency_limiter import ConcurrencyLimiter
from services.common.resilience.error_metadata import FAILOVER_REASONS
from services.common.resilience.retry import Retrier, WaitBudget
from services.tts.events import Plan
from services.tts.providers.interface import AudioChunk, SpeechStream

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Care:
    """How providers are treated; one for the process."""

    limiters: Mapping[str, ConcurrencyLimiter]
    """The gate of each provider, by name."""
    retries: Retrier = field(default_factory=Retrier)
    """When a provider is asked again."""
    stall_seconds: float = 10.0
    """Longest silence of a provider between acceptance and its first audio."""
    clock: Callable[[], float] = time.monotonic
    """Returns seconds on a clock that never goes back."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that came to nothing."""

    provider: str
    """Who was to speak."""
    reason: Reason
    """Why it did not."""


@dataclass(frozen=True, slots=True)
class ProviderStream:
    """A provider that has begun to speak."""

    plan: Plan
    """The candidate that speaks."""
    stream: SpeechStream
    """What the provider said when it accepted; its audio is read through `chunks` only."""
    first: AudioChunk
    """The first chunk that has audio."""
    chunks: AsyncIterator[AudioChunk]
    """Everything from the beginning, `first` and what came before it included; how long the provider may be silent
    after `first` is for the reader to judge."""
    queued_seconds: float
    """Time spent waiting for turns."""
    attempts: tuple[Failure, ...]
    """What failed before, in order."""


@asynccontextmanager
async def open_with_failover(
    candidates: Sequence[Plan], policy: Care, *, patience_seconds: float
) -> AsyncIterator[ProviderStream]:
    """Have the first of the candidates speak that can; leaving the context ends its work and frees its turn at once.

    Args:
        candidates: Who may speak, in order of preference; at least one.
        policy: How providers are treated.
        patience_seconds: Longest wait for turns and between attempts, over all candidates. The providers' own work is
            not counted.

    Raises:
        MediaError: Nobody spoke; the failure of the first candidate, with the others' reasons in its metadata.
    """
    async with AsyncExitStack() as resources:
        yield await _Search(policy, patience_seconds, resources).open_first(candidates)


@dataclass(frozen=True, slots=True)
class _Accepted:
    stream: SpeechStream
    resources: AsyncExitStack


class _Search:
    """The search for a provider, on behalf of one call; what the finding holds is left to `resources`."""

    def __init__(self, policy: Care, patience_seconds: float, resources: AsyncExitStack) -> None:
        self._policy = policy
        self._patience = WaitBudget(patience_seconds, policy.clock)
        self._resources = resources
        self._queued_seconds = 0.0
        self._failures: list[Failure] = []

    async def open_first(self, candidates: Sequence[Plan]) -> ProviderStream:
        errors: list[MediaError] = []
        for plan in candidates:
            try:
                return await self._speaking(plan)
            except MediaError as error:
                errors.append(error)
                if error.reason not in FAILOVER_REASONS:
                    break
                log.warning(
                    "a provider could not be had",
                    provider=plan.provider.name,
                    reason=error.reason.name,
                    attempt=len(self._failures),
                )
        raise self._with_attempts(errors[0])

    async def _speaking(self, plan: Plan) -> ProviderStream:
        provider = plan.provider.name
        # Only what the provider has not accepted is asked again of it: the rest may have been paid for.
        accepted = await self._policy.retries.run(lambda: self._open_plan(plan), provider, self._patience)
        async with accepted.resources as held:
            with self._noting_failure(provider):
                chunks = aiter(accepted.stream.chunks)
                read = await self._until_audio(provider, chunks)
            self._resources.push_async_exit(held.pop_all())
        return ProviderStream(
            plan,
            accepted.stream,
            read[-1],
            _Replayed(read, chunks),
            self._queued_seconds,
            tuple(self._failures),
        )

    async def _open_plan(self, plan: Plan) -> _Accepted:
        provider = plan.provider
        limiter = self._policy.limiters[provider.name]
        async with AsyncExitStack() as held:
            with self._noting_failure(provider.name):
                turn = await held.enter_async_context(limiter.turn(self._patience.left_seconds))
                self._queued_seconds += turn.waited_seconds
                with report_rejections(limiter):
                    speech = provider.synthesize(plan.spec, with_alignment=plan.with_alignment)
                    stream = await held.enter_async_context(speech)
            if stream.max_concurrent_requests is not None:
                limiter.learn(stream.max_concurrent_requests)
            return _Accepted(stream, held.pop_all())

    async def _until_audio(self, provider: str, chunks: AsyncIterator[AudioChunk]) -> list[AudioChunk]:
        read: list[AudioChunk] = []
        while (chunk := await self._next(provider, chunks)) is not None:
            read.append(chunk)
            if chunk.audio:
                return read
        raise MediaError(
            Reason.GENERATION_FAILED,
            f"{provider} accepted the text but delivered no audio; try another text or provider.",
            metadata={"provider": provider},
        )

    async def _next(self, provider: str, chunks: AsyncIterator[AudioChunk]) -> AudioChunk | None:
        stall_seconds = self._policy.stall_seconds
        try:
            async with asyncio.timeout(stall_seconds) as stall:
                return await anext(chunks, None)
        except TimeoutError:
            if not stall.expired():
                raise
            raise MediaError(
                Reason.PROVIDER_TIMEOUT,
                f"{provider} accepted the text but sent nothing for {stall_seconds:g} seconds; "
                "retry, or use another provider.",
                metadata={"provider": provider},
            ) from None

    @contextmanager
    def _noting_failure(self, provider: str) -> Iterator[None]:
        try:
            yield
        except MediaError as error:
            self._failures.append(Failure(provider, error.reason))
            raise

    def _with_attempts(self, error: MediaError) -> MediaError:
        """Return `error` with every attempt in its metadata, if there was more than one."""
        if len(self._failures) == 1:
            return error
        attempts = " ".join(f"{failure.provider}:{failure.reason.name}" for failure in self._failures)
        explained = MediaError(
            error.reason,
            error.message,
            violations=error.violations,
            retry_after_seconds=error.retry_after_seconds,
            metadata={**error.metadata, "attempts": attempts},
        )
        return explained.with_traceback(error.__traceback__)


class _Replayed(AsyncIterator[AudioChunk]):
    """What was read already, then the rest."""

    def __init__(self, read: Sequence[AudioChunk], rest: AsyncIterator[AudioChunk]) -> None:
        self._read = deque(read)
        self._rest = rest

    async def __anext__(self) -> AudioChunk:
        return self._read.popleft() if self._read else await anext(self._rest)
