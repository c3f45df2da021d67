"""The process of a worker: opens NATS and the channels to the services, and runs jobs until stopped."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack

from prometheus_client import CollectorRegistry

from services.common.diagnostics import log_diagnostics
from services.common.fetch import open_fetcher
from services.common.log import logger
from services.common.metrics import serve_metrics
from services.common.rpc.server import ServerOptions, run_server, stop_signal
from services.common.storage import open_object_store
from services.jobs.diagnostics import diagnose_jobs
from services.jobs.jetstream import open_streams
from services.jobs.job_store import JobStore
from services.jobs.job_type import JobType
from services.jobs.maintenance.schedule import Schedule
from services.jobs.maintenance.sweep import Cleanup, Sweep, SweepOptions
from services.jobs.metrics import JobMetrics
from services.jobs.pipelines.definitions import build_job_types
from services.jobs.pipelines.steps import Steps
from services.jobs.record import WEBHOOK
from services.jobs.server import build_stream_options, open_services
from services.jobs.settings import WorkerSettings
from services.jobs.webhooks import SigningSecrets, build_webhook_job_type
from services.jobs.worker.worker import Worker, WorkerOptions

log = logger(__name__)

HEALTH_NAME = "services.jobs.worker"
"""Service name for health checks; a worker serves no RPC of its own."""


async def main(settings: WorkerSettings) -> None:
    """Run jobs until the process is asked to stop; unfinished jobs return to the queue."""
    log_diagnostics(diagnose_jobs(settings))
    registry = CollectorRegistry()
    metrics = JobMetrics(registry)
    async with AsyncExitStack() as stack:
        stack.enter_context(serve_metrics(registry, settings.host, settings.metrics_port, "WORKER_METRICS_PORT"))
        streams = await stack.enter_async_context(open_streams(build_stream_options(settings), "services.jobs.worker"))
        fetcher = await stack.enter_async_context(open_fetcher(settings.fetch_options))
        job_store = JobStore(streams)
        services = await open_services(stack, settings)
        steps = Steps(services, settings.speech_format, settings.call_limits, settings.video_seconds)
        job_types: Mapping[str, JobType] = {
            **build_job_types(steps, settings.max_running, settings.wait_budget_seconds),
            WEBHOOK: build_webhook_job_type(job_store, SigningSecrets(streams), fetcher),
        }
        options = WorkerOptions(f"{settings.name}-{os.getpid()}", settings.max_jobs, settings.lease_seconds)
        worker = Worker(streams, job_store, job_types, options, metrics)
        store = await stack.enter_async_context(open_object_store(settings))
        sweep = Sweep(
            streams,
            job_store,
            Cleanup(services, settings.call_limits),
            store,
            SweepOptions(settings.retention_days * 86_400, settings.delete_results),
            metrics,
        )
        schedule = Schedule(streams, sweep.run, settings.sweep_interval_seconds, settings.lease_seconds)
        health = ServerOptions(
            settings.host, settings.port, settings.port_variable(), notice_seconds=0, grace_seconds=1
        )
        await stack.enter_async_context(run_server(lambda _: [HEALTH_NAME], health))
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(worker.run()), tasks.create_task(schedule.run())]
            await stop_signal()
            log.info("stopping", jobs=worker.running_jobs)
            for task in working:
                task.cancel()
