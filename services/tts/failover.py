"""Opens a stream at the first provider that works, with permits and retries, and waits for its first audio."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from services.common.cancellation import StalledError, next_within
from services.common.errors import MediaError, Reason
from services.common.resilience.failover import AttemptFailure, FailureLog, try_candidates
from services.common.resilience.retry import ProviderPolicy, report_rejections
from services.common.text.mapping import MappedText
from services.tts.events import Plan
from services.tts.providers.interface import AudioChunk, SpeechStream
from services.tts.spoken_text import build_spoken_spec


@dataclass(frozen=True, slots=True)
class ProviderStream:
    """An open stream of a provider that has sent its first audio."""

    plan: Plan
    """The plan of the provider that works."""
    stream: SpeechStream
    """The accepted request; read its audio through `chunks` only."""
    spoken: MappedText
    """The text that the provider got, and the text of the plan that it comes from."""
    first: AudioChunk
    """The first chunk that has audio."""
    chunks: AsyncIterator[AudioChunk]
    """All chunks from the beginning, including `first`. The reader must limit the wait for those after it."""
    queued_seconds: float
    """Time spent waiting for permits."""
    attempts: tuple[AttemptFailure, ...]
    """Failed attempts before this one, in order."""


@asynccontextmanager
async def open_with_failover(candidates: Sequence[Plan], policy: ProviderPolicy) -> AsyncIterator[ProviderStream]:
    """Open a stream at the first provider that works; leaving the context closes it and frees its permit at once.

    Args:
        candidates: The plans to try, in order of preference; at least one.
        policy: Limits and retries of provider calls.

    Raises:
        MediaError: All candidates failed; the error of the first one, with the others' reasons in its metadata.
    """
    async with AsyncExitStack() as resources:
        opener = _StreamOpener(policy, resources)
        yield await try_candidates(candidates, opener.open_stream, opener.attempts)


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A request that a provider accepted, and the resources to close after it."""

    stream: SpeechStream
    spoken: MappedText
    resources: AsyncExitStack


class _StreamOpener:
    """Opens the stream of one call; `resources` closes it."""

    def __init__(self, policy: ProviderPolicy, resources: AsyncExitStack) -> None:
        self.attempts = FailureLog()
        self._policy = policy
        self._wait_budget = policy.start_wait_budget()
        self._resources = resources
        self._queued_seconds = 0.0

    async def open_stream(self, plan: Plan) -> ProviderStream:
        provider = plan.provider.name
        # Retry only until the provider accepts the request: after that it may be charged.
        accepted = await self._policy.retrier.run(lambda: self._request_stream(plan), provider, self._wait_budget)
        async with accepted.resources as held:
            with self.attempts.record(provider):
                chunks = aiter(accepted.stream.chunks)
                read = await self._read_until_audio(provider, chunks)
            self._resources.push_async_exit(held.pop_all())
        return ProviderStream(
            plan,
            accepted.stream,
            accepted.spoken,
            read[-1],
            _ReplayedChunks(read, chunks),
            self._queued_seconds,
            self.attempts.failures,
        )

    async def _request_stream(self, plan: Plan) -> _Accepted:
        provider = plan.provider
        spec, spoken = build_spoken_spec(plan)
        limiter = self._policy.limiters[provider.name]
        async with AsyncExitStack() as held:
            with self.attempts.record(provider.name):
                permit = await held.enter_async_context(limiter.acquire(self._wait_budget.left_seconds))
                self._queued_seconds += permit.waited_seconds
                with report_rejections(limiter):
                    speech = provider.synthesize(spec, with_alignment=plan.with_alignment)
                    stream = await held.enter_async_context(speech)
            if stream.max_concurrent_requests is not None:
                limiter.learn(stream.max_concurrent_requests)
            return _Accepted(stream, spoken, held.pop_all())

    async def _read_until_audio(self, provider: str, chunks: AsyncIterator[AudioChunk]) -> list[AudioChunk]:
        read: list[AudioChunk] = []
        while (chunk := await self._read_chunk(provider, chunks)) is not None:
            read.append(chunk)
            if chunk.audio:
                return read
        raise MediaError(
            Reason.GENERATION_FAILED,
            f"{provider} accepted the text but delivered no audio; try another text or provider.",
            metadata={"provider": provider},
        )

    async def _read_chunk(self, provider: str, chunks: AsyncIterator[AudioChunk]) -> AudioChunk | None:
        stall_seconds = self._policy.stall_seconds
        try:
            return await next_within(chunks, stall_seconds)
        except StalledError:
            raise MediaError(
                Reason.PROVIDER_TIMEOUT,
                f"{provider} accepted the text but sent nothing for {stall_seconds:g} seconds; "
                "retry, or use another provider.",
                metadata={"provider": provider},
            ) from None


class _ReplayedChunks(AsyncIterator[AudioChunk]):
    """Yields the chunks that were read already, then those that follow."""

    def __init__(self, read: Sequence[AudioChunk], following: AsyncIterator[AudioChunk]) -> None:
        self._read = deque(read)
        self._following = following

    async def __anext__(self) -> AudioChunk:
        return self._read.popleft() if self._read else await anext(self._following)
