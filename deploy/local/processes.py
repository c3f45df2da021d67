"""The table of what runs in the local suite; a further process is a further row."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from deploy.local.ports import EDGE, Chosen, Port
from deploy.local.readiness import Check, check_for
from deploy.local.settings import ROOT


@dataclass(frozen=True, slots=True)
class Row:
    """One process of the suite; `{VARIABLE}` in a text stands for the port of that variable."""

    name: str
    """What people call it; prefix of its log lines."""
    purpose: str
    """What it does, in a few words."""
    command: tuple[str, ...]
    """What is run; a leading `python` is the interpreter that runs the supervisor."""
    ports: tuple[Port, ...]
    """The ports it listens on; the first is shown as its address."""
    ready: str
    """Address that answers well once it serves: grpc://host:port/service or http://host:port/path."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that every process of the suite gets on behalf of this one, such as its address."""
    habits: Mapping[str, str] = field(default_factory=dict)
    """Variables that every process gets on behalf of this one unless the user set them."""
    after: tuple[str, ...] = ()
    """Names of processes that must be ready before this one starts."""


SUITE: tuple[Row, ...] = (
    Row(
        name="nats",
        purpose="keeps jobs, on disk",
        command=("python", "-m", "deploy.nats"),
        ports=(
            Port("NATS_PORT", 4222, "NATS of the local suite"),
            Port("NATS_MONITOR_PORT", 8222, "monitoring page of the local NATS"),
        ),
        ready="http://127.0.0.1:{NATS_MONITOR_PORT}/healthz",
        # Who sets it has a cluster of his own.
        habits={"NATS_URL": "nats://127.0.0.1:{NATS_PORT}"},
    ),
    Row(
        name="tts",
        purpose="text to speech, gRPC",
        command=("python", "-m", "services.tts"),
        ports=(
            Port("TTS_PORT", 50051, "gRPC of the TTS service"),
            Port("TTS_METRICS_PORT", 9464, "Prometheus metrics of the TTS service"),
        ),
        ready="grpc://127.0.0.1:{TTS_PORT}/media.tts.v1.TextToSpeechService",
        environment={"TTS_ADDRESS": "127.0.0.1:{TTS_PORT}"},
        habits={
            "TTS_CACHING_ENABLED": "true",
            "TTS_DRAIN_NOTICE_SECONDS": "0.2",
            "TTS_DRAIN_GRACE_SECONDS": "2",
        },
    ),
    Row(
        name="image",
        purpose="images, gRPC",
        command=("python", "-m", "services.image"),
        ports=(
            Port("IMAGE_PORT", 50052, "gRPC of the image service"),
            Port("IMAGE_METRICS_PORT", 9465, "Prometheus metrics of the image service"),
        ),
        ready="grpc://127.0.0.1:{IMAGE_PORT}/media.image.v1.ImageService",
        environment={"IMAGE_ADDRESS": "127.0.0.1:{IMAGE_PORT}"},
        habits={
            "IMAGE_CACHING_ENABLED": "true",
            "IMAGE_DRAIN_NOTICE_SECONDS": "0.2",
            "IMAGE_DRAIN_GRACE_SECONDS": "2",
        },
    ),
    Row(
        name="video",
        purpose="videos, gRPC",
        command=("python", "-m", "services.video"),
        ports=(
            Port("VIDEO_PORT", 50053, "gRPC of the video service"),
            Port("VIDEO_METRICS_PORT", 9466, "Prometheus metrics of the video service"),
        ),
        ready="grpc://127.0.0.1:{VIDEO_PORT}/media.video.v1.VideoService",
        environment={"VIDEO_ADDRESS": "127.0.0.1:{VIDEO_PORT}"},
        habits={"VIDEO_DRAIN_NOTICE_SECONDS": "0.2", "VIDEO_DRAIN_GRACE_SECONDS": "2"},
    ),
    Row(
        name="jobs",
        purpose="jobs, gRPC",
        command=("python", "-m", "services.jobs"),
        ports=(Port("JOBS_PORT", 50054, "gRPC of the service of jobs"),),
        ready="grpc://127.0.0.1:{JOBS_PORT}/media.jobs.v1.JobService",
        environment={"JOBS_ADDRESS": "127.0.0.1:{JOBS_PORT}"},
        habits={"JOBS_DRAIN_NOTICE_SECONDS": "0.2", "JOBS_DRAIN_GRACE_SECONDS": "1"},
        after=("nats",),
    ),
    Row(
        name="worker",
        purpose="works on jobs",
        command=("python", "-m", "services.jobs.worker"),
        ports=(
            Port("WORKER_PORT", 50055, "health of the worker"),
            Port("WORKER_METRICS_PORT", 9467, "Prometheus metrics of the worker"),
        ),
        ready="grpc://127.0.0.1:{WORKER_PORT}/services.jobs.worker",
        after=("nats",),
    ),
    Row(
        name="gateway",
        purpose="HTTP in front of the services",
        command=("python", "-m", "gateway"),
        ports=(
            Port("GATEWAY_PORT", 8081, "HTTP of the gateway"),
            Port("GATEWAY_GRPC_PORT", 8082, "gRPC reflection and health of all services"),
        ),
        ready="http://127.0.0.1:{GATEWAY_PORT}/health",
        environment={
            "GATEWAY_ADDRESS": "127.0.0.1:{GATEWAY_PORT}",
            "GATEWAY_GRPC_ADDRESS": "127.0.0.1:{GATEWAY_GRPC_PORT}",
        },
        habits={"GATEWAY_DRAIN_NOTICE_SECONDS": "0.2", "GATEWAY_DRAIN_GRACE_SECONDS": "1"},
    ),
    # Last to start, so that its first health checks find everybody well, and first to stop.
    Row(
        name="envoy",
        purpose="the edge: the only public port; checks tokens",
        command=("python", "-m", "gateway.envoy", "run"),
        ports=(EDGE, Port("MEDIA_ADMIN_PORT", 9901, "Envoy's admin page")),
        ready="http://127.0.0.1:{MEDIA_PORT}/health",
        # No balancer in front of it needs a notice.
        habits={
            "MEDIA_EDGE_DRAIN_NOTICE_SECONDS": "0",
            "MEDIA_EDGE_DRAIN_GRACE_SECONDS": "2",
            "MEDIA_PUBLIC_URL": "http://localhost:{MEDIA_PORT}",
        },
        after=("tts", "image", "video", "jobs", "worker", "gateway"),
    ),
)


