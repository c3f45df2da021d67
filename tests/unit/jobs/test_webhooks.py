"""Webhooks of jobs: signed and recorded attempts, bounded in number, and secrets that are rotated without a gap."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from services.common.errors import MediaError, Reason
from services.common.webhooks import Webhook, parse_secret, verify
from services.jobs.job_store import DELIVERIES, JobStore
from services.jobs.job_type import UNBOUNDED, JobType
from services.jobs.lease import Lease
from services.jobs.record import JobFailure, JobRecord, Status
from services.jobs.webhooks import MAX_DELAY_SECONDS, MAX_FAILURES, SigningSecrets, build_webhook_job_type
from tests.fakes.clocks import START_SECONDS, Clocks
from tests.unit.jobs.memory_buckets import JOB_ID, Bucket, Buckets, Entry, make_record

URL = "https://example.com/webhook"
UPDATED_AT = "2026-11-21T09:05:00.000+00:00"
BLOCKED = JobFailure("CONTENT_BLOCKED", "The provider's safety rules refuse this content.", "video")


@dataclass(frozen=True, slots=True)
class Post:
    """One received POST."""

    url: str
    field: str
    data: bytes
    headers: dict[str, str]


@dataclass
class Receiver:
    """A receiver that returns a status code, or cannot be reached."""

    answers: deque[int | MediaError] = field(default_factory=deque)
    posts: list[Post] = field(default_factory=list)

    async def post(self, url: str, *, field: str, data: bytes, headers: dict[str, str]) -> int:
        """Record a POST and return the next status."""
        self.posts.append(Post(url, field, data, headers))
        answer = self.answers.popleft() if self.answers else 204
        if isinstance(answer, MediaError):
            raise answer
        return answer


class WebhookJob:
    """An ended job and its webhook job."""

    def __init__(self) -> None:
        self.buckets = Buckets()
        self.receiver = Receiver()
        self.secrets = SigningSecrets(self.buckets.streams)

    @property
    def job_type(self) -> JobType:
        """Job type of webhook jobs."""
        return build_webhook_job_type(JobStore(self.buckets.streams), self.secrets, self.receiver)

    async def store_ended_job(self, status: Status = Status.SUCCEEDED, **fields: Any) -> JobRecord:
        """Store an ended job."""
        record = make_record(status=status, request_id="order-7", updated_at=UPDATED_AT, webhook_url=URL, **fields)
        await self.buckets.lease(record)
        return record

    async def lease(self, job_id: str = JOB_ID) -> Lease:
        """Open the lease of the webhook job."""
        return await self.buckets.lease(make_record("webhook", {"jobId": job_id, "url": URL}, job_id="f" * 32))

    async def run_attempt(self, lease: Lease) -> Reason | None:
        """Run one attempt and return its error."""
        try:
            await self.job_type.pipeline(lease)
        except MediaError as error:
            return error.reason
        return None


def list_sent(lease: Lease) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lease.record.steps[DELIVERIES]["sent"]
    return found


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED])
async def test_the_body_has_the_event_and_the_job(status: Status) -> None:
    webhook = WebhookJob()
    await webhook.store_ended_job(status)
    assert await webhook.run_attempt(await webhook.lease()) is None
    (post,) = webhook.receiver.posts
    assert (post.url, post.field, post.headers["Content-Type"]) == (URL, "webhook_url", "application/json")
    assert orjson.loads(post.data) == {
        "type": f"job.{status.value}",
        "timestamp": UPDATED_AT,
        "data": {"id": JOB_ID, "kind": "animate", "status": status.value, "requestId": "order-7"},
    }


async def test_the_body_of_a_failed_job_has_its_error_and_no_results() -> None:
    webhook = WebhookJob()
    await webhook.store_ended_job(Status.FAILED, failure=BLOCKED, steps={"audio": {"key": "audio/secret.mp3"}})
    await webhook.run_attempt(await webhook.lease())
    (post,) = webhook.receiver.posts
    assert orjson.loads(post.data)["data"]["error"] == {
        "reason": BLOCKED.reason,
        "message": BLOCKED.message,
        "stage": BLOCKED.stage,
    }
    assert b"secret" not in post.data


async def test_the_body_is_signed_with_every_valid_secret() -> None:
    webhook = WebhookJob()
    await webhook.store_ended_job()
    (first,) = await webhook.secrets.get("alice")
    second = await webhook.secrets.rotate("alice")
    await webhook.run_attempt(await webhook.lease())
    (post,) = webhook.receiver.posts
    assert len(post.headers["webhook-signature"].split()) == 2
    received = Webhook(
        post.headers["webhook-id"], post.headers["webhook-timestamp"], post.headers["webhook-signature"], post.data
    )
    for secret in (first, second):
        verify(received, secret, time.time())
    assert received.webhook_id == JOB_ID


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_any_2xx_accepts_the_webhook(status: int) -> None:
    webhook = WebhookJob()
    await webhook.store_ended_job()
    webhook.receiver.answers.append(status)
    lease = await webhook.lease()
    assert await webhook.run_attempt(lease) is None
    assert [(item["status"], item["error"]) for item in list_sent(lease)] == [(status, "")]


@pytest.mark.parametrize("status", [199, 300, 302, 304, 400, 404, 409, 429, 500, 503])
async def test_other_statuses_are_retried(status: int) -> None:
    webhook = WebhookJob()
    await webhook.store_ended_job()
    webhook.receiver.answers.append(status)
    lease = await webhook.lease()
    assert await webhook.run_attempt(lease) is Reason.UNAVAILABLE
    assert [(item["status"], item["error"]) for item in list_sent(lease)] == [(status, "")]


async def test_an_unreachable_receiver_is_retried() -> None:
    webhook = WebhookJob()
    await webhook.store_ended_job()
    webhook.receiver.answers.append(MediaError(Reason.URL_UNREACHABLE))
    lease = await webhook.lease()
    assert await webhook.run_attempt(lease) is Reason.UNAVAILABLE
    assert [(item["status"], item["error"]) for item in list_sent(lease)] == [(0, "URL_UNREACHABLE")]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (410, (410, "")),
        (MediaError(Reason.URL_FORBIDDEN), (0, "URL_FORBIDDEN")),
        (MediaError(Reason.VALIDATION_ERROR), (0, "VALIDATION_ERROR")),
    ],
)
async def test_a_gone_or_forbidden_receiver_ends_the_webhook_job(
    answer: int | MediaError, expected: tuple[int, str]
) -> None:
    webhook = WebhookJob()
    await webhook.store_ended_job()
    webhook.receiver.answers.append(answer)
    lease = await webhook.lease()
    assert await webhook.run_attempt(lease) is Reason.VALIDATION_ERROR
    assert [(item["status"], item["error"]) for item in list_sent(lease)] == [expected]


async def test_every_attempt_is_stored_in_order_with_the_same_body() -> None:
    webhook = WebhookJob()
    await webhook.store_ended_job()
    webhook.receiver.answers += [500, MediaError(Reason.URL_UNREACHABLE), 204]
    lease = await webhook.lease()
    ends = [await webhook.run_attempt(lease) for _ in range(3)]
    assert ends == [Reason.UNAVAILABLE, Reason.UNAVAILABLE, None]
    assert [item["status"] for item in list_sent(lease)] == [500, 0, 204]
    moments = [item["at"] for item in list_sent(lease)]
    assert moments == sorted(moments)
    assert len({post.data for post in webhook.receiver.posts}) == 1
    assert {post.headers["webhook-id"] for post in webhook.receiver.posts} == {JOB_ID}


async def test_all_possible_attempts_are_stored() -> None:
    webhook = WebhookJob()
    await webhook.store_ended_job()
    lease = await webhook.lease()
    for number in range(MAX_FAILURES):
        webhook.receiver.answers.append(500 + number)
        await webhook.run_attempt(lease)
    assert [item["status"] for item in list_sent(lease)] == [500 + number for number in range(MAX_FAILURES)]


async def test_the_list_of_deliveries_is_bounded() -> None:
    webhook = WebhookJob()
    await webhook.store_ended_job()
    lease = await webhook.lease()
    for _ in range(100):
        webhook.receiver.answers.append(500)
        await webhook.run_attempt(lease)
    assert len(list_sent(lease)) < 50


async def test_a_deleted_job_is_not_delivered() -> None:
    webhook = WebhookJob()
    assert await webhook.run_attempt(await webhook.lease("0" * 32)) is Reason.JOB_NOT_FOUND
    assert webhook.receiver.posts == []


async def test_attempts_last_for_a_night() -> None:
    job_type = WebhookJob().job_type
    assert (job_type.max_failures, job_type.max_delay_seconds, job_type.max_running) == (
        MAX_FAILURES,
        MAX_DELAY_SECONDS,
        UNBOUNDED,
    )
    delays = [min(job_type.max_delay_seconds, 2.0**number) for number in range(job_type.max_failures - 1)]
    assert sum(delays) / 2 > 6 * 3600
    assert sum(delays) < 15 * 3600


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
    monkeypatch.setattr("services.jobs.webhooks.time", SimpleNamespace(time=lambda: created.wall_seconds))
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
