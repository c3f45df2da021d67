"""The table of processes of the local suite. To add a process, add a `ProcessSpec` to `SUITE`."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from deploy.local.ports import EDGE, Port, PortNumbers
from deploy.local.readiness import ReadinessCheck, build_readiness_check
from deploy.local.settings import ROOT


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process of the suite; `{VARIABLE}` in its texts is replaced by the port of that variable."""

    name: str
    """Short name; prefix of its log lines."""
    purpose: str
    """What it does, in a few words."""
    command: tuple[str, ...]
    """Command; `python` at its start is replaced by the interpreter of the supervisor."""
    ports: tuple[Port, ...]
    """The ports it listens on; the first is shown as its address."""
    ready: str
    """Address of its readiness check: grpc://host:port/service or http://host:port/path."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that this process sets for the whole suite, such as its address."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Variables that this process sets for the whole suite unless the user has set them."""
    after: tuple[str, ...] = ()
    """Names of processes that must be ready before this one starts."""
    hidden_lines: str = ""
    """Regular expression of output that `make run` does not show; if the process fails, its last lines are shown."""


SUITE: tuple[ProcessSpec, ...] = (
    ProcessSpec(
        name="nats",
        purpose="stores jobs on disk",
        command=("python", "-m", "deploy.nats"),
        ports=(
            Port("NATS_PORT", "NATS of the local suite"),
            Port("NATS_MONITOR_PORT", "monitoring page of the local NATS"),
        ),
        ready="http://127.0.0.1:{NATS_MONITOR_PORT}/healthz",
        # The banner, and complaints of the first readiness checks.
        hidden_lines=r"\[INF\]|\[WRN\] Healthcheck failed",
        # Users with a NATS cluster set the variable.
        defaults={"NATS_URL": "nats://127.0.0.1:{NATS_PORT}"},
    ),
    ProcessSpec(
        name="tts",
        purpose="text to speech, gRPC",
        command=("python", "-m", "services.tts"),
        ports=(
            Port("TTS_PORT", "gRPC of the TTS service"),
            Port("TTS_METRICS_PORT", "Prometheus metrics of the TTS service"),
        ),
        ready="grpc://127.0.0.1:{TTS_PORT}/media.tts.v1.TextToSpeechService",
        environment={"TTS_ADDRESS": "127.0.0.1:{TTS_PORT}"},
        defaults={
            "TTS_CACHING_ENABLED": "true",
            "TTS_DRAIN_NOTICE_SECONDS": "0.2",
            "TTS_DRAIN_GRACE_SECONDS": "2",
        },
    ),
    ProcessSpec(
        name="image",
        purpose="images, gRPC",
        command=("python", "-m", "services.image"),
        ports=(
            Port("IMAGE_PORT", "gRPC of the image service"),
            Port("IMAGE_METRICS_PORT", "Prometheus metrics of the image service"),
        ),
        ready="grpc://127.0.0.1:{IMAGE_PORT}/media.image.v1.ImageService",
        environment={"IMAGE_ADDRESS": "127.0.0.1:{IMAGE_PORT}"},
        defaults={
            "IMAGE_CACHING_ENABLED": "true",
            "IMAGE_DRAIN_NOTICE_SECONDS": "0.2",
            "IMAGE_DRAIN_GRACE_SECONDS": "2",
        },
    ),
    ProcessSpec(
        name="video",
        purpose="videos, gRPC",
        command=("python", "-m", "services.video"),
        ports=(
            Port("VIDEO_PORT", "gRPC of the video service"),
            Port("VIDEO_METRICS_PORT", "Prometheus metrics of the video service"),
        ),
        ready="grpc://127.0.0.1:{VIDEO_PORT}/media.video.v1.VideoService",
        environment={"VIDEO_ADDRESS": "127.0.0.1:{VIDEO_PORT}"},
        defaults={
            "VIDEO_CACHING_ENABLED": "true",
            "VIDEO_DRAIN_NOTICE_SECONDS": "0.2",
            "VIDEO_DRAIN_GRACE_SECONDS": "2",
        },
    ),
    ProcessSpec(
        name="jobs",
        purpose="jobs, gRPC",
        command=("python", "-m", "services.jobs"),
        ports=(Port("JOBS_PORT", "gRPC of the job service"),),
        ready="grpc://127.0.0.1:{JOBS_PORT}/media.jobs.v1.JobService",
        environment={"JOBS_ADDRESS": "127.0.0.1:{JOBS_PORT}"},
        defaults={"JOBS_DRAIN_NOTICE_SECONDS": "0.2", "JOBS_DRAIN_GRACE_SECONDS": "1"},
        after=("nats",),
    ),
    ProcessSpec(
        name="worker",
        purpose="runs jobs",
        command=("python", "-m", "services.jobs.worker"),
        ports=(
            Port("WORKER_PORT", "health of the worker"),
            Port("WORKER_METRICS_PORT", "Prometheus metrics of the worker"),
        ),
        ready="grpc://127.0.0.1:{WORKER_PORT}/services.jobs.worker",
        after=("nats",),
    ),
    ProcessSpec(
        name="gateway",
        purpose="HTTP in front of the services",
        command=("python", "-m", "gateway"),
        ports=(
            Port("GATEWAY_PORT", "HTTP of the gateway"),
            Port("GATEWAY_GRPC_PORT", "gRPC reflection and health of all services"),
        ),
        ready="http://127.0.0.1:{GATEWAY_PORT}/health",
        environment={
            "GATEWAY_ADDRESS": "127.0.0.1:{GATEWAY_PORT}",
            "GATEWAY_GRPC_ADDRESS": "127.0.0.1:{GATEWAY_GRPC_PORT}",
        },
        defaults={"GATEWAY_DRAIN_NOTICE_SECONDS": "0.2", "GATEWAY_DRAIN_GRACE_SECONDS": "1"},
    ),
    # Last to start, so that its first health checks pass, and first to stop.
    ProcessSpec(
        name="envoy",
        purpose="the edge: the only public port; checks tokens",
        command=("python", "-m", "gateway.envoy", "run"),
        ports=(EDGE, Port("MEDIA_ADMIN_PORT", "Envoy's admin page")),
        ready="http://127.0.0.1:{MEDIA_PORT}/health",
        # There is no load balancer in front of it that needs a drain notice.
        defaults={
            "MEDIA_EDGE_DRAIN_NOTICE_SECONDS": "0",
            "MEDIA_EDGE_DRAIN_GRACE_SECONDS": "2",
            "MEDIA_PUBLIC_URL": "http://localhost:{MEDIA_PORT}",
        },
        after=("tts", "image", "video", "jobs", "worker", "gateway"),
    ),
)


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the table, ready to start."""

    name: str
    argv: tuple[str, ...]
    """The command."""
    environment: Mapping[str, str]
    """The whole environment."""
    ready: ReadinessCheck
    """Readiness check; returns whether the process is ready."""
    after: tuple[str, ...] = ()
    """Names of processes that must be ready before this one starts."""


def list_ports(specs: Sequence[ProcessSpec]) -> list[Port]:
    """Return every port of `specs`."""
    return [port for spec in specs for port in spec.ports]


def build_processes(
    specs: Sequence[ProcessSpec], ports: PortNumbers, *, jwks_file: Path, log_format: str, folder: Path = ROOT
) -> list[Process]:
    """Return the processes of `specs` with their commands, environment and readiness checks.

    Args:
        specs: Processes to run.
        ports: The number of each port.
        jwks_file: Public keys that the edge checks tokens with.
        log_format: How the processes log, `console` or `json`.
        folder: Working directory, where they read the file .env.
    """
    state = jwks_file.parent / "state"
    from_file = {name for name, value in dotenv_values(folder / ".env").items() if value}
    environment = _build_environment(specs, ports, {"MEDIA_STORAGE_DIR": str(state / "objects")}, from_file) | {
        "MEDIA_JWT_JWKS_FILE": str(jwks_file),
        "MEDIA_JWT_JWKS_URI": "",
        "MEDIA_STATE_DIR": str(state),
        "MEDIA_LOG_FORMAT": log_format,
        # Without this, Python buffers output that goes to a pipe.
        "PYTHONUNBUFFERED": "1",
    }
    return [
        Process(
            name=spec.name,
            argv=_build_argv(spec, ports),
            environment=environment,
            ready=build_readiness_check(spec.ready.format_map(ports)),
            after=spec.after,
        )
        for spec in specs
    ]


def _build_argv(spec: ProcessSpec, ports: PortNumbers) -> tuple[str, ...]:
    program, *arguments = (text.format_map(ports) for text in spec.command)
    return (sys.executable if program == "python" else program, *arguments)


def _build_environment(
    specs: Sequence[ProcessSpec], ports: PortNumbers, defaults: Mapping[str, str], from_file: Collection[str]
) -> dict[str, str]:
    """Return the environment of the user with the ports and addresses of the suite.

    All processes get the same environment, so that they agree on addresses. Variables that the file .env sets
    (`from_file`) are left out, because the environment would override the file.
    """
    all_defaults = dict(defaults)
    for spec in specs:
        all_defaults |= {name: text.format_map(ports) for name, text in spec.defaults.items()}
    environment = {name: value for name, value in all_defaults.items() if name not in from_file}
    environment |= {name: value for name, value in os.environ.items() if value}
    environment |= {variable: str(port) for variable, port in ports.items()}
    for spec in specs:
        environment |= {name: text.format_map(ports) for name, text in spec.environment.items()}
    return environment
