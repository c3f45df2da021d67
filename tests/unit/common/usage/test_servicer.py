"""The usage service, through a real server and a real channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta

import grpc
import pytest
from media.usage.v1 import usage_pb2, usage_pb2_grpc

from services.common.errors import MediaError, Reason
from services.common.rpc.channel import call_metadata
from services.common.rpc.status import from_rpc_error
from services.common.usage import UsageRecorder
from tests.fakes.usage import NOON, TODAY, FakeUsageStore, make_store_error, make_usage_record, serve_usage

DAY = timedelta(days=1)
Request = usage_pb2.GetUsageRequest


class UsageClient:
    """A client of a usage service, with the recorder and the store behind it."""

    def __init__(self, recorder: UsageRecorder, store: FakeUsageStore, channel: grpc.aio.Channel) -> None:
        self.recorder = recorder
        self.store = store
        self._stub: usage_pb2_grpc.UsageServiceAsyncStub = usage_pb2_grpc.UsageServiceStub(channel)

    async def get_usage(
        self, request: usage_pb2.GetUsageRequest | None = None, principal: str = "alice"
    ) -> usage_pb2.GetUsageResponse:
        return await self._stub.GetUsage(request or Request(), metadata=call_metadata(principal), timeout=30)

    async def get_days(self, request: usage_pb2.GetUsageRequest | None = None, principal: str = "alice") -> list[str]:
        return [item.date for item in (await self.get_usage(request, principal)).days]

    async def get_error(self, request: usage_pb2.GetUsageRequest | None = None) -> MediaError:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.get_usage(request)
        return from_rpc_error(caught.value)


@asynccontextmanager
async def _open_client(today: date) -> AsyncIterator[UsageClient]:
    store = FakeUsageStore()
    recorder = UsageRecorder(store)
    async with serve_usage(recorder, today) as service:
        yield UsageClient(recorder, store, service.channel)


@pytest.fixture
async def client() -> AsyncIterator[UsageClient]:
    async with _open_client(TODAY) as found:
        yield found


async def test_a_caller_gets_days_newest_first_and_their_sum(client: UsageClient) -> None:
    saved = {"cached_characters": 10, "saved_cost_units": 5}
    for record in (
        make_usage_record(cost_units=5),
        make_usage_record(cache_status="hit", **saved),
        make_usage_record(cache_status="joined", at=NOON - DAY, **saved),
        make_usage_record(outcome="PROVIDER_BUSY", at=NOON - DAY),
    ):
        client.recorder.record(record)
    assert await client.get_usage() == usage_pb2.GetUsageResponse(
        days=[
            usage_pb2.UsageDay(
                date="2026-01-31",
                totals=usage_pb2.UsageTotals(
                    calls=2,
                    characters=20,
                    provider_cost_units=5,
                    cache_hits=1,
                    saved_characters=10,
                    saved_cost_units=5,
                ),
            ),
            usage_pb2.UsageDay(
                date="2026-01-30",
                totals=usage_pb2.UsageTotals(
                    calls=1,
                    unfinished_calls=1,
                    characters=10,
                    joined_calls=1,
                    saved_characters=10,
                    saved_cost_units=5,
                ),
            ),
        ],
        totals=usage_pb2.UsageTotals(
            calls=3,
            unfinished_calls=1,
            characters=30,
            provider_cost_units=5,
            cache_hits=1,
            joined_calls=1,
            saved_characters=20,
            saved_cost_units=10,
        ),
    )


async def test_a_caller_without_records_gets_empty_totals(client: UsageClient) -> None:
    assert await client.get_usage() == usage_pb2.GetUsageResponse(totals=usage_pb2.UsageTotals())


async def test_calls_without_a_principal_are_not_visible_to_a_principal(client: UsageClient) -> None:
    client.recorder.record(make_usage_record(principal=""))
    assert await client.get_days(principal="") == ["2026-01-31"]
    assert await client.get_days(principal="alice") == []


async def test_thirty_days_are_the_default(client: UsageClient) -> None:
    for age in (0, 29, 30):
        client.recorder.record(make_usage_record(at=NOON - DAY * age))
    assert await client.get_days() == ["2026-01-31", "2026-01-02"]
    assert await client.get_days(Request(end_date="2026-01-30")) == ["2026-01-02", "2026-01-01"]


@pytest.mark.parametrize(
    ("span", "days"),
    [
        (Request(start_date="2026-01-30", end_date="2026-01-30"), ["2026-01-30"]),
        (Request(start_date="2026-01-30"), ["2026-01-31", "2026-01-30"]),
        (Request(start_date="2025-01-30", end_date="2026-01-31"), ["2026-01-31", "2026-01-30", "2026-01-29"]),
        (Request(start_date="2027-01-01", end_date="2027-02-01"), []),
        (Request(end_date="0001-01-01"), []),
        (Request(start_date="9999-12-31", end_date="9999-12-31"), []),
    ],
)
async def test_the_first_and_the_last_day_are_included(
    client: UsageClient, span: usage_pb2.GetUsageRequest, days: list[str]
) -> None:
    for age in range(3):
        client.recorder.record(make_usage_record(at=NOON - DAY * age))
    assert await client.get_days(span) == days


@pytest.mark.parametrize(
    ("span", "field"),
    [
        (Request(start_date="yesterday"), "start_date"),
        (Request(start_date="2026-1-1"), "start_date"),
        (Request(start_date="2026-01-31T00:00:00"), "start_date"),
        (Request(end_date="20260131"), "end_date"),
        (Request(end_date="2026-02-30"), "end_date"),
        (Request(start_date="2025-02-29"), "start_date"),
        (Request(start_date="0000-01-01"), "start_date"),
        (Request(start_date="2026-01-31", end_date="2026-01-30"), "start_date"),
        (Request(start_date="2026-02-01"), "start_date"),
        (Request(start_date="2025-01-29", end_date="2026-01-31"), "end_date"),
        (Request(start_date="2024-01-01"), "end_date"),
    ],
)
async def test_an_impossible_range_of_days_is_refused_by_field(
    client: UsageClient, span: usage_pb2.GetUsageRequest, field: str
) -> None:
    error = await client.get_error(span)
    assert error.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in error.violations] == [field]


async def test_the_first_days_of_the_calendar_are_no_error() -> None:
    async with _open_client(date.min) as client:
        assert await client.get_days() == []


async def test_a_store_that_cannot_be_read_is_unavailable_with_a_retry_delay(client: UsageClient) -> None:
    client.store.failure = make_store_error()
    error = await client.get_error()
    assert error.reason is Reason.UNAVAILABLE
    assert error.retry_after_seconds == 5
    assert error.message == "The usage records cannot be read at the moment; retry later."


async def test_unwritten_records_do_not_hide_the_written_ones(client: UsageClient) -> None:
    client.recorder.record(make_usage_record())
    await client.recorder.flush()
    client.store.proceed.clear()
    client.recorder.record(make_usage_record())
    assert (await client.get_usage()).totals.calls == 1
    client.store.proceed.set()
