"""Keeps Envoy as its child and drains it when asked to stop: run as a script, on the standard library alone.

It lives as long as Envoy does, so it stays small: no settings, no logging library, nothing but its arguments. On
SIGTERM Envoy would end at once and cut every stream in flight. The first SIGTERM or SIGINT to this process starts a
drain instead:

1. Envoy fails the health checks of the balancers in front of it and tells clients to reconnect, but takes everything.
2. After the notice it takes no further connection; what is in flight goes on.
3. Once nothing is in flight, or the grace is over, Envoy gets SIGTERM and, if that does not end it, SIGKILL.

A further signal skips the wait that is under way. The exit code is Envoy's, or 128 plus the signal that ended it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time

LOOPBACK = "127.0.0.1"
EXIT_NOT_STARTED = 127
_STOP_SECONDS = 2.0
_POLL_SECONDS = 0.05
_ADMIN_SECONDS = 1.0
# A connection that was accepted just before the listener closed may still have its first request on the way.
_QUIET_POLLS = 2
_READ_BYTES = 4096
_PR_SET_PDEATHSIG = 1
_GAUGE_PREFIX = b"http.public."
# What a request has left behind in a buffer is lost if Envoy ends before its client has read it.
_IN_FLIGHT_PATH = "/stats?filter=public.downstream_(rq_active%7Ccx_tx_bytes_buffered)%24"


class Log:
    """Writes lines of the same shape as the edge's own log; events are static sentences, fields are numbers."""

    def __init__(self, form: str, level: str) -> None:
        self._json = form == "json"
        self._verbose = level in {"DEBUG", "INFO"}

    def info(self, event: str, **fields: int) -> None:
        """Note what is normal."""
        if self._verbose:
            self._write("info", event, fields)

    def warning(self, event: str, **fields: int) -> None:
        """Note what somebody should know."""
        self._write("warning", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, int]) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self._json:
            more = "".join(f', "{name}": {value}' for name, value in fields.items())
            line = f'{{"timestamp": "{now}", "service": "edge", "level": "{level}", "event": "{event}"{more}}}\n'
        else:
            line = " ".join([now, level, event, *(f"{name}={value}" for name, value in fields.items())]) + "\n"
        try:
            os.write(sys.stdout.fileno(), line.encode())
        except OSError:
            # The log has no reader any more; the drain goes on without it.
            return


class Admin:
    """Envoy's admin page."""

    def __init__(self, port: int) -> None:
        self._port = port

    def post(self, path: str) -> bool:
        """Ask for a change; says whether it was made."""
        return self._send_request("POST", path) is not None

    def count_in_flight(self) -> int | None:
        """Return 0 if no request runs and no answer waits to be read, a number if so, None if Envoy does not answer."""
        answer = self._send_request("GET", _IN_FLIGHT_PATH)
        if answer is None:
            return None
        return sum(int(line.partition(b": ")[2]) for line in answer.splitlines() if line.startswith(_GAUGE_PREFIX))

    def _send_request(self, method: str, path: str) -> bytes | None:
        request = f"{method} {path} HTTP/1.1\r\nhost: edge\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        answer = bytearray()
        try:
            with socket.create_connection((LOOPBACK, self._port), _ADMIN_SECONDS) as connection:
                connection.sendall(request.encode())
                while part := connection.recv(_READ_BYTES):
                    answer += part
        except OSError:
            return None
        return bytes(answer) if answer.startswith(b"HTTP/1.1 200 ") else None


class Envoy:
    """The child process, and the signals that tell of it and of us."""

    def __init__(self, command: list[str]) -> None:
        self._inbox, self._outbox = socket.socketpair()
        self._outbox.setblocking(False)
        signal.set_wakeup_fd(self._outbox.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._status: int | None = None
        self._pid = _start_envoy(command)

    def has_ended(self) -> bool:
        """Say whether it has ended."""
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None

    def wait(self, seconds: float | None) -> bool:
        """Wait for so long, or for ever; says whether Envoy ended or somebody asked to stop before that."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self.has_ended():
            remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._inbox], [], [], remaining)[0]:
                return False
            if set(self._inbox.recv(_READ_BYTES)) - {signal.SIGCHLD}:
                return True
        return True

    def stop(self) -> int:
        """End it, unless it has ended; returns the exit code to pass on."""
        self._send_signal(signal.SIGTERM)
        self.wait(_STOP_SECONDS)
        self._send_signal(signal.SIGKILL)
        if self._status is None:
            self._status = os.waitpid(self._pid, 0)[1]
        code = os.waitstatus_to_exitcode(self._status)
        return code if code >= 0 else 128 - code

    def _send_signal(self, number: int) -> None:
        if not self.has_ended():
            os.kill(self._pid, number)


def supervise(envoy: Envoy, admin: Admin, log: Log, notice_seconds: float, grace_seconds: float) -> int:
    """Wait until Envoy ends or a stop is asked for, drains it in that case, and returns the exit code."""
    envoy.wait(None)
    if envoy.has_ended():
        code = envoy.stop()
        log.warning("Envoy ended unasked", exit_code=code)
        return code
    _drain(envoy, admin, log, notice_seconds, grace_seconds)
    return envoy.stop()


def _drain(envoy: Envoy, admin: Admin, log: Log, notice_seconds: float, grace_seconds: float) -> None:
    log.info("draining")
    # With its health failed Envoy ends each HTTP/1.1 connection, and says GOAWAY on HTTP/2, with the next answer.
    if not admin.post("/healthcheck/fail"):
        log.warning("the admin page does not answer, so that nothing can be drained")
        return
    if envoy.wait(notice_seconds):
        return
    # Not `graceful`: that one goes on accepting, for as long as --drain-time-s, which is what the notice was for.
    admin.post("/drain_listeners")
    deadline = time.monotonic() + grace_seconds
    quiet_polls = 0
    while quiet_polls < _QUIET_POLLS:
        in_flight = admin.count_in_flight()
        quiet_polls = quiet_polls + 1 if in_flight == 0 else 0
        if time.monotonic() >= deadline:
            if in_flight != 0:
                log.warning("the grace is over, and what is still in flight is cut")
            return
        if envoy.wait(_POLL_SECONDS):
            return


def _start_envoy(command: list[str]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        # Signals to the child are not signals to us.
        signal.set_wakeup_fd(-1)
        _bind_to_parent(parent)
        os.execv(command[0], command)  # noqa: S606 - the command is ours, and no shell reads it
    except OSError as error:
        sys.stderr.write(f"Envoy cannot be started: {error.strerror}.\n")
        sys.stderr.flush()
    finally:
        os._exit(EXIT_NOT_STARTED)


def _bind_to_parent(parent: int) -> None:
    """Make this process end with its parent, and deaf to the terminal's Ctrl-C, which is the parent's to answer.

    Only Linux can do the former. Elsewhere Envoy stays in the parent's process group, so that a signal to the group
    also ends Envoy after the parent was killed.
    """
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415 - the child alone needs it, and the parent is to stay small

    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(EXIT_NOT_STARTED)


def main(arguments: list[str]) -> int:
    """Run Envoy to its end.

    Args:
        arguments: Admin port, notice and grace in seconds, log format and level, the descriptor of the configuration,
            which is Envoy's alone to keep, and the command of Envoy.
    """
    admin_port, notice_seconds, grace_seconds, log_format, log_level, descriptor, *command = arguments
    envoy = Envoy(command)
    os.close(int(descriptor))
    return supervise(
        envoy, Admin(int(admin_port)), Log(log_format, log_level), float(notice_seconds), float(grace_seconds)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
