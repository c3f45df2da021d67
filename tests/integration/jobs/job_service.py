"""The jobs API on a free port behind the interceptor, with a client for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from media.jobs.v1 import jobs_pb2, jobs_pb2_grpc

from services.common.errors import MediaError
from services.common.fetch.addresses import AddressPolicy
from services.common.rpc.channel import call_metadata
from services.common.rpc.status import from_rpc_error
from services.common.storage import RouteLinks
from services.common.storage.signed_urls import UrlSigner
from services.jobs.lease import Lease
from services.jobs.service import SERVICE_NAME, JobServicer
from services.jobs.webhooks import SigningSecrets
from tests.fakes.grpc_server import run_test_server
from tests.fakes.job_services import FakeServices, serve_fake_services
from tests.fakes.object_store import FakeObjectStore
from tests.integration.jobs.conftest import Jobs

MAX_CHARACTERS = 20
VIDEO = jobs_pb2.VideoSpec(image_url="https://example.com/still.png", prompt="zoom in", resolution="512p")


@dataclass(frozen=True)
class JobServiceRig:
    """The service, and a client that calls it as the owner."""

    stub: jobs_pb2_grpc.JobServiceAsyncStub
    jobs: Jobs
    fake: FakeServices

    @property
    def caller(self) -> Sequence[tuple[str, str]]:
        """Metadata of a call by the owner."""
        return call_metadata(self.jobs.owner)

    async def create(self, request: jobs_pb2.CreateJobRequest | None = None, **fields: Any) -> jobs_pb2.Job:
        """Create a job."""
        message = request or animate(**fields)
        return (await self.stub.CreateJob(message, metadata=self.caller)).job

    async def get(self, job_id: str) -> jobs_pb2.Job:
        """Get a job."""
        return (await self.stub.GetJob(jobs_pb2.GetJobRequest(id=job_id), metadata=self.caller)).job

    async def take(self, job_id: str) -> Lease:
        """Open the lease of a job, as a worker does."""
        return await self.jobs.job_store.open_lease(await self.jobs.get_record(job_id))


def animate(**fields: Any) -> jobs_pb2.CreateJobRequest:
    return jobs_pb2.CreateJobRequest(animate=jobs_pb2.AnimateSpec(video=VIDEO), **fields)


async def catch_error(call: Awaitable[Any]) -> MediaError:
    """Return the error of a call."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


LINKS = RouteLinks(UrlSigner(b"secret"), "https://media.example.com", 3600)


@asynccontextmanager
async def open_service_rig(jobs: Jobs) -> AsyncIterator[JobServiceRig]:
    """Run the service on the job store of a test."""
    fake = FakeServices()
    async with serve_fake_services(fake) as services:
        servicer = JobServicer(
            jobs.job_store,
            FakeObjectStore(),
            LINKS,
            services,
            SigningSecrets(jobs.streams),
            MAX_CHARACTERS,
            AddressPolicy(),
        )

        def register(server: grpc.aio.Server) -> list[str]:
            jobs_pb2_grpc.add_JobServiceServicer_to_server(servicer, server)
            return [SERVICE_NAME]

        async with run_test_server(register) as running:
            yield JobServiceRig(jobs_pb2_grpc.JobServiceStub(running.channel), jobs, fake)
