"""The contract of every usage store."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta, timezone

from services.common.usage import DayTotals, Totals, UsageRecord, UsageStore
from tests.fakes.usage import NOON, TODAY, FakeUsageStore, make_usage_record

EVER = (date(1, 1, 1), date(9999, 12, 31))
DAY = timedelta(days=1)


def make_varied_records(count: int) -> list[UsageRecord]:
    """Return records that differ in every field that is summed or grouped by."""
    statuses = ("miss", "hit", "joined", "bypass")
    return [
        make_usage_record(
            at=NOON - DAY * (number % 5),
            principal=("alice", "bob", "")[number % 3],
            cache_status=statuses[number % 4],
            outcome=("OK", "OK", "PROVIDER_BUSY", "CANCELLED")[number // 4 % 4],
            characters=number,
            cost_units=None if number % 7 == 0 else number * 3,
            cached_characters=number // 2,
            saved_cost_units=number * 5,
            first_audio_seconds=None if number % 2 else 0.125,
        )
        for number in range(count)
    ]


async def test_a_store_without_records_has_no_days(store: UsageStore) -> None:
    assert await store.sum_days("alice", *EVER) == []


async def test_a_complete_call_counts_with_its_cost(store: UsageStore) -> None:
    await store.add_many([make_usage_record(characters=12, cost_units=6)])
    assert await store.sum_days("alice", TODAY, TODAY) == [
        DayTotals(TODAY, Totals(calls=1, characters=12, provider_cost_units=6))
    ]


async def test_hits_and_joined_calls_are_savings(store: UsageStore) -> None:
    shared = {"characters": 20, "cached_characters": 20, "saved_cost_units": 10}
    await store.add_many(
        [
            make_usage_record(characters=20, cost_units=10),
            make_usage_record(cache_status="hit", **shared),
            make_usage_record(cache_status="joined", **shared),
        ]
    )
    (found,) = await store.sum_days("alice", TODAY, TODAY)
    assert found.totals == Totals(
        calls=3,
        characters=60,
        provider_cost_units=10,
        cache_hits=1,
        joined_calls=1,
        saved_characters=40,
        saved_cost_units=20,
    )


async def test_an_unfinished_call_counts_apart_but_its_cost_is_summed(store: UsageStore) -> None:
    await store.add_many(
        [
            make_usage_record(outcome="PROVIDER_TIMEOUT", cost_units=4),
            make_usage_record(outcome="CANCELLED", cache_status="hit", cached_characters=10, saved_cost_units=5),
        ]
    )
    (found,) = await store.sum_days("alice", TODAY, TODAY)
    assert found.totals == Totals(unfinished_calls=2, provider_cost_units=4)


async def test_days_are_newest_first_and_both_ends_are_included(store: UsageStore) -> None:
    await store.add_many([make_usage_record(at=NOON - DAY * age) for age in (3, 0, 2, 1)])
    days = await store.sum_days("alice", TODAY - 2 * DAY, TODAY - DAY)
    assert [item.day for item in days] == [TODAY - DAY, TODAY - 2 * DAY]


async def test_days_are_those_of_utc(store: UsageStore) -> None:
    midnight_in_tokyo = NOON.replace(hour=0, tzinfo=timezone(timedelta(hours=9)))
    await store.add_many([make_usage_record(at=midnight_in_tokyo)])
    assert [item.day for item in await store.sum_days("alice", *EVER)] == [TODAY - DAY]


async def test_a_principal_does_not_see_the_calls_of_others(store: UsageStore) -> None:
    names = ["alice", "Alice", "alice ", "bob", "", "%", "a'; --", "äöü", "$day"]
    await store.add_many([make_usage_record(principal=name, characters=number) for number, name in enumerate(names)])
    for number, name in enumerate(names):
        (found,) = await store.sum_days(name, *EVER)
        assert found.totals == Totals(calls=1, characters=number)


async def test_totals_can_be_restricted_to_one_service(store: UsageStore) -> None:
    await store.add_many(
        [make_usage_record(service=name, characters=size) for name, size in (("tts", 1), ("image", 2))]
    )
    sums = {}
    for service in ("", "tts", "image"):
        (found,) = await store.sum_days("alice", *EVER, service)
        sums[service] = found.totals.characters
    assert sums == {"": 3, "tts": 1, "image": 2}


async def test_adding_a_stored_record_again_changes_nothing(store: UsageStore) -> None:
    first, second, third = (make_usage_record(characters=size) for size in (1, 2, 4))
    await store.add_many([first, second])
    await store.add_many([first, second, third])
    (found,) = await store.sum_days("alice", *EVER)
    assert found.totals == Totals(calls=3, characters=7)


async def test_sums_equal_those_of_the_fake_store(store: UsageStore) -> None:
    fake, records = FakeUsageStore(), make_varied_records(200)
    for one in (fake, store):
        await one.add_many(records)
    for principal in ("alice", "bob", "", "carol"):
        assert await store.sum_days(principal, *EVER) == await fake.sum_days(principal, *EVER)


async def test_old_records_can_be_removed(store: UsageStore) -> None:
    await store.add_many([make_usage_record(at=NOON - DAY * age) for age in range(5)])
    assert await store.purge_before(TODAY - DAY) == 3
    assert [item.day for item in await store.sum_days("alice", *EVER)] == [TODAY, TODAY - DAY]
    assert await store.purge_before(TODAY - DAY) == 0


async def test_concurrent_writes_and_reads_all_succeed(store: UsageStore) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(store.add_many([make_usage_record(characters=1) for _ in range(20)]))
            group.create_task(store.sum_days("alice", *EVER))
    (found,) = await store.sum_days("alice", *EVER)
    assert found.totals == Totals(calls=200, characters=200)
