"""Small child processes for the supervisor, and a server to which they report while they run."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from deploy.local.processes import Process

DEADLINE_SECONDS = 60.0
_PREAMBLE = """\
import os, signal, socket, subprocess, sys
def report(name):
    connection = socket.create_connection(("127.0.0.1", {port}))
    connection.sendall(b"%s %d\\n" % (name.encode(), os.getpid()))
    return connection
"""
WAIT_FOR_SIGNAL = "connection = report({name!r})\nwhile True: signal.pause()\n"
"""Reports and waits for a signal."""
IGNORE_SIGTERM = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT_FOR_SIGNAL
"""Reports and ends by nothing but SIGKILL."""
FAIL = "print('no such luck', flush=True)\nconnection = report({name!r})\nsys.exit(3)\n"
"""Prints a line, reports, and ends with exit code 3."""
PRINT_AND_WAIT = "print('to stdout', flush=True)\nprint('to stderr', file=sys.stderr, flush=True)\n" + WAIT_FOR_SIGNAL
"""Writes a line to either stream, reports and waits."""
FORK_AND_WAIT = (
    "if os.fork() == 0:\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    name = {name!r} + '-child'\n"
    "else:\n    name = {name!r}\nconnection = report(name)\nwhile True: signal.pause()\n"
)
"""Reports and waits, and so does its child `<name>-child`, which ignores SIGTERM."""


@dataclass(eq=False, slots=True)
class ReportedProcess:
    """A process that has reported to the server."""

    name: str
    pid: int
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process has ended."""


class ReportServer:
    """Server to which child processes connect; a connection closes when its process ends."""

    def __init__(self) -> None:
        self.port = 0
        self.processes: list[ReportedProcess] = []
        self.ended_names: list[str] = []
        """Names of ended processes, in order."""
        self._reported = asyncio.Condition()

    async def wait_for_process(self, name: str, number: int = 1) -> ReportedProcess:
        """Wait for the `number`-th process that reports as `name`, and return it."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._reported:
            await self._reported.wait_for(lambda: len(self._find_processes(name)) >= number)
        return self._find_processes(name)[number - 1]

    async def wait_for_end(self, process: ReportedProcess) -> None:
        """Wait until `process` has ended."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await process.ended.wait()

    async def wait_until_all_ended(self) -> None:
        """Wait until all processes have ended."""
        for process in self.processes:
            await self.wait_for_end(process)

    def make_process(self, name: str, script: str = WAIT_FOR_SIGNAL, *, after: tuple[str, ...] = ()) -> Process:
        """Return a process for the supervisor; it is ready once it has reported."""
        code = (_PREAMBLE + script).format(port=self.port, name=name)
        before = len(self._find_processes(name))

        async def ready() -> bool:
            async with self._reported:
                await self._reported.wait_for(lambda: len(self._find_processes(name)) > before)
            return True

        command = (sys.executable, "-I", "-S", "-c", code)
        return Process(name=name, argv=command, environment=dict(os.environ), ready=ready, after=after)

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the connection of one process."""
        try:
            name, pid = (await reader.readline()).decode().split()
            process = ReportedProcess(name, int(pid))
            async with self._reported:
                self.processes.append(process)
                self._reported.notify_all()
            # A killed process may reset its connection.
            with suppress(ConnectionError):
                await reader.read()
            self.ended_names.append(name)
            process.ended.set()
        finally:
            writer.close()

    def _find_processes(self, name: str) -> list[ReportedProcess]:
        return [process for process in self.processes if process.name == name]


@asynccontextmanager
async def run_report_server() -> AsyncIterator[ReportServer]:
    """Run a server on a free port."""
    server = ReportServer()
    async with await asyncio.start_server(server.receive, "127.0.0.1", 0) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


class RecordingOutput:
    """An output that records its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def write_line(self, name: str, text: str) -> None:
        """Record a line of a process."""
        self.lines.append((name, text))

    def write_note(self, text: str) -> None:
        """Record a line of the supervisor."""
        self.notes.append(text)
