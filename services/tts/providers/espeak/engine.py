"""The engine process: loads espeak-ng once, then forks a child for each connection, which speaks one request.

A crash ends one request only, and all children start from the same state, so that the same request gives the same
bytes. espeak-ng is GPL-3: only this process loads it, and other processes reach it over the socket.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import selectors
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# numpy's threads do not survive fork(), and nothing here multiplies matrices.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from services.tts.formats import FORMATS
from services.tts.providers.espeak.bindings import SpeechLibrary
from services.tts.providers.espeak.encoding import build_encoder
from services.tts.providers.espeak.protocol import FailedFrame, Frame, SpeakRequest, encode_frame, receive_request
from services.tts.providers.espeak.synthesis import FrameSynthesizer

READY = b"ready\n"
"""Printed to standard output when the process accepts connections."""

_BACKLOG = 1024
# A small buffer blocks the child after seconds of audio, not minutes, if the caller does not read.
_SEND_BUFFER_BYTES = 65_536
# Enough for any request, because the service writes it completely before it waits.
_REQUEST_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Limits of the child processes."""

    children: int
    cpu_seconds: int
    memory_bytes: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(prog="python -m services.tts.providers.espeak.engine", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True, help="path of the Unix socket to listen at")
    parser.add_argument(
        "--max-children", type=int, default=128, help="requests spoken at once; others wait (%(default)s)"
    )
    parser.add_argument("--cpu-seconds", type=int, default=60, help="CPU time that one request may take (%(default)s)")
    parser.add_argument("--memory-mib", type=int, default=1024, help="address space of one request (%(default)s)")
    parser.add_argument(
        "--stop-with-stdin",
        action="store_true",
        help="exit when standard input ends, and remove the socket and its folder if that is empty",
    )
    options = parser.parse_args(arguments)
    if options.stop_with_stdin:
        # Ctrl-C reaches the whole process group; the service decides when running requests end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    limits = EngineLimits(options.max_children, options.cpu_seconds, options.memory_mib * 1024 * 1024)
    with listen(options.socket) as listener:
        engine = Engine(listener, limits, stop_with_stdin=options.stop_with_stdin)
        engine.warm_up()
        os.write(sys.stdout.fileno(), READY)
        engine.serve()
    if options.stop_with_stdin:
        _remove_socket(options.socket)


def listen(path: Path) -> socket.socket:
    """Return a socket that listens at `path`, readable and writable by this user only."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(_BACKLOG)
    return listener


def _remove_socket(path: Path) -> None:
    """Remove the socket and its folder, because the service that created them may have been killed."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()


class Engine:
    """Accepts connections on a listening socket and forks a child for each, until it is stopped.

    Args:
        listener: Socket for callers; those beyond `limits.children` wait in its backlog.
        limits: Limits of the child processes.
        stop_with_stdin: Whether to stop when standard input ends, because the process that holds it has ended.
    """

    def __init__(self, listener: socket.socket, limits: EngineLimits, *, stop_with_stdin: bool) -> None:
        self._listener = listener
        self._limits = limits
        self._stopping = False
        self._children: set[int] = set()
        self._signals, self._signals_in = socket.socketpair()
        # poll(), unlike epoll, has no descriptor that a child would share with its parent.
        self._selector = selectors.PollSelector()
        self._library = SpeechLibrary()
        listener.setblocking(False)
        for end in (self._signals, self._signals_in):
            end.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._signals, selectors.EVENT_READ, self._on_signal)
        if stop_with_stdin:
            self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._on_stdin)

    def serve(self) -> None:
        """Run until SIGTERM or, with `stop_with_stdin`, the end of standard input; then kill all children."""
        signal.set_wakeup_fd(self._signals_in.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_stop)
        try:
            while not self._stopping:
                for key, _ in self._selector.select():
                    key.data()
        finally:
            for child in self._children:
                os.kill(child, signal.SIGKILL)
            for child in self._children:
                os.waitpid(child, 0)

    def warm_up(self) -> None:
        """Speak some words without a caller, so that children have dictionary, encoders and resampler in memory."""
        for name in ("mp3_44100_128", "pcm_16000"):
            request = SpeakRequest("Ready.", "en-us", "f3", 175, name, with_alignment=True)
            FrameSynthesizer(request, lambda _: None, lambda: True).run(self._library)
        build_encoder(FORMATS["wav_22050"]).finish()
        # Freeze existing objects: a garbage collection in a child would copy the parent's memory pages.
        gc.collect()
        gc.freeze()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        with connection:
            try:
                child = os.fork()
            except OSError:
                # The system has no process left. The connection closes, and the caller may retry.
                return
            if child == 0:
                os._exit(self._run_child(connection))
        self._children.add(child)
        if len(self._children) >= self._limits.children:
            self._selector.unregister(self._listener)

    def _run_child(self, connection: socket.socket) -> int:
        """Serve one connection in the child and return its exit status; must not raise."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._listener.close()
            _detach_pipes()
            _set_limits(self._limits)
            serve_connection(connection, self._library)
        except OSError:
            # The caller cancelled the request: it closed the connection.
            return 1
        except BaseException as error:  # noqa: BLE001 - the child must never return into the code of the parent
            with suppress(OSError):
                connection.sendall(encode_frame(FailedFrame(type(error).__name__)))
            return 1
        return 0

    def _on_signal(self) -> None:
        with suppress(BlockingIOError):
            self._signals.recv(4096)
        was_full = len(self._children) >= self._limits.children
        for child in tuple(self._children):
            if os.waitpid(child, os.WNOHANG) != (0, 0):
                self._children.discard(child)
        if was_full and len(self._children) < self._limits.children:
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _on_stdin(self) -> None:
        self._stopping = not os.read(sys.stdin.fileno(), 4096)

    def _on_stop(self, *_: object) -> None:
        self._stopping = True


def serve_connection(connection: socket.socket, library: SpeechLibrary) -> None:
    """Read the request of one connection and send its speech.

    Raises:
        OSError: The caller disconnected.
    """
    connection.settimeout(_REQUEST_TIMEOUT_SECONDS)
    request = receive_request(connection)
    if request is None:
        return
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)

    def send(frame: Frame) -> None:
        connection.sendall(encode_frame(frame))

    FrameSynthesizer(request, send, lambda: _is_open(connection)).run(library)


def _is_open(connection: socket.socket) -> bool:
    """Return whether the caller is connected; it sends nothing after its request, so a readable socket is closed."""
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True


def _detach_pipes() -> None:
    """Close the pipes to the service in the child: they must end together with the engine itself."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (sys.stdin.fileno(), sys.stdout.fileno()):
        os.dup2(null, descriptor)
    os.close(null)


def _set_limits(limits: EngineLimits) -> None:
    # macOS refuses some of these limits; the length limit of texts bounds the work there.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
