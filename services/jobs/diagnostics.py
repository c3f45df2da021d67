"""What can be told of the configuration of jobs without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from services.common.diagnostics import Diagnostic, ok, problem, warning
from services.jobs.settings import QueueSettings

SUBJECT = "jobs"
_SAFE_REPLICAS = 3


def diagnostics(settings: QueueSettings) -> list[Diagnostic]:
    """Return where jobs are kept, how often, and what contradicts itself."""
    return [*_check_servers(settings), *_check_credentials(settings)]


def _check_servers(settings: QueueSettings) -> Iterator[Diagnostic]:
    servers, replicas = len(settings.nats_servers), settings.replicas
    if servers >= _SAFE_REPLICAS > replicas:
        yield warning(
            SUBJECT,
            f"{servers} servers are named in NATS_URL, and each job is on {replicas}",
            f"set JOBS_REPLICAS={_SAFE_REPLICAS} for the service of jobs and all workers",
        )
    elif replicas > 1 and not replicas % 2:
        yield warning(SUBJECT, f"{replicas} copies bear no more losses than {replicas - 1}", "set JOBS_REPLICAS=3")
    elif replicas > servers:
        # The others of a cluster tell us of themselves once one is reached.
        yield warning(
            SUBJECT, f"{replicas} copies are wanted and NATS_URL names {servers} of the servers", "name all of them"
        )
    else:
        yield ok(SUBJECT, f"are kept for {settings.retention_days:g} days in {replicas} copies")


def _check_credentials(settings: QueueSettings) -> Iterator[Diagnostic]:
    if settings.nats_credentials and not Path(settings.nats_credentials).is_file():
        yield problem(SUBJECT, "the file that NATS_CREDENTIALS names is not there", "mend the path, or unset it")
