"""The job type that delivers webhooks: one signed POST per attempt, and a list of the deliveries."""

from __future__ import annotations

import time
from typing import Protocol

import orjson

from services.common.errors import MediaError, Reason
from services.common.webhooks import build_headers
from services.jobs.job_store import DELIVERIES, JobStore
from services.jobs.job_type import UNBOUNDED, JobType
from services.jobs.lease import Lease
from services.jobs.record import JobRecord, now
from services.jobs.webhooks.signing_secrets import SigningSecrets

_ACCEPTED = range(200, 300)
_GONE = 410
_MAX_DELIVERIES = 30
_AT_ONCE = 32
MAX_FAILURES = 20
"""Attempts before a webhook is given up: 7 to 14 hours, so that a receiver may be down for a night."""
MAX_DELAY_SECONDS = 7200.0


class WebhookPoster(Protocol):
    """Sends a POST to the address of a caller, if the address policy allows it."""

    async def post(self, url: str, *, field: str, data: bytes, headers: dict[str, str]) -> int:
        """Return the status code of the response; raise a MediaError that names `field`."""


def build_webhook_job_type(job_store: JobStore, secrets: SigningSecrets, poster: WebhookPoster) -> JobType:
    """Return the job type of webhook jobs."""

    async def deliver(lease: Lease) -> None:
        record = lease.record
        job = (await job_store.get(record.spec["jobId"], record.principal)).record
        body = orjson.dumps(_build_body(job))
        signed = build_headers(job.job_id, int(time.time()), body, await secrets.get(record.principal))
        status, error = 0, ""
        try:
            status = await poster.post(
                record.spec["url"],
                field="webhook_url",
                data=body,
                headers={**signed, "Content-Type": "application/json"},
            )
        except MediaError as failure:
            error = failure.reason.name
        sent = [*record.steps.get(DELIVERIES, {}).get("sent", ()), {"at": now(), "status": status, "error": error}]
        await lease.save_result(DELIVERIES, {"sent": sent[-_MAX_DELIVERIES:]})
        if status in _ACCEPTED:
            return
        if status == _GONE or error in (Reason.URL_FORBIDDEN.name, Reason.VALIDATION_ERROR.name):
            raise MediaError(Reason.VALIDATION_ERROR, "The webhook URL is gone or not allowed; set another one.")
        raise MediaError(Reason.UNAVAILABLE, "The receiver did not accept the webhook; it is retried.")

    return JobType(
        deliver,
        max_running=UNBOUNDED,
        # Own permits: receivers that never answer must not block the jobs of callers.
        own_permits=_AT_ONCE,
        max_failures=MAX_FAILURES,
        max_delay_seconds=MAX_DELAY_SECONDS,
    )


def _build_body(job: JobRecord) -> dict[str, object]:
    """Return the body. It has no results: the receiver fetches them with the token of the owner."""
    data: dict[str, object] = {
        "id": job.job_id,
        "kind": job.kind,
        "status": job.status.value,
        "requestId": job.request_id,
    }
    if job.failure is not None:
        data["error"] = {"reason": job.failure.reason, "message": job.failure.message, "stage": job.failure.stage}
    return {"type": f"job.{job.status.value}", "timestamp": job.updated_at, "data": data}
