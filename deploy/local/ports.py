"""Ports of the local suite, and the process that uses a port that is not free.

MEDIA_PORT alone moves the whole suite: each port whose own variable is not set moves by the difference between
MEDIA_PORT and 8080. With MEDIA_PORT=8090 the TTS service listens on 50061 instead of 50051. So one variable is enough
for a second suite on the same machine. `make run` never chooses a port at random: addresses are the same at each start,
and a port that is taken is an error that names the variable to change.
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
    """Its number if neither `variable` nor MEDIA_PORT is set."""
    purpose: str
    """Protocol and use, in a few words."""


EDGE = Port("MEDIA_PORT", 8080, "HTTP, gRPC and gRPC-Web; the only public port")

PortNumbers = Mapping[str, int]
"""Number of each port by its variable."""


def choose_ports(ports: Sequence[Port]) -> PortNumbers:
    """Return the number of each of `ports` according to the environment.

    Raises:
        ConfigurationError: The value of a variable is not a port, or two variables have the same port.
    """
    explicit = load(_build_settings(ports)).model_dump()
    shift = (explicit[EDGE.variable] or EDGE.default) - EDGE.default
    numbers = {port.variable: explicit[port.variable] or _shift(port.default, shift) for port in ports}
    _require_distinct(numbers)
    return numbers


def choose_free_ports(ports: Sequence[Port]) -> PortNumbers:
    """Return a free port for each of `ports`; ignore the environment."""
    return dict(zip((port.variable for port in ports), find_free_ports(len(ports)), strict=True))


def find_free_ports(count: int) -> list[int]:
    """Return ports without a listener; a process never returns the same port twice.

    They are outside the ephemeral range of the system, so that an outgoing connection cannot take one of them before
    the suite listens.

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
        raise ConfigurationError(f"{count} ports are needed, but only {len(found)} are free; stop other programs.")
    return found


def _find_non_ephemeral_range() -> range:
    """Return the larger of the two ranges below and above the system's ephemeral ports."""
    low, high = 32_768, 60_999
    with suppress(OSError):
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    return max(range(_LOWEST_FREE, low), range(high + 1, _HIGHEST + 1), key=len)


def _generate_candidates() -> Iterator[int]:
    """Yield ports in ascending order from a random start, so that two processes rarely try the same ports."""
    span = _find_non_ephemeral_range() or range(_LOWEST_FREE, _HIGHEST + 1)
    start = secrets.randbelow(len(span))
    for number in itertools.count(start):
        yield span[number % len(span)]


_CANDIDATES = _generate_candidates()


def require_free_ports(ports: PortNumbers) -> None:
    """Raise an error if any of the ports has a listener.

    Raises:
        ConfigurationError: Ports are taken; the message names each with its process and its variable.
    """
    problems = [problem for variable, port in ports.items() if (problem := _describe_problem(variable, port))]
    if problems:
        remedy = (
            "Stop the process that uses it, or set the variable to a free port; MEDIA_PORT alone moves the whole suite."
        )
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
    except (psutil.Error, OSError):
        # The process has ended, or the system does not show its connections to this user.
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
    """Return a settings class with one field for each port, so that a port is declared in one place only."""
    fields = {
        port.variable: (
            int | None,
            Field(None, ge=1, le=_HIGHEST, validation_alias=port.variable, description=f"{port.purpose}."),
        )
        for port in ports
    }
    # The type stubs of create_model do not accept fields from a dictionary.
    return create_model("PortSettings", __base__=Settings, **fields)  # type: ignore[call-overload, no-any-return]  # see above


def _shift(port: int, shift: int) -> int:
    """Return `port + shift`, wrapped around into the ports that need no privilege."""
    if not shift:
        return port
    return _LOWEST + (port + shift - _LOWEST) % (_HIGHEST - _LOWEST + 1)


def _require_distinct(ports: PortNumbers) -> None:
    owners: dict[int, str] = {}
    for variable, port in ports.items():
        if port in owners:
            raise ConfigurationError(f"{owners[port]} and {variable} are both {port}; set one of them to another port.")
        owners[port] = variable


def _describe_problem(variable: str, port: int) -> str:
    try:
        # It sets SO_REUSEADDR, so that connections of an earlier run in TIME_WAIT do not count.
        socket.create_server((LOOPBACK, port)).close()
    except PermissionError:
        return f"{variable}: port {port} needs a privilege that this user does not have; set a port above 1023."
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        owner = find_port_owner(port)
        return f"{variable}: port {port} is taken" + (f" by {owner}." if owner else ".")
    return ""
