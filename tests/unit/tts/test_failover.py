"""Retries and failover: which provider is used after which failures, and what is closed at the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.common.errors import CONCURRENCY, LIMIT_KEY, FieldViolation, MediaError, Reason
from services.common.resilience.concurrency_limiter import ConcurrencyLimiter
from services.common.resilience.failover import AttemptFailure
from services.common.resilience.retry import ProviderPolicy, Retrier, RetryPolicy
from services.common.timing.alignment import Alignment
from services.tts.failover import ProviderStream, open_with_failover
from services.tts.providers.interface import AudioChunk
from tests.conftest import LogLines
from tests.fakes.speech import FakeSpeechProvider
from tests.fakes.virtual_time import in_virtual_time
from tests.unit.tts.candidates import build_plan, build_policy

FIRST, SECOND = AudioChunk(b"first"), AudioChunk(b"second")
TIMING = AudioChunk(b"", Alignment(("H",), (0.0,), (0.1,)))

FALLS_BACK = [
    Reason.API_KEY_MISSING,
    Reason.GENERATION_FAILED,
    Reason.MODEL_RETIRED,
    *(reason for reason in Reason if reason.name.startswith("PROVIDER_")),
]
ENDS_THE_SEARCH = [reason for reason in Reason if reason not in FALLS_BACK]
RETRIED = [Reason.PROVIDER_BUSY, Reason.PROVIDER_UNAVAILABLE]


def build_failing(reason: Reason, name: str = "paid") -> FakeSpeechProvider:
    return FakeSpeechProvider(FIRST, name=name, refusal=MediaError(reason, f"{name} failed"))


def build_spare(*steps: AudioChunk | BaseException) -> FakeSpeechProvider:
    return FakeSpeechProvider(*(steps or (SECOND,)), name="spare")


async def open_and_read(*providers: FakeSpeechProvider) -> tuple[ProviderStream, list[AudioChunk]]:
    plans = [build_plan(provider) for provider in providers]
    async with open_with_failover(plans, replace(build_policy(*providers), wait_seconds=100)) as found:
        return found, [chunk async for chunk in found.chunks]


async def get_failure(*providers: FakeSpeechProvider) -> MediaError:
    with pytest.raises(MediaError) as caught:
        await open_and_read(*providers)
    for provider in providers:
        assert provider.live.now == 0
    return caught.value


async def test_all_chunks_arrive_from_the_beginning() -> None:
    provider = FakeSpeechProvider(TIMING, FIRST, TIMING, SECOND, cost_units=3)
    found, chunks = await open_and_read(provider)
    assert chunks == [TIMING, FIRST, TIMING, SECOND]
    assert (found.first, found.queued_seconds, found.attempts) == (FIRST, 0, ())
    assert (found.plan.provider, found.stream.cost_units) == (provider, 3)


async def test_no_more_than_the_first_audio_is_read_ahead() -> None:
    provider = FakeSpeechProvider(FIRST, endless=True)
    async with open_with_failover([build_plan(provider)], replace(build_policy(provider), wait_seconds=1)) as found:
        assert provider.delivered == 1
        assert await anext(found.chunks) == FIRST
        assert provider.delivered == 1


@pytest.mark.parametrize("with_alignment", [False, True])
async def test_the_provider_gets_the_plan_unchanged(with_alignment: bool) -> None:
    provider = FakeSpeechProvider(FIRST)
    plan = build_plan(provider, with_alignment=with_alignment)
    async with open_with_failover([plan], replace(build_policy(provider), wait_seconds=1)):
        assert provider.specs == [(plan.spec, with_alignment)]


@pytest.mark.parametrize("reason", RETRIED)
async def test_a_refusal_that_is_safe_to_retry_is_retried(reason: Reason) -> None:
    provider = FakeSpeechProvider(FIRST, name="paid", refusals=[MediaError(reason), MediaError(reason)])
    found, chunks = await open_and_read(provider)
    assert chunks == [FIRST]
    assert found.attempts == (AttemptFailure("paid", reason),) * 2
    assert provider.live.total == 3


@pytest.mark.parametrize("reason", FALLS_BACK, ids=lambda reason: reason.name)
async def test_if_a_provider_fails_the_next_one_is_used(reason: Reason) -> None:
    paid, other = build_failing(reason), build_spare()
    found, chunks = await open_and_read(paid, other)
    assert (found.plan.provider, chunks) == (other, [SECOND])
    times = 3 if reason in RETRIED else 1
    assert found.attempts == (AttemptFailure("paid", reason),) * times
    assert (paid.live.now, paid.live.total) == (0, times)


@pytest.mark.parametrize("reason", ENDS_THE_SEARCH, ids=lambda reason: reason.name)
async def test_an_error_that_the_caller_must_correct_is_raised_at_once(reason: Reason) -> None:
    paid, other = build_failing(reason), build_spare()
    assert (await get_failure(paid, other)).reason is reason
    assert (paid.live.total, other.live.total) == (1, 0)


@pytest.mark.parametrize("steps", [(), (TIMING,), (AudioChunk(b""),)])
async def test_no_audio_is_a_failure(steps: tuple[AudioChunk, ...]) -> None:
    mute = FakeSpeechProvider(*steps, name="mute")
    error = await get_failure(mute)
    assert (error.reason, mute.live.total) == (Reason.GENERATION_FAILED, 1)
    found, _ = await open_and_read(mute, build_spare())
    assert found.attempts == (AttemptFailure("mute", Reason.GENERATION_FAILED),)


@pytest.mark.parametrize("reason", RETRIED)
async def test_an_accepted_request_is_not_retried_at_the_same_provider(reason: Reason) -> None:
    broken = FakeSpeechProvider(TIMING, MediaError(reason), name="broken")
    found, _ = await open_and_read(broken, build_spare())
    assert (broken.live.total, found.attempts) == (1, (AttemptFailure("broken", reason),))


@in_virtual_time
async def test_silence_after_acceptance_is_a_stall() -> None:
    silent = FakeSpeechProvider(TIMING, asyncio.Event(), FIRST, name="silent")
    error = await get_failure(silent)
    assert (error.reason, "for 5 seconds" in error.message) == (Reason.PROVIDER_TIMEOUT, True)
    found, _ = await open_and_read(silent, build_spare())
    assert found.attempts == (AttemptFailure("silent", Reason.PROVIDER_TIMEOUT),)


async def test_a_failure_after_the_first_audio_is_raised_to_the_reader() -> None:
    paid, other = FakeSpeechProvider(FIRST, MediaError(Reason.GENERATION_FAILED), name="paid"), build_spare()
    async with open_with_failover(
        [build_plan(paid), build_plan(other)], replace(build_policy(paid, other), wait_seconds=1)
    ) as found:
        assert await anext(found.chunks) == FIRST
        with pytest.raises(MediaError):
            await anext(found.chunks)
    assert (paid.live.total, other.live.total) == (1, 0)


async def test_if_all_providers_fail_the_first_error_lists_all_attempts() -> None:
    violations = [FieldViolation("voice", "is odd")]
    first_error = MediaError(
        Reason.PROVIDER_BUSY, "come later", violations=violations, retry_after_seconds=2, metadata={"provider": "paid"}
    )
    paid = FakeSpeechProvider(name="paid", refusal=first_error)
    error = await get_failure(paid, build_failing(Reason.PROVIDER_QUOTA_EXCEEDED, "second"), build_spare(TIMING))
    assert (error.reason, error.message, error.retry_after_seconds) == (Reason.PROVIDER_BUSY, "come later", 2)
    assert error.violations == tuple(violations)
    attempts = "paid:PROVIDER_BUSY paid:PROVIDER_BUSY paid:PROVIDER_BUSY second:PROVIDER_QUOTA_EXCEEDED"
    assert error.metadata == {"provider": "paid", "attempts": f"{attempts} spare:GENERATION_FAILED"}
    assert first_error.metadata == {"provider": "paid"}


async def test_content_that_a_fallback_blocks_is_not_sent_to_the_next() -> None:
    strict, last = build_failing(Reason.CONTENT_BLOCKED, "strict"), FakeSpeechProvider(FIRST, name="last")
    error = await get_failure(build_failing(Reason.PROVIDER_TIMEOUT), strict, last)
    assert error.reason is Reason.PROVIDER_TIMEOUT
    assert error.metadata["attempts"] == "paid:PROVIDER_TIMEOUT strict:CONTENT_BLOCKED"
    assert last.live.total == 0


@pytest.mark.parametrize("mistake", [ValueError(), TimeoutError()])
async def test_a_programming_error_is_not_a_provider_failure(mistake: Exception) -> None:
    for broken in (FakeSpeechProvider(refusal=mistake, name="broken"), FakeSpeechProvider(mistake, name="broken")):
        other = build_spare()
        with pytest.raises(type(mistake)):
            await open_and_read(broken, other)
        assert (broken.live.now, other.live.total) == (0, 0)


async def test_leaving_the_context_ends_the_providers_work_and_frees_its_permit() -> None:
    provider = FakeSpeechProvider(FIRST, endless=True)
    policy = build_policy(provider, limit=1)
    for _ in range(3):
        async with open_with_failover([build_plan(provider)], replace(policy, wait_seconds=0)):
            assert (provider.live.now, policy.limiters["espeak"].in_flight) == (1, 1)
        assert (provider.live.now, policy.limiters["espeak"].in_flight) == (0, 0)


async def test_an_error_of_the_reader_is_raised_and_closes_everything() -> None:
    provider = FakeSpeechProvider(FIRST)
    policy = build_policy(provider)
    with pytest.raises(MediaError) as caught:
        async with open_with_failover([build_plan(provider)], replace(policy, wait_seconds=0)):
            raise MediaError(Reason.PROVIDER_UNAVAILABLE, "of the reader")
    assert (caught.value.message, provider.live.total) == ("of the reader", 1)
    assert (provider.live.now, policy.limiters["espeak"].in_flight) == (0, 0)


@pytest.mark.parametrize("state", ["not accepted", "silent", "speaking"])
async def test_cancellation_is_not_recorded_as_a_failure(state: str) -> None:
    never = asyncio.Event()
    provider = {
        "not accepted": FakeSpeechProvider(FIRST, name="paid", accepts_when=never),
        "silent": FakeSpeechProvider(never, name="paid"),
        "speaking": FakeSpeechProvider(FIRST, never, name="paid"),
    }[state]
    other = build_spare()
    policy = build_policy(provider, other)

    async def listen() -> None:
        async with open_with_failover(
            [build_plan(provider), build_plan(other)], replace(policy, wait_seconds=5)
        ) as found:
            async for _ in found.chunks:
                pass

    task = asyncio.create_task(listen())
    await provider.live.wait_for(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (provider.live.now, provider.live.total, other.live.total) == (0, 1, 0)
    assert policy.limiters["paid"].in_flight == 0


@in_virtual_time
async def test_time_in_the_queue_is_reported() -> None:
    provider = FakeSpeechProvider(FIRST)
    policy = build_policy(provider, limit=1, clock=asyncio.get_running_loop().time)

    async def call() -> float:
        async with open_with_failover([build_plan(provider)], replace(policy, wait_seconds=10)) as found:
            await asyncio.sleep(3)
            return found.queued_seconds

    assert list(await asyncio.gather(call(), call(), call())) == [0, 3, 6]


@in_virtual_time
async def test_without_a_permit_in_time_the_next_provider_is_used() -> None:
    paid, other = FakeSpeechProvider(FIRST, name="paid"), build_spare()
    policy = build_policy(paid, other, limit=1)
    async with (
        open_with_failover([build_plan(paid)], replace(policy, wait_seconds=1)),
        open_with_failover([build_plan(paid), build_plan(other)], replace(policy, wait_seconds=1)) as found,
    ):
        assert found.plan.provider is other
        assert found.attempts == (AttemptFailure("paid", Reason.PROVIDER_BUSY),)
    assert paid.live.total == 1


async def test_no_permit_is_held_during_a_delay() -> None:
    provider = FakeSpeechProvider(FIRST, refusals=[MediaError(Reason.PROVIDER_UNAVAILABLE)])
    limiter = ConcurrencyLimiter("espeak", 1)
    in_flight_and_live: list[tuple[int, int]] = []

    async def sleep(_seconds: float) -> None:
        in_flight_and_live.append((limiter.in_flight, provider.live.now))

    policy = ProviderPolicy({"espeak": limiter}, Retrier(sleep=sleep))
    async with open_with_failover([build_plan(provider)], replace(policy, wait_seconds=5)):
        assert (in_flight_and_live, limiter.in_flight) == ([(0, 0)], 1)


async def test_the_limiter_learns_the_limit_of_the_provider() -> None:
    provider = FakeSpeechProvider(FIRST, max_concurrent_requests=7)
    policy = build_policy(provider)
    async with open_with_failover([build_plan(provider)], replace(policy, wait_seconds=0)):
        assert policy.limiters["espeak"].limit == 7


@pytest.mark.parametrize(
    ("metadata", "limit"), [({LIMIT_KEY: CONCURRENCY}, 1), ({LIMIT_KEY: "rate"}, None), ({}, None)]
)
async def test_only_a_refusal_for_too_many_concurrent_calls_lowers_the_limit(
    metadata: dict[str, str], limit: int | None
) -> None:
    provider = FakeSpeechProvider(FIRST, refusals=[MediaError(Reason.PROVIDER_BUSY, metadata=metadata)])
    policy = build_policy(provider)
    async with open_with_failover([build_plan(provider)], replace(policy, wait_seconds=50)):
        assert policy.limiters["espeak"].limit == limit


async def test_a_failed_provider_is_logged(log_lines: LogLines) -> None:
    paid, other = build_failing(Reason.PROVIDER_UNAVAILABLE), build_spare()
    policy = build_policy(paid, other, policy=RetryPolicy(max_attempts=2))
    async with open_with_failover([build_plan(paid), build_plan(other)], replace(policy, wait_seconds=50)):
        again, given_up = log_lines()
    assert (again["provider"], again["reason"], again["attempt"]) == ("paid", "PROVIDER_UNAVAILABLE", 1)
    assert (given_up["provider"], given_up["reason"], given_up["attempt"]) == ("paid", "PROVIDER_UNAVAILABLE", 2)
