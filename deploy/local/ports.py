"""Ports of the local suite, and the process that occupies a port that is not free.

MEDIA_PORT alone moves the whole suite: every port whose own variable is not set moves by as much as MEDIA_PORT is away
from 8080, so that two suites on one machine differ in one variable. With MEDIA_PORT=8090 the TTS service, otherwise on
50051, is on 50061. A port of `make run` is never chosen at random: addresses stay the same from one start to the next,
and a port that is taken is an error that says which variable moves it.
"""

from __future__ import annotations

import errno
import itertools
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, create_model

from services.common.settings import ConfigurationError, Settings, load

if TYPE_CHECKING:
    import psutil

LOOPBACK = "127.0.0.1"
_LOWEST, _HIGHEST = 1024, 65535
_LOWEST_FREE = 10_000
"""Lowest port for the suite; well-known and privileged ports are below it."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a process."""

    variable: str
    """Environment variable that sets it."""
    default: int
    """Its number unless `variable` or MEDIA_PORT is set."""
    purpose: str
    """Protocol and use, in a few words."""


EDGE = Port("MEDIA_PORT", 8080, "HTTP, gRPC and gRPC-Web; the only public port")

Chosen = Mapping[str, int]
"""Port numbers by variable."""


def choose_ports(ports: Sequence[Port]) -> Chosen:
    """Return the number of each of `ports` according to the environment.

    Raises:
        ConfigurationError: A variable is not a port, or two variables have the same port.
    """
    explicit = load(_build_settings(ports)).model_dump()
    shift = (explicit[EDGE.variable] or EDGE.default) - EDGE.default
    chosen = {port.variable: explicit[port.variable] or _shift(port.default, shift) for port in ports}
    _require_distinct(chosen)
    return chosen


def choose_free_ports(ports: Sequence[Port]) -> Chosen:
    """Return a free port for each of `ports`; ignore the environment."""
    return dict(zip((port.variable for port in ports), find_free_ports(len(ports)), strict=True))


def find_free_ports(count: int) -> list[int]:
    """Return ports without a listener; a process never returns the same port twice.

    They lie outside the system's ephemeral range, so an outgoing connection that opens before the suite listens cannot
    take one of them.

    Raises:
        ConfigurationError: Fewer ports are free.
    """
    found: list[int] = []
    for port in itertools.islice(_CANDIDATES, _HIGHEST):
        if len(found) == count:
            break
        with suppress(OSError):
            socket.create_server((LOOPBACK, port)).close()
            found.append(port)
    if len(found) < count:
        raise ConfigurationError(f"{count} ports are needed; {len(found)} are free.")
    return found


def _never_handed_out() -> range:
    """Return the larger of the two ranges below and above the system's ephemeral ports."""
    low, high = 32_768, 60_999
    with suppress(OSError):
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    return max(range(_LOWEST_FREE, low), range(high + 1, _HIGHEST + 1), key=len)


def _candidates() -> Iterator[int]:
    """Yield ports in ascending order from a random start, so that two processes rarely try the same ones."""
    span = _never_handed_out() or range(_LOWEST_FREE, _HIGHEST + 1)
    start = secrets.randbelow(len(span))
    for number in itertools.count(start):
        yield span[number % len(span)]


_CANDIDATES = _candidates()


def require_free_ports(chosen: Chosen) -> None:
    """Raise an error if any of the ports has a listener.

    Raises:
        ConfigurationError: Some are taken; the message names each with its process and its variable.
    """
    problems = [problem for variable, port in chosen.items() if (problem := _problem(variable, port))]
    if problems:
        remedy = "Stop what uses it, or set the variable to a free port; MEDIA_PORT alone moves the whole suite."
        raise ConfigurationError("\n".join([*problems, remedy]))


def find_port_owner(port: int) -> str:
    """Return the process that listens on `port`, such as `envoy (process 4711)`; empty if unknown."""
    import psutil  # noqa: PLC0415 - the supervisor needs it only to explain an error

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr or connection.laddr.port != port:
                continue
            # The system does not name a process of another user.
            if connection.pid is not None:
                process = psutil.Process(connection.pid)
                return f"{_find_program(process)} (process {process.pid})"
    except psutil.Error:
        # The process has ended, or this system shows connections to administrators only.
        return ""
    return ""


def _find_program(process: psutil.Process) -> str:
    """Return the name of a process: the module if it is Python, else the file name."""
    # A forked process sets its command line as one string.
    command = " ".join(process.cmdline()).split()
    if "-m" in command[:-1]:
        return command[command.index("-m") + 1]
    return Path(command[0]).name if command else process.name()


def _build_settings(ports: Sequence[Port]) -> type[Settings]:
    """Return a settings class with one field for each port, so that a new process is declared once only."""
    fields = {
        port.variable: (
            int | None,
            Field(None, ge=1, le=_HIGHEST, validation_alias=port.variable, description=f"{port.purpose}."),
        )
        for port in ports
    }
    # The stubs of create_model cannot express fields that are only known when it runs.
    return create_model("PortSettings", __base__=Settings, **fields)  # type: ignore[call-overload, no-any-return]  # see above


def _shift(port: int, shift: int) -> int:
    """Return `port + shift`, wrapped around into the ports that need no privilege."""
    if not shift:
        return port
    return _LOWEST + (port + shift - _LOWEST) % (_HIGHEST - _LOWEST + 1)


def _require_distinct(chosen: Chosen) -> None:
    owners: dict[int, str] = {}
    for variable, port in chosen.items():
        if port in owners:
            raise ConfigurationError(f"{owners[port]} and {variable} are both {port}; set one of them to another port.")
        owners[port] = variable


def _problem(variable: str, port: int) -> str:
    try:
        # Sets SO_REUSEADDR: connections of an earlier run that linger in TIME_WAIT do not count.
        socket.create_server((LOOPBACK, port)).close()
    except PermissionError:
        return f"{variable}: port {port} needs a privilege that this user lacks."
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        owner = find_port_owner(port)
        return f"{variable}: port {port} is taken" + (f" by {owner}." if owner else ".")
    return ""
