"""Supervises the engine process: starts, connects, restarts after a crash, and stops it."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from services.common.errors import MediaError, Reason
from services.common.log import logger

log = logger(__name__)

_MODULE = "services.tts.providers.espeak.engine"
_PACKAGES = ("espeakng_loader", "lameenc", "soxr")
_READY = b"ready\n"
# A small buffer blocks the engine after seconds of audio, not minutes, if the caller does not read.
_READ_LIMIT_BYTES = 32_768
_STOP_TIMEOUT_SECONDS = 2.0
# The first attempt may find that the engine has died; the second connects to its successor.
_CONNECT_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class EspeakSettings:
    """Limits of the embedded engine."""

    max_children: int = 128
    """Concurrent requests; others wait."""
    cpu_limit_seconds: int = 60
    """CPU time that one request may take."""
    memory_limit_mib: int = 1024
    """Address space that one request may take."""
    start_timeout_seconds: float = 10.0
    """Longest wait until the process accepts requests."""
    answer_timeout_seconds: float = 30.0
    """Longest wait for the first audio of a request, and for a free child before it."""


def is_installed() -> bool:
    """Return whether the packages of the extra `embedded` are installed."""
    return all(find_spec(name) is not None for name in _PACKAGES)


class EngineProcess:
    """Owns the engine process; at most one runs at a time.

    Args:
        settings: Limits of the engine.
        executable: The Python that runs it.
    """

    def __init__(self, settings: EspeakSettings, executable: str = sys.executable) -> None:
        self._settings = settings
        self._executable = executable
        self._lock = asyncio.Lock()
        self._folder: Path | None = None
        self._address: str | None = None
        self._process: Process | None = None
        self._starts = 0
        self._closed = False

    @property
    def answer_timeout_seconds(self) -> float:
        """Longest wait for the first audio of a request."""
        return self._settings.answer_timeout_seconds

    @property
    def pid(self) -> int | None:
        """Process id of the engine; None before its start."""
        return self._process.pid if self._process else None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection for one request; starts the process if none is running.

        Raises:
            MediaError: PROVIDER_UNAVAILABLE, the engine is not installed, does not start or was closed.
        """
        for _ in range(_CONNECT_ATTEMPTS):
            address = self._address
            if address is not None:
                try:
                    return await asyncio.open_unix_connection(address, limit=_READ_LIMIT_BYTES)
                except (FileNotFoundError, ConnectionError):
                    log.warning("the embedded speech engine has died", engine_pid=self.pid)
            await self._replace(address)
        raise MediaError(Reason.PROVIDER_UNAVAILABLE, "The embedded speech engine fails repeatedly; see its log.")

    async def is_accepting(self) -> bool:
        """Return whether the process accepts connections."""
        if self._address is None:
            return False
        try:
            _, writer = await asyncio.open_unix_connection(self._address)
        except OSError:
            return False
        writer.transport.abort()
        return True

    async def close(self) -> None:
        """Stop the process and all its requests."""
        async with self._lock:
            self._closed = True
            await self._stop()

    async def _replace(self, address: str | None) -> None:
        """Restart the process, unless the one at `address` was replaced already."""
        async with self._lock:
            if self._address != address:
                return
            if self._closed:
                raise MediaError(
                    Reason.PROVIDER_UNAVAILABLE, "The embedded speech engine is shut down; use another provider."
                )
            if not is_installed():
                raise MediaError(
                    Reason.PROVIDER_UNAVAILABLE,
                    "The embedded speech engine is not installed; "
                    "install the extra `embedded` or use another provider.",
                )
            await self._stop()
            await self._start()

    async def _start(self) -> None:
        # Each process gets a new folder: a dying process must not be mistaken for its successor, and a cleaner of
        # temporary files may have deleted the last folder. Socket paths are limited to about 100 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="espeak-"))
        self._starts += 1
        address = str(self._folder / "engine.sock")
        settings = self._settings
        self._process = await asyncio.create_subprocess_exec(
            *(self._executable, "-m", _MODULE, "--socket", address, "--stop-with-stdin"),
            *("--max-children", str(settings.max_children)),
            *("--cpu-seconds", str(settings.cpu_limit_seconds)),
            *("--memory-mib", str(settings.memory_limit_mib)),
            stdin=PIPE,
            stdout=PIPE,
        )
        started = False
        try:
            started = await self._is_ready(self._process)
        finally:
            if not started:
                await self._stop()
        if not started:
            log.error("the embedded speech engine did not start")
            raise MediaError(Reason.PROVIDER_UNAVAILABLE, "The embedded speech engine did not start; see its log.")
        self._address = address
        log.info("the embedded speech engine is ready", engine_pid=self._process.pid, starts=self._starts)

    async def _is_ready(self, process: Process) -> bool:
        assert process.stdout is not None  # noqa: S101 - for mypy: it was opened as a pipe
        try:
            async with asyncio.timeout(self._settings.start_timeout_seconds):
                return await process.stdout.readline() == _READY
        except TimeoutError:
            return False

    async def _stop(self) -> None:
        process, self._process, self._address = self._process, None, None
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_SECONDS):
                await process.wait()
        except TimeoutError:
            log.warning("the embedded speech engine did not stop in time, killing it", engine_pid=process.pid)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
