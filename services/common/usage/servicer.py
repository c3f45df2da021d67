"""The usage service: returns to each caller the totals of that caller's own records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import date

import grpc
from media.usage.v1 import usage_pb2, usage_pb2_grpc

from services.common.errors import MediaError, Reason, invalid
from services.common.rpc.metadata import get_principal
from services.common.usage import DayTotals, Totals, UsageRecorder, UsageStoreError, get_utc_today, sum_totals

DEFAULT_DAYS = 30
MAX_DAYS_BETWEEN = 366

_FLUSH_SECONDS = 1.0
_READ_SECONDS = 5.0
_RETRY_SECONDS = 5.0

Context = grpc.aio.ServicerContext[object, object]


def register_usage_service(
    server: grpc.aio.Server, recorder: UsageRecorder, today: Callable[[], date] = get_utc_today
) -> str:
    """Add the usage service to `server`, and return its full name."""
    usage_pb2_grpc.add_UsageServiceServicer_to_server(UsageServicer(recorder, today), server)
    return usage_pb2.DESCRIPTOR.services_by_name["UsageService"].full_name


class UsageServicer(usage_pb2_grpc.UsageServiceServicer):
    """The servicer of media.usage.v1.UsageService.

    Args:
        recorder: Recorder of this process; its store holds the records of all processes.
        today: Called for the current day in UTC.
    """

    def __init__(self, recorder: UsageRecorder, today: Callable[[], date] = get_utc_today) -> None:
        self._recorder = recorder
        self._today = today

    async def GetUsage(  # noqa: N802 - the contract's name
        self, request: usage_pb2.GetUsageRequest, context: Context
    ) -> usage_pb2.GetUsageResponse:
        """Return the totals of the caller for each requested day, and their sum."""
        start, end = _parse_days(request, self._today())
        days = await self._read_days(get_principal(context), start, end, request.service)
        return usage_pb2.GetUsageResponse(days=[_to_day(item) for item in days], totals=_to_totals(sum_totals(days)))

    async def _read_days(self, principal: str, start: date, end: date, service: str) -> list[DayTotals]:
        # A caller finds the calls that it has just made, unless the store takes too long to write them.
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._recorder.flush()
        try:
            async with asyncio.timeout(_READ_SECONDS):
                return await self._recorder.store.sum_days(principal, start, end, service)
        except (UsageStoreError, TimeoutError):
            raise MediaError(
                Reason.UNAVAILABLE,
                "The usage records cannot be read at the moment; retry later.",
                retry_after_seconds=_RETRY_SECONDS,
            ) from None


def _parse_days(request: usage_pb2.GetUsageRequest, today: date) -> tuple[date, date]:
    end = _parse_date("end_date", request.end_date) if request.end_date else today
    start = _parse_date("start_date", request.start_date) if request.start_date else _get_default_start(end)
    if start > end:
        raise invalid("start_date", "must not be after the last day, which is today by default")
    if (end - start).days > MAX_DAYS_BETWEEN:
        raise invalid(
            "end_date", f"must be at most {MAX_DAYS_BETWEEN} days after the first day; it is today by default"
        )
    return start, end


def _parse_date(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise invalid(field, "must be a day of the calendar, such as 2026-01-31") from None


def _get_default_start(end: date) -> date:
    # An end date near the first day of the calendar must not lead to a day before it.
    return date.fromordinal(max(1, end.toordinal() - DEFAULT_DAYS + 1))


def _to_day(item: DayTotals) -> usage_pb2.UsageDay:
    return usage_pb2.UsageDay(date=item.day.isoformat(), totals=_to_totals(item.totals))


def _to_totals(totals: Totals) -> usage_pb2.UsageTotals:
    return usage_pb2.UsageTotals(
        calls=totals.calls,
        unfinished_calls=totals.unfinished_calls,
        characters=totals.characters,
        provider_cost_units=totals.provider_cost_units,
        cache_hits=totals.cache_hits,
        joined_calls=totals.joined_calls,
        saved_characters=totals.saved_characters,
        saved_cost_units=totals.saved_cost_units,
    )
