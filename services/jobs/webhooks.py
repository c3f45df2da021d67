"""Webhooks: the job type that delivers them, one signed POST per attempt, and the signing secrets of their owners."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Protocol

import orjson
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from services.common.errors import MediaError, Reason
from services.common.webhooks import build_headers, new_secret
from services.jobs.jetstream import Streams
from services.jobs.job_store import DELIVERIES, JobStore
from services.jobs.job_type import UNBOUNDED, JobType
from services.jobs.lease import Lease
from services.jobs.record import JobRecord, format_now, to_owner_token

_ACCEPTED = range(200, 300)
_GONE = 410
_MAX_DELIVERIES = 30
_AT_ONCE = 32
MAX_FAILURES = 20
"""Attempts before a webhook is given up: 7 to 14 hours, so that a receiver may be down for a night."""
MAX_DELAY_SECONDS = 7200.0
_ROTATION_OVERLAP_SECONDS = 86_400.0
_MAX_PREVIOUS_SECRETS = 4


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
        sent = [
            *record.steps.get(DELIVERIES, {}).get("sent", ()),
            {"at": format_now(), "status": status, "error": error},
        ]
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


class SigningSecrets:
    """Stores the signing secrets in NATS: one per owner, and the previous one for a day after a rotation.

    Safe for concurrent use.

    Args:
        streams: Connection with the bucket.
    """

    def __init__(self, streams: Streams) -> None:
        self._bucket = streams.secrets

    async def get(self, principal: str) -> list[str]:
        """Return the valid secrets of an owner, newest first; create the first one if needed."""
        key = to_owner_token(principal)
        with suppress(KeyNotFoundError):
            return _list_valid_secrets((await self._bucket.get(key)).value)
        with suppress(KeyWrongLastSequenceError):
            await self._bucket.create(key, _encode_secrets([(new_secret(), 0.0)]))
        return _list_valid_secrets((await self._bucket.get(key)).value)

    async def rotate(self, principal: str) -> str:
        """Create and return a new secret; webhooks are signed with the previous one as well for a day."""
        key, new = to_owner_token(principal), new_secret()
        while True:
            await self.get(principal)
            entry = await self._bucket.get(key)
            overlap_end = time.time() + _ROTATION_OVERLAP_SECONDS
            # If a reply is lost, the client rotates again: the secret that receivers know must outlive both rotations.
            previous = [(secret, ends or overlap_end) for secret, ends in _parse_valid_secrets(entry.value)]
            valid = [(new, 0.0), *previous[:_MAX_PREVIOUS_SECRETS]]
            # If another process rotates at the same time, read its secret and try again.
            with suppress(KeyWrongLastSequenceError):
                await self._bucket.update(key, _encode_secrets(valid), last=entry.revision)
                return new


def _encode_secrets(secrets: list[tuple[str, float]]) -> bytes:
    return orjson.dumps(secrets)


def _list_valid_secrets(content: bytes | None) -> list[str]:
    """Return the secrets that have not expired."""
    return [secret for secret, _ in _parse_valid_secrets(content)]


def _parse_valid_secrets(content: bytes | None) -> list[tuple[str, float]]:
    """Return the secrets that have not expired, with their expiry; 0 means no expiry."""
    found = orjson.loads(content or b"[]")
    return [(secret, ends) for secret, ends in found if not ends or ends > time.time()]
