"""Tests of lists: complete and in order, also during writes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.jobs.jetstream import StreamOptions, open_streams
from services.jobs.record import JobFilter, Status
from tests.integration.jobs.conftest import Jobs


async def test_the_newest_job_is_first(jobs: Jobs) -> None:
    ids = [await jobs.submit(kind) for kind in ("animate", "story", "animate", "headline")]
    found, token = await jobs.list_page()
    assert (found, token) == (sorted(ids, reverse=True), "")


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 5, 6, 7])
async def test_pages_follow_each_other_without_a_gap(jobs: Jobs, page_size: int) -> None:
    ids = [await jobs.submit(kind) for kind in ("animate", "story") for _ in range(3)]
    pages = await jobs.list_pages(page_size)
    assert [job_id for page in pages for job_id in page] == sorted(ids, reverse=True)
    assert [len(page) for page in pages[:-1]] == [page_size] * (len(pages) - 1)
    assert pages[-1]


async def test_jobs_are_filtered_by_kind_and_status(jobs: Jobs) -> None:
    waiting, ended = await jobs.submit("animate"), await jobs.submit("animate")
    story = await jobs.submit("story")
    lease = await jobs.job_store.open_lease(await jobs.get_record(ended))
    await lease.write(lease.record.start_attempt("w-1", 1).end_attempt(Status.SUCCEEDED))
    chosen = {
        (kind, status): set((await jobs.list_page(job_filter=JobFilter(kind, status)))[0])
        for kind in ("", "animate", "story", "headline")
        for status in (None, Status.QUEUED, Status.SUCCEEDED, Status.FAILED)
    }
    assert chosen["", None] == {waiting, ended, story}
    assert chosen["animate", None] == {waiting, ended}
    assert chosen["", Status.QUEUED] == {waiting, story}
    assert chosen["animate", Status.SUCCEEDED] == {ended}
    assert chosen["story", Status.SUCCEEDED] == chosen["headline", None] == chosen["", Status.FAILED] == set()


async def test_a_page_of_one_kind_is_full_among_other_kinds(jobs: Jobs) -> None:
    ids: dict[str, list[str]] = {"animate": [], "story": []}
    for _ in range(3):
        for kind, found in ids.items():
            found.append(await jobs.submit(kind))
    selection = JobFilter("animate")
    first, token = await jobs.list_page(2, job_filter=selection)
    rest, end = await jobs.list_page(2, token, job_filter=selection)
    assert (first + rest, end) == (sorted(ids["animate"], reverse=True), "")


async def test_jobs_created_after_the_first_page_are_in_no_later_page(jobs: Jobs) -> None:
    ids = [await jobs.submit() for _ in range(2)]
    first, token = await jobs.list_page(1)
    later = await jobs.submit()
    rest, _ = await jobs.list_page(5, token)
    assert (first, rest) == ([ids[1]], [ids[0]])
    assert (await jobs.list_page(1))[0] == [later]


async def test_lists_are_complete_and_without_duplicates_during_writes(jobs: Jobs, nats_url: str) -> None:
    """Read the list repeatedly while four writers change its jobs."""
    async with open_streams(StreamOptions((nats_url,), quota=100), "with room"):
        ids = await asyncio.gather(*(jobs.submit() for _ in range(40)))
    over = asyncio.Event()
    written = 0

    async def write(mine: list[str]) -> None:
        nonlocal written
        leases = [await jobs.job_store.open_lease(await jobs.get_record(job_id)) for job_id in mine]
        while not over.is_set():
            for lease in leases:
                await lease.write(replace(lease.record, percent=lease.record.percent + 0.01))
                written += 1

    async with asyncio.timeout(20), asyncio.TaskGroup() as writers:
        for number in range(4):
            writers.create_task(write(ids[number::4]))
        for _ in range(20):
            pages = await jobs.list_pages(7)
            assert [job_id for page in pages for job_id in page] == sorted(ids, reverse=True)
        over.set()
    assert written > 0


async def test_an_owner_without_jobs_has_an_empty_page(jobs: Jobs) -> None:
    assert await jobs.list_page() == ([], "")
