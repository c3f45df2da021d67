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
    home = socket.create_connection(("127.0.0.1", {port}))
    home.sendall(b"%s %d\\n" % (name.encode(), os.getpid()))
    return home
"""
WAITS = "home = report({name!r})\nwhile True: signal.pause()\n"
"""Reports and waits for a signal."""
IGNORES_SIGTERM = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAITS
"""Reports and ends by nothing but SIGKILL."""
DIES = "print('no such luck', flush=True)\nhome = report({name!r})\nsys.exit(3)\n"
"""Reports, says so, and ends with exit code 3."""
SPEAKS = "print('to stdout', flush=True)\nprint('to stderr', file=sys.stderr, flush=True)\n" + WAITS
"""Writes a line to either stream, reports and waits."""
HAS_A_CHILD = (
    "if os.fork() == 0:\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    name = {name!r} + '-child'\n"
    "else:\n    name = {name!r}\nhome = report(name)\nwhile True: signal.pause()\n"
)
"""Reports and waits, and so does its child `<name>-child`, which ignores SIGTERM."""


@dataclass(eq=False, slots=True)
class Guest:
    """A process that has reported to the server."""

    name: str
    pid: int
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process has ended."""


class Home:
    """Server to which child processes connect; a connection closes when its process ends."""

    def __init__(self) -> None:
        self.port = 0
        self.guests: list[Guest] = []
        self.departures: list[str] = []
        """Names of ended processes, in order."""
        self._arrived = asyncio.Condition()

    async def guest(self, name: str, number: int = 1) -> Guest:
        """Wait for the `number`-th process that reports as `name`, and return it."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._arrived:
            await self._arrived.wait_for(lambda: len(self._find_guests(name)) >= number)
        return self._find_guests(name)[number - 1]

    async def left(self, guest: Guest) -> None:
        """Wait until `guest` has ended."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await guest.gone.wait()

    async def empty(self) -> None:
        """Wait until all processes have ended."""
        for guest in self.guests:
            await self.left(guest)

    def process(self, name: str, script: str = WAITS, *, after: tuple[str, ...] = ()) -> Process:
        """Return a process for the supervisor; it is ready once it has reported."""
        code = (_PREAMBLE + script).format(port=self.port, name=name)
        known = len(self._find_guests(name))

        async def ready() -> bool:
            async with self._arrived:
                await self._arrived.wait_for(lambda: len(self._find_guests(name)) > known)
            return True

        command = (sys.executable, "-I", "-S", "-c", code)
        return Process(name=name, argv=command, environment=dict(os.environ), ready=ready, after=after)

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the connection of one process."""
        try:
            name, pid = (await reader.readline()).decode().split()
            guest = Guest(name, int(pid))
            async with self._arrived:
                self.guests.append(guest)
                self._arrived.notify_all()
            # A killed process may reset its connection.
            with suppress(ConnectionError):
                await reader.read()
            self.departures.append(name)
            guest.gone.set()
        finally:
            writer.close()

    def _find_guests(self, name: str) -> list[Guest]:
        return [guest for guest in self.guests if guest.name == name]


@asynccontextmanager
async def open_home() -> AsyncIterator[Home]:
    """Open a server on a free port."""
    home = Home()
    async with await asyncio.start_server(home.receive, "127.0.0.1", 0) as server:
        home.port = server.sockets[0].getsockname()[1]
        yield home


class Notebook:
    """An output that records its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def line(self, name: str, text: str) -> None:
        """Record a line of a process."""
        self.lines.append((name, text))

    def note(self, text: str) -> None:
        """Record a line of the supervisor."""
        self.notes.append(text)
