"""Child process of the supervisor: its start, its output, its exit, and the end of its process group."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from deploy.local import watchdog as watchdog_script
from deploy.local.fork_server import ForkedProcess, ForkServer, parse_command
from deploy.local.output import LineSplitter, Output
from deploy.local.processes import Process
from deploy.local.settings import ROOT

_READ_BYTES = 64 * 1024
_LAST_LINES = 15
# A grandchild in its own session may hold the output open; the supervisor does not wait longer for it.
_OUTPUT_SECONDS = 0.5


class Watchdog:
    """Client of the watchdog process, which ends registered process groups if the supervisor is killed."""

    def __init__(self, pipe: asyncio.StreamWriter) -> None:
        self._pipe = pipe

    def add(self, group: int) -> None:
        """Register a process group that must end with the supervisor."""
        self._pipe.write(b"+%d\n" % group)

    def remove(self, group: int) -> None:
        """Remove a process group that has ended."""
        self._pipe.write(b"-%d\n" % group)


@asynccontextmanager
async def open_watchdog(grace_seconds: float) -> AsyncIterator[Watchdog]:
    """Run a watchdog process; it ends with the context, or after this process has died and all groups are ended.

    Args:
        grace_seconds: Time between SIGTERM and SIGKILL for processes that outlive the supervisor.
    """
    # Isolated and without site packages it starts in milliseconds and stays small.
    command = (sys.executable, "-I", "-S", watchdog_script.__file__, str(grace_seconds))
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, start_new_session=True)
    if process.stdin is None:
        raise RuntimeError("a process that was started with a pipe has none")
    try:
        yield Watchdog(process.stdin)
    finally:
        process.stdin.close()
        await process.wait()


class Child:
    """A started process. It leads its own session, so Ctrl-C at the terminal does not reach it.

    Args:
        name: Name of the process.
        handle: The process.
        output: Receives its lines.
        pipe: Its standard output and standard error.
        watchdog: Watchdog that has registered it.
        tasks: Task group for `exit`.
    """

    def __init__(
        self,
        name: str,
        handle: asyncio.subprocess.Process | ForkedProcess,
        output: Output,
        pipe: Pipe,
        watchdog: Watchdog,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.name = name
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._handle = handle
        self._output = output
        self.exit: asyncio.Task[int] = tasks.create_task(self._run_until_exit(pipe, watchdog))
        """Ends when the process ends; the result is the exit code, or minus the signal that ended the process."""

    def terminate(self) -> None:
        """Send SIGTERM to the process alone, so that it can stop its own children in order."""
        with suppress(ProcessLookupError):
            self._handle.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the process and its group."""
        watchdog_script.send_signal(self._handle.pid, signal.SIGKILL)

    async def _run_until_exit(self, pipe: Pipe, watchdog: Watchdog) -> int:
        """Forward the output until the process ends; return its exit code, or minus the signal number."""
        forwarding = asyncio.create_task(self._forward_output(pipe.reader))
        try:
            code = await self._handle.wait()
            # A grandchild that holds a port would prevent the restart.
            self.kill()
            watchdog.remove(self._handle.pid)
            await asyncio.wait({forwarding}, timeout=_OUTPUT_SECONDS)
        finally:
            forwarding.cancel()
            pipe.close()
        return code

    async def _forward_output(self, reader: asyncio.StreamReader) -> None:
        splitter = LineSplitter()
        while block := await reader.read(_READ_BYTES):
            self._write_lines(splitter.feed(block))
        self._write_lines(splitter.finish())

    def _write_lines(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.last_lines.append(line)
            self._output.write_line(self.name, line)


@dataclass(frozen=True, slots=True)
class Pipe:
    """Reading end of a child's output.

    It replaces the pipe of asyncio's subprocesses: with that pipe, the wait for a process can last until its
    grandchildren have ended too.
    """

    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport

    def close(self) -> None:
        """Close the reading end."""
        self.transport.close()

    @classmethod
    async def open(cls) -> tuple[Pipe, int]:
        """Return a pipe and the descriptor of its writing end, which the caller closes."""
        reading_end, writing_end = os.pipe()
        reader = asyncio.StreamReader()
        try:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading_end, "rb", buffering=0)
            )
        except BaseException:
            os.close(writing_end)
            raise
        return cls(reader, transport), writing_end


async def start_child(
    process: Process,
    output: Output,
    watchdog: Watchdog,
    tasks: asyncio.TaskGroup,
    fork_server: ForkServer | None = None,
) -> Child:
    """Start `process`; a task of `tasks` runs until it ends.

    Args:
        process: What to start.
        output: Receives its lines.
        watchdog: Watchdog that ends the process if the supervisor is killed.
        tasks: Task group of the running processes.
        fork_server: Forks the process if possible; otherwise it starts as a new interpreter.

    Raises:
        OSError: The command cannot be run.
    """
    pipe, writing_end = await Pipe.open()
    try:
        handle = await _fork(process, writing_end, fork_server) or await _spawn(process, writing_end)
    except BaseException:
        pipe.close()
        raise
    finally:
        os.close(writing_end)
    # There is no await from here to the end, so a cancellation cannot lose a running process.
    watchdog.add(handle.pid)
    if isinstance(handle, ForkedProcess):
        handle.release()
    return Child(process.name, handle, output, pipe, watchdog, tasks)


async def _fork(process: Process, output: int, fork_server: ForkServer | None) -> ForkedProcess | None:
    request = parse_command(process.argv, process.environment, ROOT)
    if fork_server is None or request is None:
        return None
    try:
        return await fork_server.start(request, output)
    except OSError:
        # The fork server only saves memory and time; start a new interpreter instead.
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
