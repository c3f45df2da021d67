"""Fork server: starts the suite's Python processes as copies of one process that has imported all modules.

Seven interpreters that each import gRPC, aiohttp and the rest cost 50 MB and one core second each. The fork server
imports the modules once and forks a copy for each process of the suite. The copies share every page of memory that no
process writes to. It must be forked before the supervisor has a thread or an event loop.

Each copy is forked twice: its first parent exits, and the kernel gives it to the supervisor, which is a child subreaper
while the fork server lives. So the supervisor can wait for it as for any child. When all processes are ready the fork
server ends; a process that is restarted later starts as a new interpreter.

Linux only: on other systems the system libraries do not support fork without exec.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

import setproctitle

PRELOADED = (
    "gateway.app",
    "gateway.reflection_and_health",
    "gateway.envoy.config",
    "services.image.server",
    "services.jobs.server",
    "services.jobs.worker.server",
    "services.tts.server",
    "services.tts.audio_store",
    "services.tts.providers.elevenlabs",
    "services.tts.service",
    "services.common.usage.servicer",
    "services.video.server",
)
"""Modules that the copies share. A module that is missing here costs memory, because each copy imports it itself."""
_SET_CHILD_SUBREAPER = 36
_MESSAGE_BYTES = 1 << 20
_PID_BYTES = 8
_RELEASE = b"+"
_CLOSED = -1
_STANDARD_ERROR = 2


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """A process to start."""

    module: str
    """The module, as in `python -m`."""
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    """Working directory."""


class ForkServer:
    """Client of the fork server in the supervisor. Calls may run concurrently; it serves one at a time.

    Args:
        pid: Process id of the fork server.
        connection: Socket that takes requests.
    """

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self._pid = pid
        self._connection = connection
        self._lock = asyncio.Lock()

    async def start(self, request: ForkRequest, output: int) -> ForkedProcess:
        """Fork a process that waits for `ForkedProcess.release`; it exits if its start pipe closes first.

        Args:
            request: What to run.
            output: Descriptor for standard output and standard error.

        Raises:
            OSError: The fork server has ended, or the system cannot start another process.
        """
        message = json.dumps(asdict(request)).encode()
        reading_end, start_pipe = os.pipe()
        try:
            async with self._lock:
                pid = await asyncio.to_thread(self._request_fork, message, [output, reading_end])
        except BaseException:
            os.close(start_pipe)
            raise
        finally:
            os.close(reading_end)
        return ForkedProcess(pid, start_pipe)

    def end(self) -> None:
        """Kill the fork server if it runs; the processes that it has started continue."""
        if self._connection.fileno() == _CLOSED:
            return
        self._connection.close()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        _set_subreaper(wanted=False)

    def _request_fork(self, message: bytes, descriptors: list[int]) -> int:
        socket.send_fds(self._connection, [message], descriptors)
        response = self._connection.recv(_PID_BYTES)
        if not response:
            raise BrokenPipeError("the fork server has ended")
        return int.from_bytes(response, "little")


class ForkedProcess:
    """A process that the fork server has started, with the part of asyncio's process interface that `Child` uses.

    Args:
        pid: Process id; the process is a child of the supervisor and leads its own session.
        start_pipe: Descriptor that the process reads before it runs; closing it makes the process exit.
    """

    def __init__(self, pid: int, start_pipe: int) -> None:
        self.pid = pid
        self.start_pipe = start_pipe
        self._ended = False

    def release(self) -> None:
        """Let the process run. Call it only after the process is registered with the watchdog."""
        os.write(self.start_pipe, _RELEASE)
        os.close(self.start_pipe)

    def send_signal(self, number: int) -> None:
        """Send a signal.

        Raises:
            ProcessLookupError: The process has ended.
        """
        if self._ended:
            raise ProcessLookupError
        os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait for the end; return the exit code, or minus the signal number. Await it once only."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        try:
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        _, status = os.waitpid(self.pid, 0)  # noqa: ASYNC222 - the process has ended, so this does not block
        self._ended = True
        return os.waitstatus_to_exitcode(status)


def parse_command(argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> ForkRequest | None:
    """Return the request for a command, or None if the command is not `python -m` of this interpreter."""
    match argv:
        case [program, "-m", module, *arguments] if program == sys.executable:
            return ForkRequest(module, arguments, environment, str(folder))
    return None


@contextmanager
def start_fork_server(preloaded: Sequence[str] = PRELOADED) -> Iterator[ForkServer | None]:
    """Yield a fork server, or None where it is not possible; leaving the context ends it.

    Enter it before there are threads or an event loop. A forked process never enters the body: it runs its module.

    Args:
        preloaded: Modules that the copies share.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        yield None
        return
    _occupy_standard_descriptors()
    parent_end, child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    _set_subreaper(wanted=True)
    _freeze_objects()
    pid = os.fork()
    if not pid:
        parent_end.close()
        _run_module(_serve(child_end, preloaded))
    child_end.close()
    fork_server = ForkServer(pid, parent_end)
    try:
        yield fork_server
    finally:
        fork_server.end()


def _occupy_standard_descriptors() -> None:
    """Open descriptors 0, 1 and 2 if they are closed, so that no later descriptor gets one of these numbers."""
    while (spare := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(spare)


def _serve(connection: socket.socket, preloaded: Sequence[str]) -> ForkRequest:
    """Import the modules and fork a copy for each request; return only in the copies."""
    setproctitle.setproctitle("python -m deploy.local fork server")
    # Ctrl-C is for the supervisor; this process ends when the supervisor closes the socket.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in preloaded:
        importlib.import_module(module)
    _freeze_objects()
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(connection, _MESSAGE_BYTES, 2)
        except ConnectionResetError:
            message, descriptors = b"", []
        if not message:
            os._exit(0)
        pid = _fork_twice()
        if pid:
            for descriptor in descriptors:
                os.close(descriptor)
            with suppress(BrokenPipeError):
                connection.send(pid.to_bytes(_PID_BYTES, "little"))
            continue
        connection.close()
        output, start_pipe = descriptors
        if os.read(start_pipe, 1) != _RELEASE:
            os._exit(0)
        os.close(start_pipe)
        _redirect_streams(output)
        return ForkRequest(**json.loads(message))


def _fork_twice() -> int:
    """Return the pid of a new process, or 0 inside it; its parent is the supervisor, because its first parent exits."""
    reading, writing = os.pipe()
    if first_child := os.fork():
        os.close(writing)
        pid = int.from_bytes(os.read(reading, _PID_BYTES), "little")
        os.close(reading)
        os.waitpid(first_child, 0)
        return pid
    os.close(reading)
    if pid := os.fork():
        os.write(writing, pid.to_bytes(_PID_BYTES, "little"))
        os._exit(0)
    os.close(writing)
    os.setsid()
    return 0


def _redirect_streams(output: int) -> None:
    """Connect standard input to the null device, and both output streams to `output`."""
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(output)


def _run_module(request: ForkRequest) -> NoReturn:
    """Run a module as `python -m` would."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _open_standard_streams()
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)
    sys.argv = [request.module, *request.arguments]
    setproctitle.setproctitle(" ".join((sys.executable, "-m", request.module, *request.arguments)))
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)
    sys.exit(0)


def _open_standard_streams() -> None:
    """Open the standard streams that the supervisor was started without."""
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


def _freeze_objects() -> None:
    """Exclude all objects from garbage collection, which would write to them and so copy their pages."""
    gc.collect()
    gc.freeze()


def _set_subreaper(*, wanted: bool) -> None:
    """Set whether this process becomes the parent of its descendants when their own parent exits."""
    ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)
