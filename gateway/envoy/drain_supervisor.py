"""Runs Envoy as its child process and drains it before it stops. A script that uses the standard library only.

Envoy itself ends at once on SIGTERM and cuts every stream in flight. The first SIGTERM or SIGINT to this process starts
a drain instead:

1. Envoy fails the health checks of load balancers and asks clients to reconnect, but still accepts everything.
2. After the notice, Envoy accepts no new connections; requests in flight continue.
3. When no request is in flight, or after the grace, Envoy gets SIGTERM and, if it does not end, SIGKILL.

Another signal skips the current wait. The exit code is Envoy's, or 128 plus the signal that ended it. The process lives
as long as Envoy, so it stays small: it takes its settings as arguments and imports no package of the project.
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
# The first request of a connection that was accepted last may still be on its way.
_QUIET_POLLS = 2
_READ_BYTES = 4096
_PR_SET_PDEATHSIG = 1
_GAUGE_PREFIX = b"http.public."
# Buffered bytes count too: they are lost if Envoy ends before the client has read them.
_IN_FLIGHT_PATH = "/stats?filter=public.downstream_(rq_active%7Ccx_tx_bytes_buffered)%24"


def main(arguments: list[str]) -> int:
    """Run Envoy until it ends, and return the exit code.

    Args:
        arguments: Admin port, notice and grace in seconds, log format and level, descriptor of the configuration, which
            only Envoy keeps open, and the command line of Envoy.
    """
    admin_port, notice_seconds, grace_seconds, log_format, log_level, descriptor, *command = arguments
    envoy = Envoy(command)
    os.close(int(descriptor))
    return supervise(
        envoy, Admin(int(admin_port)), Log(log_format, log_level), float(notice_seconds), float(grace_seconds)
    )


def supervise(envoy: Envoy, admin: Admin, log: Log, notice_seconds: float, grace_seconds: float) -> int:
    """Wait until Envoy ends or a stop signal arrives, drain Envoy in the second case, and return the exit code."""
    envoy.wait(None)
    if envoy.has_ended():
        code = envoy.stop()
        log.warning("Envoy ended unexpectedly", exit_code=code)
        return code
    _drain(envoy, admin, log, notice_seconds, grace_seconds)
    return envoy.stop()


def _drain(envoy: Envoy, admin: Admin, log: Log, notice_seconds: float, grace_seconds: float) -> None:
    log.info("draining")
    # With failed health, Envoy closes each HTTP/1.1 connection after its next answer, and sends GOAWAY on HTTP/2.
    if not admin.post("/healthcheck/fail"):
        log.warning("the admin page does not answer, so Envoy stops without a drain")
        return
    if envoy.wait(notice_seconds):
        return
    # Without `graceful`, which would accept connections for --drain-time-s longer; the notice served that purpose.
    admin.post("/drain_listeners")
    deadline = time.monotonic() + grace_seconds
    quiet_polls = 0
    while quiet_polls < _QUIET_POLLS:
        in_flight = admin.count_in_flight()
        quiet_polls = quiet_polls + 1 if in_flight == 0 else 0
        if time.monotonic() >= deadline:
            if in_flight != 0:
                log.warning("the grace is over, and requests still in flight are cut")
            return
        if envoy.wait(_POLL_SECONDS):
            return


class Envoy:
    """The child process, and the signals that report its end or ask this process to stop."""

    def __init__(self, command: list[str]) -> None:
        self._inbox, self._outbox = socket.socketpair()
        self._outbox.setblocking(False)
        signal.set_wakeup_fd(self._outbox.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._status: int | None = None
        self._pid = _start_envoy(command)

    def has_ended(self) -> bool:
        """Return whether Envoy has ended."""
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None

    def wait(self, seconds: float | None) -> bool:
        """Wait `seconds`, or forever if None; return whether Envoy ended or a stop signal arrived before that."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self.has_ended():
            remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._inbox], [], [], remaining)[0]:
                return False
            if set(self._inbox.recv(_READ_BYTES)) - {signal.SIGCHLD}:
                return True
        return True

    def stop(self) -> int:
        """Stop Envoy if it still runs, and return the exit code to pass on."""
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


def _start_envoy(command: list[str]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        # Between fork and exec, signals to the child must not reach the socket of the supervisor.
        signal.set_wakeup_fd(-1)
        _bind_to_parent(parent)
        os.execv(command[0], command)  # noqa: S606 - the command is ours, and no shell reads it
    except OSError as error:
        sys.stderr.write(f"Envoy cannot be started: {error.strerror}.\n")
        sys.stderr.flush()
    finally:
        os._exit(EXIT_NOT_STARTED)


def _bind_to_parent(parent: int) -> None:
    """Make this process end when its parent ends, and keep the terminal's Ctrl-C from it, which the parent handles.

    Only Linux can do the first. Elsewhere Envoy stays in the parent's process group, so that a signal to the group
    also ends an Envoy whose parent was killed.
    """
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415 - only the child needs it, and the parent stays small

    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(EXIT_NOT_STARTED)


class Admin:
    """Client of Envoy's admin page."""

    def __init__(self, port: int) -> None:
        self._port = port

    def post(self, path: str) -> bool:
        """Send a command; return whether Envoy accepted it."""
        return self._send_request("POST", path) is not None

    def count_in_flight(self) -> int | None:
        """Return the sum of active requests and buffered bytes; None if Envoy does not answer."""
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


class Log:
    """Writes log lines in the format of the edge's own log; events are constant sentences, fields are numbers."""

    def __init__(self, form: str, level: str) -> None:
        self._json = form == "json"
        self._verbose = level in {"DEBUG", "INFO"}

    def info(self, event: str, **fields: int) -> None:
        """Log an event of normal operation."""
        if self._verbose:
            self._write("info", event, fields)

    def warning(self, event: str, **fields: int) -> None:
        """Log an event that an operator should know."""
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
            # The reader of the log has ended; the drain continues without it.
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
