"""Tests of the job store: request ids, quotas, and access by the owner only."""

from __future__ import annotations

import asyncio

import pytest

from services.common.errors import MediaError, Reason
from services.jobs.jetstream import StreamOptions, open_streams
from services.jobs.record import JobRequest, Status
from tests.integration.jobs.conftest import QUOTA, Jobs, catch_reason

REQUEST = JobRequest(
    "animate", {"video": {"prompt": "zoom in", "seconds": 6}}, "https://example.com/webhook", "order-7"
)
UNKNOWN = "0" * 32


async def test_an_accepted_job_is_queued_and_stored(jobs: Jobs) -> None:
    stored = await jobs.job_store.submit(REQUEST, jobs.owner)
    assert stored == await jobs.job_store.get(stored.record.job_id, jobs.owner)
    record = stored.record
    assert (record.principal, record.kind, record.spec) == (jobs.owner, REQUEST.kind, REQUEST.spec)
    assert (record.webhook_url, record.request_id) == (REQUEST.webhook_url, REQUEST.request_id)
    assert (record.status, record.attempt, record.percent) == (Status.QUEUED, 0, 0.0)
    assert record.created_at <= record.updated_at
    assert await jobs.count_queued() == 1


async def test_requests_without_an_id_are_different_jobs(jobs: Jobs) -> None:
    ids = [await jobs.submit() for _ in range(QUOTA)]
    assert ids == sorted(set(ids))
    assert await jobs.count_queued() == QUOTA


async def test_one_request_id_is_one_job_for_concurrent_requests(jobs: Jobs, nats_url: str) -> None:
    async with open_streams(StreamOptions((nats_url,), quota=QUOTA), "another replica") as streams:
        boards = [jobs.job_store, type(jobs.job_store)(streams)]
        found = await asyncio.gather(*(boards[number % 2].submit(REQUEST, jobs.owner) for number in range(20)))
    assert len({stored.record.job_id for stored in found}) == 1
    assert await jobs.count_queued() == 1


async def test_a_repeated_request_id_returns_the_current_job(jobs: Jobs) -> None:
    first = await jobs.job_store.submit(REQUEST, jobs.owner)
    lease = await jobs.job_store.open_lease(first.record)
    await lease.write(lease.record.start_attempt("w-1", 1))
    again = await jobs.job_store.submit(REQUEST, jobs.owner)
    assert (again.record, again.revision) == (lease.record, lease.revision)


async def test_the_order_of_fields_does_not_matter_for_a_repeated_request_id(jobs: Jobs) -> None:
    first = await jobs.submit(spec={"video": {"prompt": "zoom", "seconds": 6}}, request_id="order-7")
    assert await jobs.submit(spec={"video": {"seconds": 6, "prompt": "zoom"}}, request_id="order-7") == first


@pytest.mark.parametrize(
    "other",
    [
        JobRequest("animate", {"video": {"prompt": "zoom out", "seconds": 6}}, REQUEST.webhook_url, REQUEST.request_id),
        JobRequest("story", REQUEST.spec, REQUEST.webhook_url, REQUEST.request_id),
        JobRequest("animate", REQUEST.spec, "https://example.com/elsewhere", REQUEST.request_id),
    ],
    ids=["another video", "another kind", "another webhook"],
)
async def test_another_request_with_the_same_request_id_is_refused(jobs: Jobs, other: JobRequest) -> None:
    await jobs.job_store.submit(REQUEST, jobs.owner)
    with pytest.raises(MediaError) as caught:
        await jobs.job_store.submit(other, jobs.owner)
    assert caught.value.reason is Reason.ALREADY_EXISTS
    assert [item.field for item in caught.value.violations] == ["request_id"]
    assert await jobs.count_queued() == 1


async def test_request_ids_of_different_owners_are_independent(jobs: Jobs) -> None:
    mine = await jobs.submit(request_id="order-7")
    theirs = await jobs.submit(owner=jobs.make_owner(), request_id="order-7")
    assert mine != theirs
    assert await jobs.count_queued() == 2


async def test_one_more_than_the_quota_is_refused_and_says_how_many_there_are(jobs: Jobs) -> None:
    ids = [await jobs.submit() for _ in range(QUOTA)]
    with pytest.raises(MediaError) as caught:
        await jobs.submit()
    assert caught.value.reason is Reason.QUOTA_EXCEEDED
    assert caught.value.metadata == {"in_use": str(QUOTA)}
    assert (caught.value.retry_after_seconds or 0) > 0
    found, _ = await jobs.list_page(QUOTA + 1)
    assert sorted(found) == ids


