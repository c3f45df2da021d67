"""Tests of the job store and the worker without a server: keys, page tokens and limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media.jobs.v1 import jobs_pb2

from services.common.errors import MediaError, Reason
from services.common.rpc.validation import validate
from services.jobs.job_store import JobStore, build_webhook_request_id
from services.jobs.job_type import JobType
from services.jobs.lease import Lease
from services.jobs.record import JobFilter, to_owner_token, to_request_token
from services.jobs.worker.worker import Worker, WorkerOptions
from tests.unit.jobs.memory_buckets import JOB_ID, Buckets


async def do_nothing(_: Lease) -> None:
    pass


@given(st.text(), st.text())
def test_no_two_owners_have_a_record_under_the_same_key(one: str, another: str) -> None:
    assert (JobStore.build_key(one, JOB_ID) == JobStore.build_key(another, JOB_ID)) == (one == another)
    assert JobStore.build_key(one, JOB_ID) == f"{to_owner_token(one)}.{JOB_ID}"


def test_the_contract_rejects_the_request_id_of_a_webhook_job() -> None:
    name = build_webhook_request_id(JOB_ID)
    assert JOB_ID in name
    assert to_request_token(name) != to_request_token(JOB_ID)
    video = jobs_pb2.VideoSpec(image_key="a.png", prompt="zoom in")
    with pytest.raises(MediaError) as refused:
        validate(jobs_pb2.CreateJobRequest(animate=jobs_pb2.AnimateSpec(video=video), request_id=name))
    assert [item.field for item in refused.value.violations] == ["request_id"]


def test_a_job_fails_for_good_where_the_documents_say() -> None:
    work = JobType(do_nothing)
    delays = [min(work.max_delay_seconds, 2.0**number) for number in range(work.max_failures - 1)]
    assert (work.max_failures, work.max_delay_seconds) == (8, 60.0)
    assert 60 <= sum(delays) / 2 <= sum(delays) <= 130


@pytest.mark.parametrize("page_token", ["short", "z" * 33, "!" * 32, "../" * 10 + "ab"])
async def test_an_invalid_page_token_is_refused(page_token: str) -> None:
    job_store = JobStore(Buckets().streams)
    with pytest.raises(MediaError) as caught:
        await job_store.list_page("alice", JobFilter(), 20, page_token)
    assert (caught.value.reason, caught.value.violations[0].field) == (Reason.VALIDATION_ERROR, "page_token")


async def test_a_new_worker_has_no_running_jobs() -> None:
    streams = Buckets().streams
    assert Worker(streams, JobStore(streams), {"animate": JobType(do_nothing)}, WorkerOptions("w-1")).running_jobs == 0
