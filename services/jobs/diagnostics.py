"""Check the configuration of jobs without a connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from services.common.diagnostics import Diagnostic, ok, problem, warning
from services.common.settings import ConfigurationError
from services.jobs.nats_credentials import read_credentials
from services.jobs.settings import QueueSettings

SUBJECT = "jobs"
_SAFE_REPLICAS = 3


def diagnose_jobs(settings: QueueSettings) -> list[Diagnostic]:
    """Return the diagnostics of the NATS servers, the replicas and the credentials."""
    return [*_check_servers(settings), *_check_credentials(settings)]


def _check_servers(settings: QueueSettings) -> Iterator[Diagnostic]:
    servers, replicas = len(settings.nats_servers), settings.replicas
    if servers >= _SAFE_REPLICAS > replicas:
        yield warning(
            SUBJECT,
            f"NATS_URL names {servers} servers, but each job has {replicas} replica(s)",
            f"set JOBS_REPLICAS={_SAFE_REPLICAS} for the jobs API and all workers",
        )
    elif replicas > 1 and not replicas % 2:
        yield warning(
            SUBJECT, f"{replicas} replicas survive no more failures than {replicas - 1}", "set JOBS_REPLICAS=3"
        )
    elif replicas > servers:
        # Only a warning: a client learns the other servers of a cluster from the first one.
        yield warning(
            SUBJECT,
            f"JOBS_REPLICAS is {replicas}, but NATS_URL names {servers} server(s)",
            "name all servers in NATS_URL",
        )
    else:
        yield ok(SUBJECT, f"are stored for {settings.retention_days:g} days with {replicas} replica(s)")


def _check_credentials(settings: QueueSettings) -> Iterator[Diagnostic]:
    if not settings.nats_credentials:
        return
    try:
        read_credentials(Path(settings.nats_credentials))
    except ConfigurationError as error:
        yield problem(SUBJECT, str(error), "correct the path or the file, or unset NATS_CREDENTIALS")
