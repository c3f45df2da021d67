"""Runs ffmpeg: waits for a permit, limits time and memory, reports progress, and kills the process on cancellation."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import subprocess
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.settings import ConfigurationError
from services.video.ffmpeg.arguments import Command
from services.video.ffmpeg.limiter import FfmpegLimiter
from services.video.progress import STORE_CEILING_PERCENT

log = logger(__name__)

_CHUNK_BYTES = 64 * 1024
_INTERRUPTED = 255
_DRAIN_SECONDS = 1.0
_QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error", "-nostats")
_PROGRESS = ("-progress", "pipe:2", "-stats_period", "0.2")
_TAIL_LINES = 4
_LINE_BYTES = 400
_MAX_DIGITS = 18

_LIST_SECONDS = 10
_NEEDED_PARTS = frozenset({"libx264", "aac", "fps", "scale", "tpad", "bwdif", "subtitles", "zscale", "tonemap"})
_ENDED_FROM_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP})
"""Exit codes after which the same files may succeed. A crash, such as SIGSEGV, is the fault of a file."""

Sink = Callable[[bytes], Awaitable[None]]
"""Called with each piece that ffmpeg writes to its standard output; ffmpeg waits until it returns."""


@dataclass(frozen=True, slots=True)
class FfmpegLimits:
    """Limits of one run."""

    wall_seconds: float
    """Longest duration of the run."""
    cpu_seconds: int
    """Most processor time."""
    output_bytes: int
    """Largest file, and most bytes on the standard output."""
    # Measured: static builds of ffmpeg fail below 1 GiB of address space, and need 2 GiB for 1080p.
    address_space_bytes: int = 4 * 1024**3
    """Most address space."""


@dataclass(frozen=True, slots=True)
class RunCallbacks:
    """Callbacks for the progress of one run."""

    on_queued: Callable[[int], None]
    """Called with the position in the queue when it changes, while the run waits for a permit."""
    on_progress: Callable[[float], None]
    """Called with the percentage, 0 to 100, when it grows."""


class FfmpegRunner:
    """Runs ffmpeg commands, each in a process group of its own.

    Args:
        binary: Path of the program.
        limiter: Limits how many commands run at once.
        limits: Limits of each run.
    """

    def __init__(self, binary: Path, limiter: FfmpegLimiter, limits: FfmpegLimits) -> None:
        self._binary = binary
        self._limiter = limiter
        self._limits = limits

    async def run(self, command: Command, folder: Path, callbacks: RunCallbacks, sink: Sink | None = None) -> None:
        """Run `command` to its end; cancellation kills it with every process that it started.

        Args:
            command: The command.
            folder: Working directory; the command names its files relative to it.
            callbacks: Called while the command waits and runs.
            sink: Receives the standard output, if the command writes there.

        Raises:
            MediaError: OVERLOADED; MEDIA_INVALID, ffmpeg cannot process these files, or not in time;
                OUTPUT_TOO_LARGE; GENERATION_FAILED, a signal from outside ended ffmpeg (a crash is MEDIA_INVALID).
        """
        async with self._limiter.acquire(callbacks.on_queued):
            callbacks.on_progress(0.0)
            parser = ProgressParser(command.seconds)
            try:
                async with asyncio.timeout(self._limits.wall_seconds) as limit:
                    code = await self._run_to_end(command, folder, parser, callbacks, sink)
            except TimeoutError:
                if not limit.expired():
                    raise
                log.warning("ffmpeg timed out", seconds=self._limits.wall_seconds, percent=parser.percent)
                raise _build_too_slow_error(self._limits.wall_seconds) from None
            if code != 0:
                log.warning("ffmpeg failed", exit_code=code, messages=parser.messages)
                raise self._to_error(code)

    async def _run_to_end(
        self, command: Command, folder: Path, parser: ProgressParser, callbacks: RunCallbacks, sink: Sink | None
    ) -> int:
        """Return the exit code."""
        spawning = asyncio.ensure_future(self._spawn(command, folder, with_output=sink is not None))
        try:
            process = await asyncio.shield(spawning)
        except asyncio.CancelledError:
            # A cancellation while the process starts must not leave it running.
            await _kill(await spawning)
            raise
        try:
            self._apply_limits(process.pid)
            readers = [asyncio.ensure_future(_read_messages(process, parser, callbacks))]
            if sink:
                readers.append(asyncio.ensure_future(self._forward_output(process, sink)))
            try:
                # Not a TaskGroup, which would wrap the error of a sink in an ExceptionGroup.
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
            # Nothing of the service's own environment: it holds keys.
            env={"PATH": os.defpath, "HOME": str(folder), "LANG": "C.UTF-8"},
            stdin=DEVNULL,
            stdout=PIPE if with_output else DEVNULL,
            stderr=PIPE,
            start_new_session=True,
        )

    def _apply_limits(self, pid: int) -> None:
        limits = {
            # ffmpeg gets SIGXCPU at the soft limit, and SIGKILL at the hard one.
            resource.RLIMIT_CPU: (self._limits.cpu_seconds, self._limits.cpu_seconds + 5),
            resource.RLIMIT_FSIZE: (self._limits.output_bytes, self._limits.output_bytes),
            resource.RLIMIT_AS: (self._limits.address_space_bytes, self._limits.address_space_bytes),
            resource.RLIMIT_CORE: (0, 0),
        }
        # Set from outside: code between fork and exec would run in a half-copied process with threads.
        with suppress(ProcessLookupError):
            for kind, value in limits.items():
                resource.prlimit(pid, kind, value)

    async def _forward_output(self, process: Process, sink: Sink) -> None:
        assert process.stdout is not None  # noqa: S101 - for mypy: the standard output is a pipe
        read = 0
        while data := await process.stdout.read(_CHUNK_BYTES):
            read += len(data)
            # RLIMIT_FSIZE limits files only, not pipes.
            if read > self._limits.output_bytes:
                raise _build_too_large_error(self._limits.output_bytes)
            await sink(data)

    def _to_error(self, code: int) -> MediaError:
        if code == -signal.SIGXFSZ:
            return _build_too_large_error(self._limits.output_bytes)
        # ffmpeg catches SIGXCPU, stops as if interrupted, and exits with this code.
        if code in (-signal.SIGXCPU, _INTERRUPTED):
            return _build_too_slow_error(self._limits.cpu_seconds)
        if code in _ENDED_FROM_OUTSIDE:
            return MediaError(Reason.GENERATION_FAILED, "A signal ended ffmpeg while it worked; retry.")
        return MediaError(
            Reason.MEDIA_INVALID, "ffmpeg cannot make a video from these files; save them again, as MP4 and MP3."
        )


async def _read_messages(process: Process, parser: ProgressParser, callbacks: RunCallbacks) -> None:
    assert process.stderr is not None  # noqa: S101 - for mypy: the standard error is a pipe
    while data := await process.stderr.read(_CHUNK_BYTES):
        if parser.feed(data):
            callbacks.on_progress(parser.percent)


async def _kill(process: Process) -> None:
    """Kill the process and all that it started, and wait until it is gone."""
    with suppress(ProcessLookupError, PermissionError):
        # Also after a normal exit: child processes may be left in the group.
        os.killpg(process.pid, signal.SIGKILL)
    gone, is_cancelled = asyncio.ensure_future(_wait_for_exit(process)), False
    while not gone.done():
        try:
            await asyncio.shield(gone)
        except asyncio.CancelledError:
            # The wait is short, and no other code would wait for the process later.
            is_cancelled = True
    if is_cancelled:
        raise asyncio.CancelledError


async def _wait_for_exit(process: Process) -> None:
    # process.wait() returns only after the pipes have closed: unread output would keep it waiting for ever.
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            for stream in (process.stdout, process.stderr):
                while stream is not None and await stream.read(_CHUNK_BYTES):
                    pass
    # The transport closes itself one loop iteration later, which may never run. asyncio has no public method for this.
    process._transport.close()  # type: ignore[attr-defined]
    await process.wait()


class ProgressParser:
    """Parses ffmpeg's standard error: progress as blocks of key=value (option -progress), and messages in between.

    Args:
        seconds: Duration of the output, which is 100 percent.
    """

    def __init__(self, seconds: float) -> None:
        self._whole_us = max(seconds, 0.001) * 1_000_000
        self._rest = b""
        self._messages: deque[str] = deque(maxlen=_TAIL_LINES)
        self.percent = 0.0
        """0 to 99 while ffmpeg works, 100 after its last block; never decreases."""

    @property
    def messages(self) -> list[str]:
        """The last lines that are not progress, printable and shortened."""
        return list(self._messages)

    def feed(self, data: bytes) -> bool:
        """Parse `data` and return whether the percentage grew."""
        before = self.percent
        *lines, rest = (self._rest + data).split(b"\n")
        # A line without an end must not grow for ever.
        self._rest = rest[:_LINE_BYTES]
        for line in lines:
            self._parse_line(line.strip())
        return self.percent > before

    def _parse_line(self, line: bytes) -> None:
        key, equals, value = line.partition(b"=")
        if equals and key == b"out_time_us":
            # The value is "N/A" before the first frame.
            if value.isdigit() and len(value) <= _MAX_DIGITS:
                self.percent = max(self.percent, min(STORE_CEILING_PERCENT, 100 * int(value) / self._whole_us))
        elif equals and key == b"progress":
            if value == b"end":
                self.percent = 100.0
        elif line and not _is_statistic(key, equals):
            text = line[:_LINE_BYTES].decode("utf-8", "replace")
            self._messages.append("".join(letter if letter.isprintable() else "?" for letter in text))


def _is_statistic(key: bytes, equals: bytes) -> bool:
    """Return whether a line belongs to a block of progress, such as fps=25 or stream_0_0_q=28.0."""
    return bool(equals) and key.replace(b"_", b"").isalnum() and key.islower()


def _build_too_large_error(max_bytes: int) -> MediaError:
    return MediaError(Reason.OUTPUT_TOO_LARGE, f"The video would exceed {max_bytes} bytes; make it shorter.")


def _build_too_slow_error(seconds: float) -> MediaError:
    return MediaError(Reason.MEDIA_INVALID, f"ffmpeg cannot finish the video within {seconds:g} seconds; shorten it.")


def find_ffmpeg(configured: str) -> Path:
    """Return the path of ffmpeg.

    Args:
        configured: FFMPEG_BINARY: a path, or a name to look for on PATH; empty for the program of the wheel.

    Raises:
        ConfigurationError: There is no such program, or it is not executable.
    """
    if not configured:
        try:
            return Path(imageio_ffmpeg.get_ffmpeg_exe())
        except RuntimeError:
            raise ConfigurationError(
                "FFMPEG_BINARY must be set: the package imageio-ffmpeg has no ffmpeg for this machine"
            ) from None
    found = shutil.which(configured)
    if found is None or not os.access(found, os.X_OK):
        raise ConfigurationError(f"FFMPEG_BINARY must be an executable program; {configured} is not")
    return Path(found)


def list_missing_parts(binary: Path) -> list[str]:
    """Return the filters and encoders that videos need and the program lacks, in the order of their names."""
    listed = ""
    for option in ("-filters", "-encoders"):
        try:
            done = subprocess.run(  # noqa: S603 - the operator chose the program
                [binary, "-hide_banner", option], capture_output=True, check=False, timeout=_LIST_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        listed += done.stdout.decode("utf-8", "replace")
    return sorted(_NEEDED_PARTS - set(listed.split()))
