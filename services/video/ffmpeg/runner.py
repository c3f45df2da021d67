"""Runs ffmpeg: in its turn, within bounds, with progress, and never beyond its caller's interest."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.video.ffmpeg.command import Command
from services.video.ffmpeg.limiter import FfmpegLimiter
from services.video.ffmpeg.progress import Meter

log = logger(__name__)

_CHUNK_BYTES = 64 * 1024
_INTERRUPTED = 255
_DRAIN_SECONDS = 1.0
_QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error", "-nostats")
_PROGRESS = ("-progress", "pipe:2", "-stats_period", "0.2")

Sink = Callable[[bytes], Awaitable[None]]
"""Takes what ffmpeg writes to its standard output; ffmpeg waits while it waits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may take."""

    wall_seconds: float
    """Longest that it may last."""
    cpu_seconds: int
    """Most processor time."""
    output_bytes: int
    """Longest file that it may write, and most that it may write to its standard output."""
    # Measured: static builds of ffmpeg break below 1 GiB of address space, and want 2 for 1080p.
    address_space_bytes: int = 4 * 1024**3
    """Most address space."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who wants to know how far a run is."""

    queued: Callable[[int], None]
    """Called with the place in line."""
    running: Callable[[float], None]
    """Called with the percentage, 0 to 100, never backwards."""


class FfmpegRunner:
    """Runs commands.

    Args:
        binary: The program.
        slots: Bounds how many run at once.
        limits: Bounds each of them.
    """

    def __init__(self, binary: Path, slots: FfmpegLimiter, limits: Limits) -> None:
        self._binary = binary
        self._slots = slots
        self._limits = limits

    async def run(self, command: Command, folder: Path, watch: Watch, sink: Sink | None = None) -> None:
        """Run `command` to its end; whoever is cancelled ends it with everything it started.

        Args:
            command: What is run.
            folder: Where it runs, and its only home.
            watch: Who is told.
            sink: Who reads its standard output, if it writes there.

        Raises:
            MediaError: OVERLOADED; MEDIA_INVALID, ffmpeg cannot make it of these files, or not in time;
                OUTPUT_TOO_LARGE; GENERATION_FAILED, ffmpeg was ended by somebody else.
        """
        async with self._slots.acquire(watch.queued):
            watch.running(0.0)
            meter = Meter(command.seconds)
            try:
                async with asyncio.timeout(self._limits.wall_seconds) as limit:
                    code = await self._run_to_end(command, folder, meter, watch, sink)
            except TimeoutError:
                if not limit.expired():
                    raise
                log.warning("ffmpeg took too long", seconds=self._limits.wall_seconds, percent=meter.percent)
                raise _too_slow(self._limits.wall_seconds) from None
            if code != 0:
                log.warning("ffmpeg failed", exit_code=code, complaints=meter.complaints)
                raise self._failure(code)

    async def _run_to_end(self, command: Command, folder: Path, meter: Meter, watch: Watch, sink: Sink | None) -> int:
        """Return the exit code."""
        spawning = asyncio.ensure_future(self._spawn(command, folder, with_output=sink is not None))
        try:
            process = await asyncio.shield(spawning)
        except asyncio.CancelledError:
            # Who leaves while it starts would otherwise leave it behind.
            await _kill(await spawning)
            raise
        try:
            self._apply_limits(process.pid)
            readers = [asyncio.ensure_future(_read_diagnostics(process, meter, watch))]
            if sink:
                readers.append(asyncio.ensure_future(self._copy_output(process, sink)))
            try:
                # As a group would, but what a sink raises comes out as it is.
                await asyncio.gather(*readers)
            finally:
                for reader in readers:
                    reader.cancel()
                await asyncio.gather(*readers, return_exceptions=True)
            return await process.wait()
        finally:
            await _kill(process)

    async def _spawn(self, command: Command, folder: Path, *, with_output: bool) -> Process:
        return await asyncio.create_subprocess_exec(
            str(self._binary),
            *_QUIET,
            *_PROGRESS,
            *command.arguments,
            cwd=folder,
            # Nothing of our own environment: it holds keys.
            env={"PATH": os.defpath, "HOME": str(folder), "LANG": "C.UTF-8"},
            stdin=DEVNULL,
            stdout=PIPE if with_output else DEVNULL,
            stderr=PIPE,
            start_new_session=True,
        )

    def _apply_limits(self, pid: int) -> None:
        limits = {
            # At the first bound it is told, a little later it is ended.
            resource.RLIMIT_CPU: (self._limits.cpu_seconds, self._limits.cpu_seconds + 5),
            resource.RLIMIT_FSIZE: (self._limits.output_bytes, self._limits.output_bytes),
            resource.RLIMIT_AS: (self._limits.address_space_bytes, self._limits.address_space_bytes),
            resource.RLIMIT_CORE: (0, 0),
        }
        # From outside: what runs between fork and exec would run with threads of ours half-copied.
        with suppress(ProcessLookupError):
            for kind, value in limits.items():
                resource.prlimit(pid, kind, value)

    async def _copy_output(self, process: Process, sink: Sink) -> None:
        assert process.stdout is not None  # noqa: S101 - told so to mypy: it is a pipe
        read = 0
        while data := await process.stdout.read(_CHUNK_BYTES):
            read += len(data)
            # The system bounds files only.
            if read > self._limits.output_bytes:
                raise _too_large(self._limits.output_bytes)
            await sink(data)

    def _failure(self, code: int) -> MediaError:
        if code == -signal.SIGXFSZ:
            return _too_large(self._limits.output_bytes)
        # ffmpeg hears the signal, ends its work as if it had been interrupted, and says so by this code.
        if code in (-signal.SIGXCPU, _INTERRUPTED):
            return _too_slow(self._limits.cpu_seconds)
        if code < 0:
            return MediaError(Reason.GENERATION_FAILED, "ffmpeg was ended while it worked; try again.")
        return MediaError(
            Reason.MEDIA_INVALID, "ffmpeg cannot make a video of these files; save them again, as MP4 and MP3."
        )