async def test_concurrent_requests_cannot_exceed_the_quota(jobs: Jobs) -> None:
    outcomes = await asyncio.gather(*(jobs.submit() for _ in range(4 * QUOTA)), return_exceptions=True)
    assert sum(isinstance(answer, str) for answer in outcomes) == QUOTA
    refused = {answer.reason for answer in outcomes if isinstance(answer, MediaError)}
    assert refused == {Reason.QUOTA_EXCEEDED}
    assert await jobs.count_queued() == QUOTA


async def test_the_default_quota_is_fifty(jobs: Jobs, nats_url: str) -> None:
    async with open_streams(StreamOptions((nats_url,)), "with the default"):
        outcomes = await asyncio.gather(*(jobs.submit() for _ in range(51)), return_exceptions=True)
    refused = [answer for answer in outcomes if not isinstance(answer, str)]
    assert [(type(answer), getattr(answer, "metadata", None)) for answer in refused] == [(MediaError, {"in_use": "50"})]


async def test_a_reached_quota_does_not_affect_other_kinds_and_owners(jobs: Jobs) -> None:
    for _ in range(QUOTA):
        await jobs.submit()
    assert await catch_reason(jobs.submit()) is Reason.QUOTA_EXCEEDED
    await jobs.submit("headline")
    await jobs.submit(owner=jobs.make_owner())
    assert await jobs.count_queued() == QUOTA + 2


async def test_a_request_id_refused_for_the_quota_can_be_used_later(jobs: Jobs) -> None:
    for _ in range(QUOTA):
        await jobs.submit()
    for _ in range(2):
        assert await catch_reason(jobs.submit(request_id="order-7")) is Reason.QUOTA_EXCEEDED
    await jobs.streams.jetstream.purge_stream("JOBS", subject=jobs.build_subject("animate"))
    job_id = await jobs.submit(request_id="order-7")
    assert (await jobs.get_record(job_id)).request_id == "order-7"
    assert await jobs.submit(request_id="order-7") == job_id
    assert await jobs.count_queued() == 1


async def test_a_refused_request_id_has_no_job(jobs: Jobs) -> None:
    for _ in range(QUOTA):
        await jobs.submit()
    before, _ = await jobs.list_page()
    await catch_reason(jobs.submit(request_id="order-7"))
    assert (await jobs.list_page())[0] == before


async def test_a_job_is_not_found_for_another_owner(jobs: Jobs) -> None:
    job_id, mallory = await jobs.submit(), jobs.make_owner()
    for attempt in (
        jobs.job_store.get(job_id, mallory),
        jobs.job_store.get(job_id, ""),
        jobs.job_store.get(UNKNOWN, jobs.owner),
        jobs.job_store.cancel(job_id, mallory),
        jobs.job_store.list_deliveries(job_id, mallory),
        anext(aiter(jobs.job_store.watch(job_id, mallory))),
    ):
        assert await catch_reason(attempt) is Reason.JOB_NOT_FOUND
    assert (await jobs.list_page(owner=mallory))[0] == []


async def test_a_webhook_job_is_not_found_by_its_id(jobs: Jobs) -> None:
    job_id = await jobs.submit("webhook", spec={"jobId": UNKNOWN, "url": "https://example.com"})
    assert await catch_reason(jobs.job_store.get(job_id, jobs.owner)) is Reason.JOB_NOT_FOUND
    assert (await jobs.list_page())[0] == []


@pytest.mark.parametrize("owner", ["", "someone@example.com", "a.b", "a b", "*", ">", "=a", "käthe", "x" * 200])
async def test_owners_may_have_any_name(jobs: Jobs, owner: str) -> None:
    jobs.owner = f"{owner}{jobs.owner}" if owner else ""
    job_id = await jobs.submit()
    assert (await jobs.get_record(job_id)).principal == jobs.owner
    assert job_id in (await jobs.list_page())[0]
    await jobs.job_store.cancel(job_id, jobs.owner)
    assert await jobs.job_store.is_cancelled(jobs.job_store.build_key(jobs.owner, job_id))


async def test_a_silent_server_is_a_retryable_error(jobs: Jobs) -> None:
    job_id = await jobs.submit()
    await jobs.streams.client.close()
    for attempt in (
        jobs.submit(),
        jobs.submit(request_id="order-7"),
        jobs.job_store.get(job_id, jobs.owner),
        jobs.job_store.list_deliveries(job_id, jobs.owner),
        jobs.list_page(),
        jobs.job_store.cancel(job_id, jobs.owner),
    ):
        with pytest.raises(MediaError) as caught:
            await attempt
        assert caught.value.reason is Reason.UNAVAILABLE
        assert caught.value.retry_after_seconds is not None
