"""Tests of signing secrets: created once for all processes, and rotated without a gap."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from services.common.webhooks import parse_secret
from services.jobs.webhooks.signing_secrets import SigningSecrets
from tests.fakes.clocks import START_SECONDS, Clocks
from tests.unit.jobs.memory_buckets import Bucket, Buckets, Entry

DAY_SECONDS = 86_400


class CrowdedBucket(Bucket):
    """A bucket in which the first reads of all callers miss, as if they were concurrent."""

    def __init__(self, lookers: int) -> None:
        super().__init__()
        self._together = asyncio.Barrier(lookers)
        self._first_looks = lookers

    async def get(self, key: str) -> Entry:
        """Return the entry of a key, from the second read on."""
        if self._first_looks:
            self._first_looks -= 1
            try:
                return await super().get(key)
            finally:
                await self._together.wait()
        return await super().get(key)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    created = Clocks()
    monkeypatch.setattr(
        "services.jobs.webhooks.signing_secrets.time", SimpleNamespace(time=lambda: created.wall_seconds)
    )
    return created


@pytest.fixture
def secrets() -> SigningSecrets:
    return SigningSecrets(Buckets().streams)


async def test_the_first_secret_is_created_on_demand_and_stays(secrets: SigningSecrets) -> None:
    (created,) = await secrets.get("alice")
    assert parse_secret(created) is not None
    assert await secrets.get("alice") == [created]


async def test_owners_have_different_secrets(secrets: SigningSecrets) -> None:
    created = [(await secrets.get(owner))[0] for owner in ("alice", "bob", "", "a.b", "a_b")]
    assert len(set(created)) == 5


async def test_concurrent_first_reads_get_the_same_secret() -> None:
    buckets = Buckets()
    buckets.secrets = CrowdedBucket(5)
    found = await asyncio.gather(*(SigningSecrets(buckets.streams).get("alice") for _ in range(5)))
    assert len({tuple(secrets) for secrets in found}) == 1
    assert len(buckets.secrets.writes) == 1


async def test_the_previous_secret_still_signs(secrets: SigningSecrets) -> None:
    (first,) = await secrets.get("alice")
    second = await secrets.rotate("alice")
    assert await secrets.get("alice") == [second, first]


async def test_the_first_rotation_returns_a_secret_that_signs(secrets: SigningSecrets) -> None:
    rotated = await secrets.rotate("alice")
    assert (await secrets.get("alice"))[0] == rotated


async def test_the_previous_secret_expires_after_a_day(clocks: Clocks, secrets: SigningSecrets) -> None:
    assert clocks.wall_seconds == START_SECONDS
    (first,) = await secrets.get("alice")
    second = await secrets.rotate("alice")
    clocks.pass_seconds(DAY_SECONDS - 1)
    assert await secrets.get("alice") == [second, first]
    clocks.pass_seconds(2)
    assert await secrets.get("alice") == [second]


async def test_the_newest_secret_does_not_expire(clocks: Clocks, secrets: SigningSecrets) -> None:
    second = await secrets.rotate("alice")
    clocks.pass_seconds(400 * DAY_SECONDS)
    assert await secrets.get("alice") == [second]


async def test_a_repeated_rotation_keeps_the_secret_that_receivers_know(
    secrets: SigningSecrets,
) -> None:
    (first,) = await secrets.get("alice")
    second = await secrets.rotate("alice")
    third = await secrets.rotate("alice")
    assert await secrets.get("alice") == [third, second, first]


async def test_at_most_four_previous_secrets_sign(secrets: SigningSecrets) -> None:
    created = [await secrets.rotate("alice") for _ in range(7)]
    assert await secrets.get("alice") == created[:-6:-1]


async def test_a_rotation_does_not_affect_other_owners(secrets: SigningSecrets) -> None:
    before = await secrets.get("bob")
    await secrets.rotate("alice")
    assert await secrets.get("bob") == before