def _too_large(max_bytes: int) -> MediaError:
    return MediaError(Reason.OUTPUT_TOO_LARGE, f"The video would have more than {max_bytes} bytes; make it shorter.")


def _too_slow(seconds: float) -> MediaError:
    return MediaError(Reason.MEDIA_INVALID, f"The video cannot be made within {seconds:g} seconds; make it shorter.")


async def _read_diagnostics(process: Process, meter: Meter, watch: Watch) -> None:
    assert process.stderr is not None  # noqa: S101 - told so to mypy: it is a pipe
    while data := await process.stderr.read(_CHUNK_BYTES):
        if meter.feed(data):
            watch.running(meter.percent)


async def _kill(process: Process) -> None:
    """End the process with all that it started, and waits until it is gone."""
    with suppress(ProcessLookupError, PermissionError):
        # Also where it has ended itself: what it started may be left, and holds its group's number.
        os.killpg(process.pid, signal.SIGKILL)
    gone, is_cancelled = asyncio.ensure_future(_wait_for_exit(process)), False
    while not gone.done():
        try:
            await asyncio.shield(gone)
        except asyncio.CancelledError:
            # It takes no time, and what is not waited for now would be left to nobody.
            is_cancelled = True
    if is_cancelled:
        raise asyncio.CancelledError


async def _wait_for_exit(process: Process) -> None:
    # Before the wait, which ends with the pipes: what nobody has read would keep them open, and us waiting, for ever.
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            for stream in (process.stdout, process.stderr):
                while stream is not None and await stream.read(_CHUNK_BYTES):
                    pass
    # By itself it would close a turn of the loop later, which may not come: asyncio has no public name for this.
    process._transport.close()  # type: ignore[attr-defined]
    await process.wait()
