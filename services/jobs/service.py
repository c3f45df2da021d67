"""The gRPC service of jobs: converts requests, calls the job store, converts records to messages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from media.jobs.v1 import jobs_pb2, jobs_pb2_grpc
from media.tts.v1 import tts_pb2

from services.common.errors import MediaError
from services.common.fetch.addresses import AddressPolicy, parse_target
from services.common.log import logger
from services.common.rpc.metadata import get_principal
from services.common.storage import ObjectStore, RouteLinks
from services.common.storage.keys import list_input_keys
from services.jobs.clients import ServiceClients, await_reply, metadata_for_owner
from services.jobs.converters import (
    list_addresses,
    list_keys,
    to_delivery,
    to_job,
    to_job_error,
    to_job_filter,
    to_job_request,
)
from services.jobs.jetstream import translate_nats_errors
from services.jobs.job_store import JobStore
from services.jobs.pipelines.checks import StepChecks
from services.jobs.pipelines.step_requests import list_step_requests
from services.jobs.pipelines.steps import build_folder
from services.jobs.record import StoredJob
from services.jobs.retry_policy import RETRYABLE, build_failure
from services.jobs.webhooks import SigningSecrets

log = logger(__name__)

SERVICE_NAME = jobs_pb2.DESCRIPTOR.services_by_name["JobService"].full_name
DEFAULT_PAGE_SIZE = 20
REPEAT_SECONDS = 20.0
"""WatchJob repeats an unchanged job after this time: load balancers cut streams that are idle for a minute."""
_ALIGNMENT_SECONDS = 10.0
_CHECK_SECONDS = 5.0

Context = grpc.aio.ServicerContext[object, object]


class JobServicer(jobs_pb2_grpc.JobServiceServicer):
    """Implements media.jobs.v1.JobService.

    Args:
        job_store: Accepts, reads, lists and cancels jobs.
        store: Signs the URLs of results.
        links: Signs the URLs of events.
        services: Check the steps of a job, and return the alignment of its speech.
        secrets: Secrets that sign webhooks.
        max_characters: Maximum length of the text of a job's speech.
        allowed: Private addresses that request URLs may name.
    """

    def __init__(
        self,
        job_store: JobStore,
        store: ObjectStore,
        links: RouteLinks,
        services: ServiceClients,
        secrets: SigningSecrets,
        max_characters: int,
        allowed: AddressPolicy,
    ) -> None:
        self._job_store = job_store
        self._store = store
        self._links = links
        self._services = services
        self._checks = StepChecks(services, _CHECK_SECONDS, reads_images=False)
        self._secrets = secrets
        self._max_characters = max_characters
        self._allowed = allowed

    async def CreateJob(self, request: jobs_pb2.CreateJobRequest, context: Context) -> jobs_pb2.CreateJobResponse:
        """Accept a job."""
        return jobs_pb2.CreateJobResponse(job=await self._create(request, get_principal(context)))

    async def BatchCreateJobs(
        self, request: jobs_pb2.BatchCreateJobsRequest, context: Context
    ) -> jobs_pb2.BatchCreateJobsResponse:
        """Accept several jobs in order; each one succeeds or fails alone."""
        outcomes = []
        for one in request.requests:
            try:
                outcomes.append(jobs_pb2.JobOutcome(job=await self._create(one, get_principal(context))))
            except MediaError as error:
                refused = to_job_error(build_failure(error, stage=""))
                outcomes.append(jobs_pb2.JobOutcome(error=refused))
        return jobs_pb2.BatchCreateJobsResponse(outcomes=outcomes)

    async def GetJob(self, request: jobs_pb2.GetJobRequest, context: Context) -> jobs_pb2.GetJobResponse:
        """Return a job, with the alignment of its speech."""
        principal = get_principal(context)
        job = await self._to_message(await self._job_store.get(request.id, principal))
        if job.result.stored_audio_id:
            await self._align(job, principal)
        return jobs_pb2.GetJobResponse(job=job)

    async def ListJobs(self, request: jobs_pb2.ListJobsRequest, context: Context) -> jobs_pb2.ListJobsResponse:
        """List the jobs of the caller, newest first."""
        size = request.page_size or DEFAULT_PAGE_SIZE
        found, token = await self._job_store.list_page(
            get_principal(context), to_job_filter(request), size, request.page_token
        )
        return jobs_pb2.ListJobsResponse(
            jobs=[await self._to_message(stored) for stored in found], next_page_token=token
        )

    async def CancelJob(self, request: jobs_pb2.CancelJobRequest, context: Context) -> jobs_pb2.CancelJobResponse:
        """Request the cancellation of a job."""
        stored = await self._job_store.cancel(request.id, get_principal(context))
        return jobs_pb2.CancelJobResponse(job=await self._to_message(stored))

    async def RetryJob(self, request: jobs_pb2.RetryJobRequest, context: Context) -> jobs_pb2.RetryJobResponse:
        """Create the repetition of a failed job."""
        stored = await self._job_store.retry(request.id, get_principal(context))
        return jobs_pb2.RetryJobResponse(job=await self._to_message(stored))

    async def WatchJob(
        self, request: jobs_pb2.WatchJobRequest, context: Context
    ) -> AsyncIterator[jobs_pb2.WatchJobResponse]:
        """Stream the job at each change until it has ended."""
        principal = get_principal(context)
        async for stored in self._job_store.watch(
            request.id, principal, request.after_revision, repeat_seconds=REPEAT_SECONDS
        ):
            yield jobs_pb2.WatchJobResponse(job=await self._to_message(stored))

    async def ListWebhookDeliveries(
        self, request: jobs_pb2.ListWebhookDeliveriesRequest, context: Context
    ) -> jobs_pb2.ListWebhookDeliveriesResponse:
        """List the deliveries to the webhook of a job."""
        sent = await self._job_store.list_deliveries(request.id, get_principal(context))
        return jobs_pb2.ListWebhookDeliveriesResponse(deliveries=[to_delivery(item) for item in sent])

    async def RotateWebhookSecret(
        self, request: jobs_pb2.RotateWebhookSecretRequest, context: Context
    ) -> jobs_pb2.RotateWebhookSecretResponse:
        """Create a new signing secret; the previous one stays valid for a day."""
        with translate_nats_errors():
            return jobs_pb2.RotateWebhookSecretResponse(secret=await self._secrets.rotate(get_principal(context)))

    async def _create(self, request: jobs_pb2.CreateJobRequest, principal: str) -> jobs_pb2.Job:
        for url, field in list_addresses(request):
            # A URL of the own object store is read from the store, not fetched over the network.
            if self._store.key_from_url(url) is None:
                parse_target(url, field, self._allowed)
        for key, field in list_keys(request):
            list_input_keys(key, principal, field)
        job_request = to_job_request(request, self._max_characters)
        # A repeated request returns its job, whatever has changed since.
        if not (request.request_id and await self._job_store.has_request(request.request_id, principal)):
            await self._check_steps(request, principal)
        return await self._to_message(await self._job_store.submit(job_request, principal))

    async def _check_steps(self, request: jobs_pb2.CreateJobRequest, principal: str) -> None:
        """Refuse a job whose steps the services would refuse; if they do not answer, the worker checks it again."""
        try:
            await self._checks.check(list_step_requests(request, build_folder(principal, "new")), principal)
        except MediaError as error:
            if error.reason not in RETRYABLE:
                raise
            log.warning("a job is accepted without a check of its steps", reason=error.reason.name)

    async def _to_message(self, stored: StoredJob) -> jobs_pb2.Job:
        return await to_job(stored, self._store, self._links)

    async def _align(self, job: jobs_pb2.Job, principal: str) -> None:
        """Add the alignment of the speech; a job without it is still a valid reply."""
        request = tts_pb2.GetStoredAudioRequest(id=job.result.stored_audio_id)
        call = self._services.speech.GetStoredAudio(
            request, metadata=metadata_for_owner(principal), timeout=_ALIGNMENT_SECONDS
        )
        try:
            job.result.alignment.CopyFrom((await await_reply(call)).stored_audio.alignment)
        except MediaError as error:
            log.warning("cannot get the alignment of a job", reason=error.reason.name)