@dataclass(frozen=True, slots=True)
class Process:
    """A row of the table, ready to be started."""

    name: str
    argv: tuple[str, ...]
    """The command."""
    environment: Mapping[str, str]
    """Its whole environment."""
    ready: Check
    """Says whether it serves."""
    after: tuple[str, ...] = ()
    """Names of processes that must be ready before this one starts."""


def list_ports(rows: Sequence[Row]) -> list[Port]:
    """Return every port of `rows`."""
    return [port for row in rows for port in row.ports]


def processes(
    rows: Sequence[Row], chosen: Chosen, *, jwks_file: Path, log_format: str, folder: Path = ROOT
) -> list[Process]:
    """Return `rows` as commands, each with its environment and its check.

    Args:
        rows: What runs.
        chosen: The port of each variable.
        jwks_file: Public keys that the edge checks tokens with.
        log_format: How the processes log, `console` or `json`.
        folder: Where they run, and read a file .env.
    """
    state = jwks_file.parent / "state"
    told = {name for name, value in dotenv_values(folder / ".env").items() if value}
    environment = _environment(rows, chosen, {"MEDIA_STORAGE_DIR": str(state / "objects")}, told) | {
        "MEDIA_JWT_JWKS_FILE": str(jwks_file),
        "MEDIA_JWT_JWKS_URI": "",
        "MEDIA_STATE_DIR": str(state),
        "MEDIA_LOG_FORMAT": log_format,
        # Their output is a pipe here, which Python would fill before it shows a line.
        "PYTHONUNBUFFERED": "1",
    }
    return [
        Process(
            name=row.name,
            argv=_argv(row, chosen),
            environment=environment,
            ready=check_for(row.ready.format_map(chosen)),
            after=row.after,
        )
        for row in rows
    ]


def _argv(row: Row, chosen: Chosen) -> tuple[str, ...]:
    program, *arguments = (text.format_map(chosen) for text in row.command)
    return (sys.executable if program == "python" else program, *arguments)


def _environment(
    rows: Sequence[Row], chosen: Chosen, habits: Mapping[str, str], told: Collection[str]
) -> dict[str, str]:
    """Return the user's own environment with the suite's ports and addresses.

    One environment for all: whoever is told an address is told the same. What is `told` by a file .env is left to it,
    because a variable of the environment would win.
    """
    every = dict(habits)
    for row in rows:
        every |= {name: text.format_map(chosen) for name, text in row.habits.items()}
    environment = {name: value for name, value in every.items() if name not in told}
    environment |= {name: value for name, value in os.environ.items() if value}
    environment |= {variable: str(port) for variable, port in chosen.items()}
    for row in rows:
        environment |= {name: text.format_map(chosen) for name, text in row.environment.items()}
    return environment
