"""Failover: the provider that answers, the failures that end the search, and the error when all fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from services.common.errors import FieldViolation, MediaError, Reason
from services.common.resilience.failover import FAILOVER_REASONS, AttemptFailure, FailureLog, try_candidates
from tests.conftest import LogLines


@dataclass(frozen=True)
class Provider:
    """A provider that has a name only."""

    name: str


@dataclass(frozen=True)
class Offer:
    """A candidate of the tests."""

    provider: Provider


FIRST, SECOND, THIRD = (Offer(Provider(name)) for name in ("first", "second", "third"))


class Search:
    """Runs `try_candidates` and remembers which candidates were tried."""

    def __init__(self, errors: Mapping[Offer, MediaError]) -> None:
        self.attempts = FailureLog()
        self.tried: list[Offer] = []
        self._errors = errors

    async def run(self, *candidates: Offer) -> str:
        return await try_candidates(candidates, self._attempt, self.attempts)

    async def _attempt(self, candidate: Offer) -> str:
        self.tried.append(candidate)
        with self.attempts.record(candidate.provider.name):
            if candidate in self._errors:
                raise self._errors[candidate]
        return candidate.provider.name


async def test_the_first_candidate_that_works_is_the_only_one_tried() -> None:
    search = Search({})
    assert await search.run(FIRST, SECOND) == "first"
    assert (search.tried, search.attempts.failures) == ([FIRST], ())


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.name)
async def test_only_failover_reasons_lead_to_the_next_candidate(reason: Reason) -> None:
    search = Search({FIRST: MediaError(reason)})
    if reason in FAILOVER_REASONS:
        assert await search.run(FIRST, SECOND) == "second"
    else:
        with pytest.raises(MediaError) as caught:
            await search.run(FIRST, SECOND)
        assert (caught.value.reason, search.tried) == (reason, [FIRST])
    assert search.attempts.failures == (AttemptFailure("first", reason),)


async def test_a_single_failure_is_raised_as_it_is() -> None:
    error = MediaError(Reason.PROVIDER_BUSY, "busy", metadata={"provider": "first"})
    with pytest.raises(MediaError) as caught:
        await Search({FIRST: error}).run(FIRST)
    assert caught.value is error
    assert error.metadata == {"provider": "first"}


async def test_if_all_fail_the_first_error_is_raised_with_all_attempts() -> None:
    violations = [FieldViolation("voice", "is odd")]
    error = MediaError(
        Reason.PROVIDER_BUSY, "busy", violations=violations, retry_after_seconds=2, metadata={"provider": "first"}
    )
    search = Search(
        {FIRST: error, SECOND: MediaError(Reason.PROVIDER_TIMEOUT), THIRD: MediaError(Reason.GENERATION_FAILED)}
    )
    with pytest.raises(MediaError) as caught:
        await search.run(FIRST, SECOND, THIRD)
    raised = caught.value
    assert (raised.reason, raised.message, raised.retry_after_seconds) == (Reason.PROVIDER_BUSY, "busy", 2)
    assert raised.violations == tuple(violations)
    attempts = "first:PROVIDER_BUSY second:PROVIDER_TIMEOUT third:GENERATION_FAILED"
    assert raised.metadata == {"provider": "first", "attempts": attempts}
    assert error.metadata == {"provider": "first"}


async def test_an_error_that_the_caller_must_correct_ends_the_search_and_lists_all_attempts() -> None:
    search = Search({FIRST: MediaError(Reason.PROVIDER_TIMEOUT), SECOND: MediaError(Reason.CONTENT_BLOCKED)})
    with pytest.raises(MediaError) as caught:
        await search.run(FIRST, SECOND, THIRD)
    assert (caught.value.reason, search.tried) == (Reason.PROVIDER_TIMEOUT, [FIRST, SECOND])
    assert caught.value.metadata["attempts"] == "first:PROVIDER_TIMEOUT second:CONTENT_BLOCKED"


async def test_retries_within_an_attempt_are_reported_one_by_one() -> None:
    attempts = FailureLog()

    async def attempt(candidate: Offer) -> str:
        for _ in range(2):
            with pytest.raises(MediaError), attempts.record(candidate.provider.name):
                raise MediaError(Reason.PROVIDER_BUSY)
        with attempts.record(candidate.provider.name):
            raise MediaError(Reason.PROVIDER_UNAVAILABLE)

    with pytest.raises(MediaError) as caught:
        await try_candidates([FIRST], attempt, attempts)
    expected = "first:PROVIDER_BUSY first:PROVIDER_BUSY first:PROVIDER_UNAVAILABLE"
    assert caught.value.metadata["attempts"] == expected


async def test_another_exception_than_media_error_is_not_an_attempt() -> None:
    attempts = FailureLog()

    async def attempt(candidate: Offer) -> str:
        with attempts.record(candidate.provider.name):
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        await try_candidates([FIRST, SECOND], attempt, attempts)
    assert attempts.failures == ()


async def test_a_switch_to_the_next_provider_is_logged(log_lines: LogLines) -> None:
    await Search({FIRST: MediaError(Reason.PROVIDER_UNAVAILABLE)}).run(FIRST, SECOND)
    (line,) = log_lines()
    assert (line["provider"], line["reason"], line["attempt"]) == ("first", "PROVIDER_UNAVAILABLE", 1)
