"""One life of one process: its start, its output, its end, and whatever it would leave behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from deploy.local import watchdog
from deploy.local.output import Lines, Output
from deploy.local.processes import Process
from deploy.local.settings import ROOT
from deploy.local.zygote import Grown, Zygote, parse_command

_READ_BYTES = 64 * 1024
_LAST_LINES = 15
# Output may stay open behind a grandchild in a session of its own; nobody waits for that.
_OUTPUT_SECONDS = 0.5


class Watchdog:
    """The supervisor's side of the watchdog process."""

    def __init__(self, pipe: asyncio.StreamWriter) -> None:
        self._pipe = pipe

    def add(self, group: int) -> None:
        """Take on a process group that must not outlive the supervisor."""
        self._pipe.write(b"+%d\n" % group)

    def remove(self, group: int) -> None:
        """Let go of a process group that has ended."""
        self._pipe.write(b"-%d\n" % group)


@asynccontextmanager
async def guarding(grace_seconds: float) -> AsyncIterator[Watchdog]:
    """Keep a watchdog process until the context is left, or until this process is gone and all is cleaned up.

    Args:
        grace_seconds: How long processes left behind may take for an orderly end.
    """
    # Isolated and without site packages it starts in milliseconds and stays small.
    command = (sys.executable, "-I", "-S", watchdog.__file__, str(grace_seconds))
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, start_new_session=True)
    if process.stdin is None:
        raise RuntimeError("a process that was started with a pipe has none")
    try:
        yield Watchdog(process.stdin)
    finally:
        process.stdin.close()
        await process.wait()


class Child:
    """A started process, in a session of its own so that no Ctrl-C of the terminal reaches it."""

    def __init__(self, name: str, handle: asyncio.subprocess.Process | Grown, output: Output) -> None:
        self.name = name
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._handle = handle
        self._output = output

    def terminate(self) -> None:
        """Ask the process alone, so that it can end its own children in order."""
        with suppress(ProcessLookupError):
            self._handle.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process, and everything in its group, at once."""
        watchdog.send(self._handle.pid, signal.SIGKILL)

    async def live(self, pipe: Pipe, guard: Watchdog) -> int:
        """Pass on what the process says until it ends; returns its exit code, or minus the signal that ended it."""
        output = asyncio.create_task(self._pass_on(pipe.reader))
        try:
            code = await self._handle.wait()
            # Grandchildren that hold a port would keep the next life from starting.
            self.kill()
            guard.remove(self._handle.pid)
            await asyncio.wait({output}, timeout=_OUTPUT_SECONDS)
        finally:
            output.cancel()
            pipe.close()
        return code

    async def _pass_on(self, reader: asyncio.StreamReader) -> None:
        lines = Lines()
        while block := await reader.read(_READ_BYTES):
            self._take(lines.feed(block))
        self._take(lines.end())

    def _take(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.last_lines.append(line)
            self._output.line(self.name, line)


@dataclass(frozen=True, slots=True)
class Pipe:
    """Where a child's output comes out.

    Not the pipe that asyncio offers: with that one, waiting for the process can mean waiting for its grandchildren.
    """

    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport

    def close(self) -> None:
        """Stop reading."""
        self.transport.close()

    @classmethod
    async def open(cls) -> tuple[Pipe, int]:
        """Return a pipe and the descriptor to write to, which the caller closes."""
        inner, outer = os.pipe()
        reader = asyncio.StreamReader()
        try:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(inner, "rb", buffering=0)
            )
        except BaseException:
            os.close(outer)
            raise
        return cls(reader, transport), outer


async def start(
    process: Process, output: Output, guard: Watchdog, lives: asyncio.TaskGroup, zygote: Zygote | None = None
) -> ChildProcess:
    """Start `process`; its life is a task of `lives`.

    Args:
        process: What is started.
        output: Takes what it says.
        guard: Ends it if nobody else can.
        lives: Ends when it has ended.
        zygote: Makes it, if it can; otherwise, and without one, it starts by itself.

    Raises:
        OSError: The command cannot be run.
    """
    pipe, outer = await Pipe.open()
    try:
        handle = await _grown(process, outer, zygote) or await _spawn(process, outer)
    except BaseException:
        pipe.close()
        raise
    finally:
        os.close(outer)
    # From here to the end nothing waits, so that no cancellation can lose a process that runs.
    guard.add(handle.pid)
    if isinstance(handle, Grown):
        handle.let_go()
    child = Child(process.name, handle, output)
    return ChildProcess(child, lives.create_task(child.live(pipe, guard)))


async def _grown(process: Process, output: int, zygote: Zygote | None) -> Grown | None:
    order = parse_command(process.argv, process.environment, ROOT)
    if zygote is None or order is None:
        return None
    try:
        return await zygote.start(order, output)
    except OSError:
        # It saves memory and time; nobody depends on it.
        return None


async def _spawn(process: Process, output: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *process.argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(process.environment),
        cwd=ROOT,
        start_new_session=True,
    )


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A child and the task that lasts as long as it does."""

    child: Child
    end: asyncio.Task[int]
    """Its result is the exit code, or minus the signal that ended the process."""
