"""Real processes of the suite that a test can kill, stop, pause and restart."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.ports import find_free_ports
from deploy.local.readiness import build_readiness_check
from tests.fakes.waiting import eventually
from tests.faults.process_group import ProcessSpawner, SpawnedProcess

ROOT = Path(__file__).parents[2]
_READY_SECONDS = 90.0
_END_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the suite."""

    module: str
    """Module to run with -m."""
    ready: str
    """URL of the readiness check; `{VARIABLE}` stands for a port."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment of this process alone."""


PARTS: Mapping[str, Part] = {
    "nats": Part("deploy.nats", "http://127.0.0.1:{NATS_MONITOR_PORT}/healthz"),
    "tts": Part("services.tts", "grpc://127.0.0.1:{TTS_PORT}/media.tts.v1.TextToSpeechService"),
    "image": Part("services.image", "grpc://127.0.0.1:{IMAGE_PORT}/media.image.v1.ImageService"),
    "video": Part("services.video", "grpc://127.0.0.1:{VIDEO_PORT}/media.video.v1.VideoService"),
    "jobs": Part("services.jobs", "grpc://127.0.0.1:{JOBS_PORT}/media.jobs.v1.JobService"),
    "gateway": Part("gateway", "http://127.0.0.1:{GATEWAY_PORT}/health"),
    "worker": Part("services.jobs.worker", "grpc://127.0.0.1:{WORKER_PORT}/services.jobs.worker"),
    "worker2": Part("services.jobs.worker", "grpc://127.0.0.1:{WORKER2_PORT}/services.jobs.worker"),
}
_VARIABLES = (
    *("NATS_PORT", "NATS_MONITOR_PORT", "TTS_PORT", "IMAGE_PORT", "VIDEO_PORT", "JOBS_PORT"),
    *("WORKER_PORT", "WORKER2_PORT", "GATEWAY_PORT", "GATEWAY_GRPC_PORT"),
)
_ADDRESSES = {f"{name}_ADDRESS": f"{name}_PORT" for name in ("TTS", "IMAGE", "VIDEO", "JOBS")}


class SuiteProcesses:
    """The processes of one suite, by name.

    Args:
        folder: Folder of their state and logs.
        environment: Variables of all processes, besides ports and folders.
        spawner: Starts the processes.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], spawner: ProcessSpawner) -> None:
        self.folder = folder
        self._spawner = spawner
        self.ports = dict(zip(_VARIABLES, find_free_ports(len(_VARIABLES)), strict=True))
        self._running: dict[str, SpawnedProcess] = {}
        self.kills = 0
        """Number of kills so far."""
        self.overrides: dict[str, Mapping[str, str]] = {}
        """Additional variables for the next start of a process, by its name."""
        ports = {name: str(port) for name, port in self.ports.items()}
        addresses = {name: f"127.0.0.1:{self.ports[port]}" for name, port in _ADDRESSES.items()}
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "protos" / "gen"))),
            "HOME": str(folder),
            "MEDIA_STATE_DIR": str(folder / "state"),
            "MEDIA_STORAGE_DIR": str(folder / "objects"),
            "VIDEO_TEMP_DIR": str(folder / "work"),
            "NATS_URL": self.nats_url,
            "TTS_METRICS_PORT": "0",
            "IMAGE_METRICS_PORT": "0",
            "VIDEO_METRICS_PORT": "0",
            "WORKER_METRICS_PORT": "0",
            "TTS_CACHING_ENABLED": "true",
            # A busy machine may delay an extension of the lease, but not by this much.
            "JOBS_LEASE_SECONDS": "3",
            "VIDEO_BEGIN_SECONDS": "1",
            "IMAGE_CACHING_ENABLED": "true",
            "GATEWAY_DRAIN_NOTICE_SECONDS": "0",
            "GATEWAY_DRAIN_GRACE_SECONDS": "0",
            "MEDIA_LOG_LEVEL": "INFO",
            **ports,
            **addresses,
            **environment,
        }

    @property
    def nats_url(self) -> str:
        """URL of NATS."""
        return f"nats://127.0.0.1:{self.ports['NATS_PORT']}"

    @property
    def gateway_url(self) -> str:
        """URL of the gateway."""
        return f"http://127.0.0.1:{self.ports['GATEWAY_PORT']}"

    async def start(self, *names: str) -> None:
        """Start processes and wait until they are ready."""
        for name in names:
            self._spawn(name)
        async with asyncio.TaskGroup() as waiting:
            for name in names:
                waiting.create_task(self._wait_until_ready(name))

    def kill(self, name: str) -> None:
        """Kill a process as a crash would, and wait for its end."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGKILL)
        assert process.has_ended(_END_SECONDS)
        self.kills += 1

    async def stop(self, name: str) -> None:
        """Stop a process with SIGTERM and wait for its end."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.has_ended, _END_SECONDS)

    def pause(self, name: str) -> None:
        """Suspend a process."""
        self._running[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Resume a suspended process."""
        self._running[name].send_signal(signal.SIGCONT)

    async def restart(self, *names: str) -> None:
        """Kill processes and start them again."""
        for name in names:
            self.kill(name)
        await self.start(*names)

    def read_log(self, name: str) -> str:
        """Return the log of a process."""
        return (self.folder / f"{name}.log").read_text()

    def close(self) -> None:
        """Kill all processes."""
        for process in self._running.values():
            process.send_signal(signal.SIGKILL)
            process.has_ended(_END_SECONDS)
        self._running.clear()

    def _spawn(self, name: str) -> None:
        part = PARTS[name]
        environment = {**self._environment, **part.environment, **self.overrides.get(name, {})}
        if name == "worker2":
            environment["WORKER_PORT"] = environment["WORKER2_PORT"]
        log = self.folder / f"{name}.log"
        self._running[name] = self._spawner.start(part.module, environment, self.folder, log)

    async def _wait_until_ready(self, name: str) -> None:
        serves = build_readiness_check(PARTS[name].ready.format_map(self.ports))

        async def is_ready() -> bool:
            process = self._running.get(name)
            if process is None or process.has_ended():
                raise RuntimeError(f"{name} ended: {self.read_log(name)[-2000:]}")
            return await serves()

        await eventually(is_ready, _READY_SECONDS)
