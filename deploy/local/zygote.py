"""Starts the suite's Python processes as copies of one that has imported everything, so that they share its memory.

Seven interpreters that each import gRPC, aiohttp and the rest take 50 MB and a second of a core apiece. Here one
process imports, before the supervisor has a thread or an event loop, and forks a copy for each start; a page that
nobody writes to is there once. Each copy is forked twice, so that it belongs to the supervisor (a child subreaper
meanwhile), which waits for it as for any child. Once all are started the zygote ends; what starts later, after a crash,
starts by itself.

Only on Linux: elsewhere system libraries do not bear a fork without exec.
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

IMPORTED = (
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
"""What the copies find imported. What is missing here is imported by whoever needs it, and costs memory only."""
_SET_CHILD_SUBREAPER = 36
_MESSAGE_BYTES = 1 << 20
_PID_BYTES = 8
_GO = b"+"
_CLOSED = -1
_STANDARD_ERROR = 2


@dataclass(frozen=True, slots=True)
class Order:
    """A process that is wanted."""

    module: str
    """What `python -m` would run."""
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    """Where it runs."""


class Zygote:
    """The supervisor's side of it.

    Args:
        pid: Its number.
        wire: Takes orders.
    """

    def __init__(self, pid: int, wire: socket.socket) -> None:
        self._pid = pid
        self._wire = wire
        self._turn = asyncio.Lock()

    async def start(self, order: Order, output: int) -> Grown:
        """Return a process that does nothing before it is let go, and ends if it never is.

        Args:
            order: What it is to be.
            output: Descriptor that its output goes to.

        Raises:
            OSError: The zygote is gone, or there is no room for another process.
        """
        message = json.dumps(asdict(order)).encode()
        waiting, leash = os.pipe()
        try:
            async with self._turn:
                pid = await asyncio.to_thread(self._ask, message, [output, waiting])
        except BaseException:
            os.close(leash)
            raise
        finally:
            os.close(waiting)
        return Grown(pid, leash)

    def end(self) -> None:
        """End the zygote, if it has not ended; what it has started goes on."""
        if self._wire.fileno() == _CLOSED:
            return
        self._wire.close()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        _subreaper(wanted=False)

    def _ask(self, message: bytes, descriptors: list[int]) -> int:
        socket.send_fds(self._wire, [message], descriptors)
        answer = self._wire.recv(_PID_BYTES)
        if not answer:
            raise BrokenPipeError("the zygote is gone")
        return int.from_bytes(answer, "little")


class Grown:
    """A process that the zygote has started: what is used of asyncio's own kind of process.

    Args:
        pid: Its number; it is a child of this process, and leads a session of its own.
        leash: Descriptor of a pipe that it waits at; closed, it ends the process.
    """

    def __init__(self, pid: int, leash: int) -> None:
        self.pid = pid
        self.leash = leash
        self._ended = False

    def let_go(self) -> None:
        """Let it run; to be called once somebody cares for its end."""
        os.write(self.leash, _GO)
        os.close(self.leash)

    def send_signal(self, number: int) -> None:
        """Send a signal.

        Raises:
            ProcessLookupError: It has ended.
        """
        if self._ended:
            raise ProcessLookupError
        os.kill(self.pid, number)

    async def wait(self) -> int:
        """Return its exit code, or minus the signal that ended it; to be awaited once."""
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        try:
            loop.add_reader(descriptor, over.set)
            await over.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        _, status = os.waitpid(self.pid, 0)  # noqa: ASYNC222 - it has ended, so that nothing waits
        self._ended = True
        return os.waitstatus_to_exitcode(status)


def parse_command(argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> Order | None:
    """Return the order for a command; None if it is no module of this Python."""
    match argv:
        case [program, "-m", module, *arguments] if program == sys.executable:
            return Order(module, arguments, environment, str(folder))
    return None


@contextmanager
def start_zygote(imported: Sequence[str] = IMPORTED) -> Iterator[Zygote | None]:
    """Yield a zygote, or None where there can be none; leaving the context ends it, if nobody has before.

    To be entered before there are threads or an event loop. In a process that the zygote has started the context is
    never entered: it becomes what was ordered.

    Args:
        imported: Modules that the copies find imported.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        yield None
        return
    _occupy_standard_descriptors()
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    _subreaper(wanted=True)
    _freeze()
    pid = os.fork()
    if not pid:
        ours.close()
        _become(_serve(its, imported))
    its.close()
    zygote = Zygote(pid, ours)
    try:
        yield zygote
    finally:
        zygote.end()


def _occupy_standard_descriptors() -> None:
    """Leave none of 0, 1 and 2 free: what got such a number would be overwritten when a copy redirects them."""
    while (spare := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(spare)


def _serve(wire: socket.socket, imported: Sequence[str]) -> Order:
    """Import, and forks a copy for each order; returns in the copies alone."""
    setproctitle.setproctitle("python -m deploy.local zygote")
    # Ctrl-C is for the supervisor, whose end ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in imported:
        importlib.import_module(module)
    _freeze()
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(wire, _MESSAGE_BYTES, 2)
        except ConnectionResetError:
            message, descriptors = b"", []
        if not message:
            os._exit(0)
        pid = _fork_twice()
        if pid:
            for descriptor in descriptors:
                os.close(descriptor)
            with suppress(BrokenPipeError):
                wire.send(pid.to_bytes(_PID_BYTES, "little"))
            continue
        wire.close()
        output, waiting = descriptors
        if os.read(waiting, 1) != _GO:
            os._exit(0)
        os.close(waiting)
        _redirect(output)
        return Order(**json.loads(message))


def _fork_twice() -> int:
    """Return the number of a new process, or 0 in it; it is the supervisor's, since whoever forked it has ended."""
    telling, told = os.pipe()
    if between := os.fork():
        os.close(told)
        pid = int.from_bytes(os.read(telling, _PID_BYTES), "little")
        os.close(telling)
        os.waitpid(between, 0)
        return pid
    os.close(telling)
    if pid := os.fork():
        os.write(told, pid.to_bytes(_PID_BYTES, "little"))
        os._exit(0)
    os.close(told)
    os.setsid()
    return 0


def _redirect(output: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nowhere, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nowhere)
    os.close(output)


def _become(order: Order) -> NoReturn:
    """Run a module as `python -m` would, in a process that has nothing but memory of the one before."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _open_standard_streams()
    os.environ.clear()
    os.environ.update(order.environment)
    os.chdir(order.folder)
    sys.argv = [order.module, *order.arguments]
    setproctitle.setproctitle(" ".join((sys.executable, "-m", order.module, *order.arguments)))
    runpy.run_module(order.module, run_name="__main__", alter_sys=True)
    sys.exit(0)


def _open_standard_streams() -> None:
    """Give the process those streams that the supervisor was started without."""
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


def _freeze() -> None:
    """Hide all objects from the garbage collector, which would write to each of them and so unshare its page."""
    gc.collect()
    gc.freeze()


def _subreaper(*, wanted: bool) -> None:
    """Have the kernel give us processes whose parents have ended."""
    ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)
