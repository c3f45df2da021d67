"""Runs shell scripts in place of ffmpeg and records their progress."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from services.common.errors import MediaError
from services.video.ffmpeg import Command, FfmpegLimiter, FfmpegLimits, FfmpegRunner, RunCallbacks
from services.video.ffmpeg.runner import Sink
from tests.fakes.waiting import until

COMMAND = Command(("-i", "a video.mp4", "-t", "10", "video.mp4"), 10.0)
LIMITS = FfmpegLimits(wall_seconds=20, cpu_seconds=20, output_bytes=1_000_000)
HANGS = """\
exec 3>alive
sleep 1000 &
echo out_time_us=1000000 >&2
wait
"""
"""Starts a child, reports progress, and does not end. Both processes hold the pipe `alive`."""


class RunLog:
    """Records the callbacks of a run."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.percents: list[float] = []
        self.progressed = asyncio.Event()
        """Set at the first position or percentage above 0."""

    @property
    def watch(self) -> RunCallbacks:
        """The callbacks to pass to the runner."""
        return RunCallbacks(self._queued, self._running)

    def _queued(self, position: int) -> None:
        self.positions.append(position)
        self.progressed.set()

    def _running(self, percent: float) -> None:
        self.percents.append(percent)
        if percent:
            self.progressed.set()


class ScriptFolder:
    """A folder in which a script runs in place of ffmpeg.

    Args:
        parent: Folder in which it is created.
    """

    def __init__(self, parent: Path) -> None:
        self.folder = parent / "work"
        self.folder.mkdir()
        self.limiter = FfmpegLimiter(1, 1)
        self._parent = parent
        self._runs = 0
        os.mkfifo(self.folder / "alive")
        self.alive = os.open(self.folder / "alive", os.O_RDONLY | os.O_NONBLOCK)

    async def run(
        self, script: str, log: RunLog | None = None, sink: Sink | None = None, limits: FfmpegLimits = LIMITS
    ) -> None:
        """Run a script."""
        self._runs += 1
        binary = self._parent / f"ffmpeg-{self._runs}"
        binary.write_text(f"#!/bin/sh\n{script}")
        binary.chmod(0o755)
        runner = FfmpegRunner(binary, self.limiter, limits)
        await runner.run(COMMAND, self.folder, (log or RunLog()).watch, sink)

    async def get_error(self, script: str, limits: FfmpegLimits = LIMITS) -> MediaError:
        """Return the error of a script."""
        with pytest.raises(MediaError) as caught:
            await self.run(script, limits=limits)
        return caught.value

    def read_file(self, name: str) -> str:
        """Return the content of a file that a script wrote."""
        return (self.folder / name).read_text()

    async def wait_until_all_end(self) -> None:
        """Wait until no process holds the pipe `alive`."""
        await until(self._is_released)

    def _is_released(self) -> bool:
        # Not select, which does not report a pipe that a killed script has never opened.
        try:
            return os.read(self.alive, 1) == b""
        except BlockingIOError:
            return False
